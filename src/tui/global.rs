//! What works on every screen: changing screens, the command line, help, profiles, leaving.

use crossterm::event::KeyCode;

use crate::ops::Change;
use crate::tui::TimeStyle;
use crate::tui::effect::{Effect, Leave, Slot};
use crate::tui::keys::{Action, Binding, Key};
use crate::tui::message::Message;
use crate::tui::modal::{Choose, Command, Commands, Confirm, Item, Kind, Need, Report};
use crate::tui::model::{Link, Model, Stopping, Tone};
use crate::tui::screens::{self, ScreenId, listener};
use crate::tui::text::{grouped, whole};
use crate::tui::widgets::field::Field;
use crate::tui::{link, update};

/// A wish that every screen understands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Global {
    /// Show this screen.
    Go(ScreenId),
    /// The screen to the left.
    Previous,
    /// The screen to the right.
    Next,
    /// The command line.
    Commands,
    /// The keys of this screen.
    Help,
    /// The list of profiles.
    Profiles,
    /// The work that runs.
    Jobs,
    /// Times relative, local, in UTC.
    Time,
    /// Ask the database again.
    Refresh,
    /// Draw everything anew.
    Redraw,
    /// Give the terminal to the shell.
    Suspend,
    /// Leave; asks first while work is under way or the listener is up.
    Quit,
    /// Leave without asking.
    QuitNow,
    /// Esc: a step back.
    Back,
    /// Ctrl-c: stop the work, else leave.
    Stop,
}

/// Their table.
pub const KEYS: &[Binding<Model, Global>] = &[
    Binding::looks(
        "users",
        &[ScreenId::Users.key()],
        "the users and their tokens",
        Global::Go(ScreenId::Users),
    ),
    Binding::looks(
        "test-keys",
        &[ScreenId::TestKeys.key()],
        "what a request with a key would get",
        Global::Go(ScreenId::TestKeys),
    ),
    Binding::looks(
        "backfill",
        &[ScreenId::Backfill.key()],
        "a token for everyone who lacks one",
        Global::Go(ScreenId::Backfill),
    ),
    Binding::looks(
        "listener",
        &[ScreenId::Listener.key()],
        "who calls the listener, and how it does",
        Global::Go(ScreenId::Listener),
    ),
    Binding::looks(
        "audit",
        &[ScreenId::Audit.key()],
        "who did what to whom",
        Global::Go(ScreenId::Audit),
    ),
    Binding::looks(
        "previous-screen",
        &[Key::char('[')],
        "the screen to the left",
        Global::Previous,
    ),
    Binding::looks(
        "next-screen",
        &[Key::char(']')],
        "the screen to the right",
        Global::Next,
    ),
    Binding::looks(
        "profile",
        &[Key::char('p')],
        "another database",
        Global::Profiles,
    ),
    Binding::looks("jobs", &[], "the work that runs", Global::Jobs),
    Binding::looks(
        "time",
        &[Key::char('t')],
        "times relative, local, in UTC",
        Global::Time,
    ),
    Binding::looks(
        "refresh",
        &[Key::ctrl('r'), Key::code(KeyCode::F(5))],
        "ask the database again",
        Global::Refresh,
    ),
    Binding::looks(
        "redraw",
        &[Key::ctrl('l')],
        "draw the screen anew",
        Global::Redraw,
    ),
    Binding::looks(
        "suspend",
        &[Key::ctrl('z')],
        "back to the shell; fg returns",
        Global::Suspend,
    ),
    Binding::looks(
        "help",
        &[Key::char('?')],
        "the keys of this screen",
        Global::Help,
    )
    .hint(1, "help"),
    Binding::looks(
        "command",
        &[Key::char(':'), Key::ctrl('p')],
        "a command by its name",
        Global::Commands,
    )
    .hint(1, "command"),
    Binding::looks(
        "back",
        &[Key::code(KeyCode::Esc)],
        "close, cancel, clear marks, clear the filter, go back",
        Global::Back,
    ),
    Binding::looks(
        "stop",
        &[Key::ctrl('c')],
        "stop the running work, else quit",
        Global::Stop,
    ),
    Binding::looks("quit", &[Key::char('q')], "quit", Global::Quit),
];

/// Does what was wished.
pub fn update(model: &mut Model, wish: Global) -> Vec<Effect> {
    match wish {
        Global::Go(screen) => go(model, screen),
        Global::Previous => go(model, model.screen.neighbour(-1)),
        Global::Next => go(model, model.screen.neighbour(1)),
        Global::Commands => {
            let commands = commands(model);
            model.cx.open(Kind::Commands(commands));
            Vec::new()
        }
        Global::Help => {
            let help = help(model);
            model.cx.open(Kind::Help(help));
            Vec::new()
        }
        Global::Profiles => {
            profiles(model, None);
            Vec::new()
        }
        Global::Jobs => {
            let said = jobs(model);
            model.cx.say(Tone::Plain, said);
            Vec::new()
        }
        Global::Time => {
            model.cx.time = match model.cx.time {
                TimeStyle::Relative => TimeStyle::Local,
                TimeStyle::Local => TimeStyle::Utc,
                TimeStyle::Utc => TimeStyle::Relative,
            };
            // The columns have no room for the zone.
            let said = match model.cx.time {
                TimeStyle::Relative => "Times are ages.",
                TimeStyle::Local => "Times are local.",
                TimeStyle::Utc => "Times are in UTC.",
            };
            model.cx.say(Tone::Plain, said);
            Vec::new()
        }
        Global::Refresh => match model.cx.link {
            Link::Offline { .. } => link::ping(&mut model.cx),
            Link::Live { .. } => screens::refresh(model, crate::tui::model::Manner::Loud),
            Link::Unchosen => link::connect_again(&mut model.cx),
            Link::Connecting { .. } => Vec::new(),
        },
        Global::Redraw => vec![Effect::Redraw],
        Global::Suspend => {
            let next = listener::Next::Suspend;
            if listener::ask_before(&model.listener, next, &mut model.cx) {
                return Vec::new();
            }
            vec![Effect::Suspend]
        }
        Global::Quit if model.cx.job.is_some() || model.listener.address().is_some() => {
            ask_quit(model);
            Vec::new()
        }
        Global::Quit | Global::QuitNow => vec![Effect::Quit(Leave::Quit)],
        Global::Back => back(model),
        Global::Stop if model.cx.job.is_some() => update::update_now(model, Message::StopJob),
        Global::Stop => vec![Effect::Quit(Leave::Interrupted)],
    }
}

/// How far the work is.
fn jobs(model: &Model) -> String {
    let Some(job) = &model.cx.job else {
        return "No work is under way.".to_owned();
    };
    let reached = job.progress.reached();
    let far = match job.progress.total {
        Some(total) => format!("{} of {}", grouped(reached), grouped(total)),
        None => "counting".to_owned(),
    };
    let left = match job.progress.left {
        Some(left) => format!(", {} left", whole(left.as_secs())),
        None => String::new(),
    };
    let end = match job.stopping {
        Stopping::No => "Ctrl-c stops it",
        Stopping::Asked => "it was told to stop",
    };
    format!("{}: {far}{left}. {end}.", job.verb)
}

/// Leaving stops the work that runs and the listener, so it asks.
fn ask_quit(model: &mut Model) {
    let work = model.cx.job.as_ref().map(|job| job.verb.word());
    let port = model.listener.address().map(|address| address.port);
    let title = match (work, port) {
        (Some(work), None) => format!("Quit while {work} is under way?"),
        (Some(work), Some(port)) => {
            format!("Quit while {work} is under way and the listener on :{port} is up?")
        }
        (None, Some(port)) => format!("Quit? The listener on :{port} stops."),
        (None, None) => "Quit?".to_owned(),
    };
    let work = work.map(|work| format!("The {work} stops then. What is done stays done."));
    let listener = port.map(|_| listener::MEANS.to_owned());
    model.cx.open(Kind::Confirm(Confirm {
        title,
        about: work.into_iter().chain(listener).collect(),
        whom: Vec::new(),
        same_as: String::new(),
        ways: None,
        verb: "quit",
        need: Need::Yes,
        scroll: 0,
        then: Box::new(Message::Global(Global::QuitNow)),
    }));
}

/// Shows `screen`.
pub fn go(model: &mut Model, screen: ScreenId) -> Vec<Effect> {
    model.screen = screen;
    screens::entered(model)
}

/// Esc outside a dialog: cancels what is waited for, else asks the screen, which clears marks, then its filter,
/// then goes back. It never quits.
fn back(model: &mut Model) -> Vec<Effect> {
    if model.cx.is_waiting(Slot::Connect) {
        let effects = model.cx.cancel(Slot::Connect);
        model.cx.link = Link::Unchosen;
        profiles(model, Some("Cancelled."));
        return effects;
    }
    let cancelled = model.cx.cancel_loud();
    if !cancelled.is_empty() {
        model.cx.say(Tone::Plain, "Cancelled.");
        return cancelled;
    }
    model.cx.notice = None;
    screens::back(model)
}

/// Opens the profile list, with the reason where a connection failed.
pub fn profiles(model: &mut Model, reason: Option<&str>) {
    let cx = &mut model.cx;
    let name = |profile: &crate::tui::ProfileInfo| {
        let mut label = profile.name.clone();
        if profile.protected {
            label.push_str("  PROTECTED");
        }
        if profile.read_only {
            label.push_str("  READ ONLY");
        }
        label
    };
    let items: Vec<Item> = cx
        .profiles
        .iter()
        .map(|profile| Item {
            letter: None,
            label: name(profile),
            then: Message::Connect(profile.name.clone()),
        })
        .collect();
    let cursor = cx
        .profiles
        .iter()
        .position(|profile| profile.name == cx.profile)
        .unwrap_or(0);
    if let Some(reason) = reason {
        // It stays in the message line when the list is closed.
        cx.say(Tone::Bad, reason);
    }
    cx.modals
        .retain(|modal| !matches!(modal.kind, Kind::Choose(_)));
    cx.open(Kind::Choose(Choose {
        title: "Connect to".to_owned(),
        about: reason.unwrap_or_default().to_owned(),
        items,
        cursor,
    }));
}

/// Everything that can be given as a command here, the screen's own actions first.
fn commands(model: &Model) -> Commands {
    let cx = &model.cx;
    let of = |action: &Action| Command {
        name: action.name.to_owned(),
        argument: "",
        key: cx
            .keys
            .keys(action)
            .first()
            .map(Key::to_string)
            .unwrap_or_default(),
        help: action.help,
    };
    let mut all: Vec<Command> = screens::offered(model).into_iter().map(of).collect();
    let creatable = cx.place.as_ref().is_none_or(|place| {
        place
            .refusals
            .iter()
            .all(|(change, _)| *change != Change::UserCreate)
    });
    if creatable {
        all.push(Command {
            name: "user create".to_owned(),
            argument: " NAME",
            key: String::new(),
            help: "a new user without a password",
        });
    }
    all.push(Command {
        name: "leak".to_owned(),
        argument: " NUMBER",
        key: String::new(),
        help: "a case that was kept, and what its keys are worth now",
    });
    all.extend(KEYS.iter().map(|binding| of(&binding.action)));
    Commands {
        field: Field::default(),
        all,
        cursor: 0,
    }
}

/// The help of the present screen, out of the tables.
fn help(model: &Model) -> Report {
    let line = |action: &Action| {
        let keys = match model.cx.keys.keys(action) {
            [] => format!(":{}", action.name),
            keys => keys
                .iter()
                .map(Key::to_string)
                .collect::<Vec<_>>()
                .join(" "),
        };
        format!("{keys:<14} {}", action.help)
    };
    let mut lines = vec![format!("{}:", model.screen.title())];
    lines.extend(screens::offered(model).into_iter().map(line));
    lines.extend([String::new(), "Move:".to_owned()]);
    lines.extend(
        crate::tui::moves::KEYS
            .iter()
            .map(|binding| line(&binding.action)),
    );
    lines.extend([String::new(), "Everywhere:".to_owned()]);
    lines.extend(KEYS.iter().map(|binding| line(&binding.action)));
    lines.extend(model.screen.notes().iter().map(|&note| note.to_owned()));
    Report {
        title: "Help".to_owned(),
        lines,
        scroll: 0,
    }
}

/// `:` and what follows it.
pub fn command(model: &mut Model, line: &str) -> Vec<Effect> {
    let line = line.trim();
    let (head, rest) = line.split_once(' ').unwrap_or((line, ""));
    let rest = rest.trim();
    match (head, rest) {
        ("", _) => Vec::new(),
        ("q" | "quit", "") => update(model, Global::Quit),
        ("profile", name) if !name.is_empty() => {
            update::update_now(model, Message::Connect(name.to_owned()))
        }
        ("user", rest) => {
            if let Some(("create", name)) = rest.split_once(' ') {
                return screens::create_user(model, name.trim());
            }
            model.cx.say(Tone::Bad, "Write :user create NAME.");
            Vec::new()
        }
        ("leak", number) => match number.parse() {
            Ok(number) if number > 0 => screens::open_leak(model, number),
            Ok(_) | Err(_) => {
                model
                    .cx
                    .say(Tone::Bad, "Write :leak and its number, as in :leak 7.");
                Vec::new()
            }
        },
        (name, "") => match KEYS.iter().find(|binding| binding.action.name == name) {
            Some(binding) => update(model, binding.message),
            None => screens::act(model, name).unwrap_or_else(|| {
                let name = crate::text::safe(name);
                model.cx.say(
                    Tone::Bad,
                    format!("No command {name} here; : alone lists them."),
                );
                Vec::new()
            }),
        },
        (name, _) => {
            let name = crate::text::safe(name);
            model.cx.say(
                Tone::Bad,
                format!("{name} takes no argument, or there is no such command."),
            );
            Vec::new()
        }
    }
}
