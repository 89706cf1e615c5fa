//! `console` and `demo`: gives the console its way to connect, its profiles and its settings, and the terminal.

use std::io::IsTerminal;
use std::path::PathBuf;
use std::sync::Arc;

use futures_util::FutureExt;
use jiff::tz::TimeZone;

use super::context::Context;
use super::exit::{Code, Failure};
use super::opener::{Anew, DEMO, Say, color_name, label};
use super::serve::start::{self, Started, start};
use crate::config::{
    self, Access, Color, Origin, PRIVATE, Place, Problem, Problems, Profile, Protection,
};
use crate::db::private::{self, Status};
use crate::domain::moment::Moment;
use crate::http::{Bind, Plain};
use crate::ops::Ops;
use crate::tui::keys::{Entry, KeyMap, rebind};
use crate::tui::look::{Glyphs, Look, Paint};
use crate::tui::shell::quoted;
use crate::tui::{
    self, Clipboard, Connect, Listen, ProfileInfo, Serving, Settings, Startup, TimeStyle,
};

/// `demo`.
#[derive(Debug, clap::Args)]
pub struct DemoArgs {
    /// How many users to make
    #[arg(long, value_name = "N", default_value_t = USUAL, value_parser = clap::value_parser!(u64).range(1..=MOST))]
    users: u64,
    /// Make it anew
    #[arg(long)]
    reset: bool,
}

/// What decided which database is opened first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChosenBy {
    /// `--profile` or `--database`.
    Flag,
    /// The environment or the configuration: a command without flags gets the same.
    Default,
}

/// Enough to scroll, made in no time.
const USUAL: u64 = 1_000;
/// More would take minutes, and a good part of a disk.
const MOST: u64 = 10_000_000;

/// Runs `console`.
pub async fn run(cx: &mut Context, chosen_by: ChosenBy) -> Result<Code, Failure> {
    let keys = ready(cx)?;
    let chosen = &cx.config().profile;
    let first = label(chosen);
    if matches!(chosen.place, Place::Private)
        && private::status(&cx.opener.home())? == Status::NotMade
    {
        // Seconds of work, told line by line: better before the terminal is taken.
        let opening = Box::pin(cx.opener.open(Say::Stderr));
        cx.signals.or_stop(opening).await?;
    }
    let all = cx.opener.all().into_iter();
    let mut profiles: Vec<ProfileInfo> = all
        .map(|profile| info(&profile, cx.config(), chosen_by))
        .collect();
    if profiles.iter().all(|profile| profile.name != PRIVATE) {
        profiles.push(plain(PRIVATE, Some(by_name(PRIVATE))));
    }
    show(cx, first, profiles, keys).await
}

/// Runs `demo`. The configuration was loaded for the private database.
pub async fn demo(cx: &mut Context, args: DemoArgs) -> Result<Code, Failure> {
    let keys = ready(cx)?;
    let anew = if args.reset { Anew::Yes } else { Anew::No };
    let making = Box::pin(cx.opener.make_demo(args.users, anew, Say::Stderr));
    if let Some(found) = cx.signals.or_stop(making).await?
        && found != args.users
        && args.users != USUAL
    {
        cx.out.note(&format!(
            "the demo is there already, with about {found} users; --reset makes it anew"
        ));
    }
    show(cx, DEMO.to_owned(), demo_profiles(), keys).await
}

/// No command but `demo` itself reaches the demo.
fn demo_profiles() -> Vec<ProfileInfo> {
    vec![plain(DEMO, None), plain(PRIVATE, Some(by_name(PRIVATE)))]
}

/// Whether there is a terminal that a console can be shown on, and which keys it gets.
fn ready(cx: &Context) -> Result<KeyMap, Failure> {
    if !std::io::stdin().is_terminal() || !std::io::stdout().is_terminal() {
        return Err(Failure::usage(
            "the console needs a terminal; `tokenward --help` shows the commands for scripts",
        ));
    }
    match cx.config().env.text("TERM")? {
        None => {
            return Err(Failure::usage(
                "TERM is not set, so nothing is known of this terminal; set it, as in TERM=xterm-256color",
            ));
        }
        Some("dumb") => {
            return Err(Failure::usage(
                "the console needs a terminal that can place text, and TERM=dumb says that this one cannot; \
                 `tokenward --help` shows the commands, which need none",
            ));
        }
        Some(_) => {}
    }
    let entries: Vec<Entry> = cx
        .config()
        .keys
        .entries
        .iter()
        .map(|entry| Entry {
            action: entry.action.clone(),
            keys: entry.keys.clone(),
            line: entry.line,
        })
        .collect();
    rebind(&entries, &tui::all_actions()).map_err(|problems| {
        let file = &cx.config().keys.file;
        let told: Problems = problems
            .into_iter()
            .map(|problem| Problem::at(file, problem.line, problem.message))
            .collect();
        told.into()
    })
}

async fn show(
    cx: &mut Context,
    first: String,
    profiles: Vec<ProfileInfo>,
    keys: KeyMap,
) -> Result<Code, Failure> {
    let opener = Arc::clone(&cx.opener);
    let connect: Connect = Arc::new(move |name| {
        let opener = Arc::clone(&opener);
        async move { opener.open_named(&name, Say::Log).await }.boxed()
    });
    let opener = Arc::clone(&cx.opener);
    let listen: Listen = Arc::new(move |ops| {
        let opener = Arc::clone(&opener);
        async move { listen(opener.config(), ops).await }.boxed()
    });
    let startup = Startup {
        profiles,
        first: Some(first),
        connect,
        listens_at: start::url(cx.config()),
        listen,
        settings: settings(cx.config()),
        keys,
        zone: TimeZone::system(),
        now: Moment::now,
    };
    cx.signals.hand_over();
    let exit = tui::run_on_terminal(startup)
        .await
        .map_err(|error| Failure::usage(error.to_string()))?;
    if let Some(note) = &exit.note {
        cx.out.note(note);
    }
    Ok(match exit.code {
        0 => Code::Done,
        129 => Code::Hangup,
        130 => Code::Interrupted,
        143 => Code::Terminated,
        _ => Code::Failed,
    })
}

/// Starts the listener of the configuration on what the console shows, as `serve` would.
async fn listen(config: &config::Config, ops: Ops) -> Result<Serving, String> {
    let bind = Bind::Address(config.listener.bind);
    let started = async {
        let settings = start::settings(config, bind, Plain::Loopback)?;
        start(config, ops, settings).await
    };
    let Started {
        listener,
        metrics,
        gate,
        scheme,
    } = started
        .await
        .map_err(|failure: Failure| failure.message().to_owned())?;
    Ok(Serving {
        url: format!("{scheme}://{}", listener.address()),
        listener,
        metrics,
        gate,
    })
}

fn info(profile: &Profile, config: &config::Config, chosen_by: ChosenBy) -> ProfileInfo {
    let command = match (&profile.place, &profile.name) {
        // Where the environment or the file chose it, a command without flags chooses it too.
        _ if chosen_by == ChosenBy::Default && label(profile) == label(&config.profile) => {
            Some("tokenward".to_owned())
        }
        // The URL may hold a password: it is not repeated.
        (Place::Url(url), _) if url.from == Origin::Flag => None,
        (_, Some(name)) => Some(by_name(name)),
        (_, None) => None,
    };
    ProfileInfo {
        command,
        name: label(profile),
        color: profile.color.map(color_name),
        protected: profile.protection == Protection::Protected,
        read_only: profile.access == Access::ReadOnly,
    }
}

fn by_name(profile: &str) -> String {
    format!("tokenward -p {}", quoted(profile))
}

fn plain(name: &str, command: Option<String>) -> ProfileInfo {
    ProfileInfo {
        command,
        name: name.to_owned(),
        color: None,
        protected: false,
        read_only: false,
    }
}

fn settings(config: &config::Config) -> Settings {
    let ui = &config.ui;
    Settings {
        time: match ui.time {
            config::TimeStyle::Relative => TimeStyle::Relative,
            config::TimeStyle::Local => TimeStyle::Local,
            config::TimeStyle::Utc => TimeStyle::Utc,
        },
        clipboard: match ui.clipboard {
            config::Clipboard::Auto => Clipboard::Auto,
            config::Clipboard::Tmux => Clipboard::Tmux,
            config::Clipboard::Local => Clipboard::Local,
            config::Clipboard::Osc52 => Clipboard::Osc52,
            config::Clipboard::Off => Clipboard::Off,
        },
        clipboard_clear: ui.clipboard_clear,
        reveal: ui.reveal,
        look: Look {
            paint: match config.color {
                Color::Auto => Paint::Colour,
                Color::Off => Paint::Plain,
            },
            glyphs: match ui.glyphs {
                config::Glyphs::Unicode => Glyphs::Unicode,
                config::Glyphs::Ascii => Glyphs::Ascii,
            },
        },
        // Wherever the person stands.
        folder: std::env::current_dir().unwrap_or_else(|_| PathBuf::from(".")),
    }
}
