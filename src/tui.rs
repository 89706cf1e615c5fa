//! The console: keys to messages, messages to state, state to the screen. `run` is the whole loop; the command
//! line calls it with a way to connect, the tests call it with scripted keys on a backend that is no terminal.

mod clipboard;
mod effect;
mod export;
mod global;
mod keyring;
pub mod keys;
mod layout;
mod link;
pub mod look;
mod message;
mod modal;
mod model;
mod moves;
mod runner;
mod screens;
pub mod terminal;
#[cfg(test)]
mod testing;
mod text;
mod update;
mod view;
mod widgets;

use std::fmt;
use std::future::poll_fn;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::task::Poll;
use std::time::{Duration, Instant};

use crossterm::event::{Event, EventStream, KeyCode, KeyEventKind};
use futures_util::future::BoxFuture;
use futures_util::{Stream, StreamExt};
use jiff::tz::TimeZone;
use ratatui::Terminal;
use ratatui::backend::{Backend, CrosstermBackend};
use ratatui::layout::{Position, Rect, Size};
use thiserror::Error;
use tokio::time::{sleep, sleep_until};

use crate::domain::moment::Moment;
use crate::ops::{self, Ops};

use effect::{Leave, Sealed};
use keys::{Key, KeyMap};
use look::Look;
use message::{Message, Sent};
use model::{Clock, Cx, Model};
use runner::{Outside, Runner};
use terminal::{Held, Host, Signalled, Signals};

pub use screens::{ScreenId, all_actions};

/// Between two frames at least: 60 a second are enough for any eye.
const FRAME: Duration = Duration::from_millis(16);
/// More keys than this in one moment, and different ones, were typed by no hand.
const BURST: usize = 6;
/// Events taken together at most.
const EVENTS: usize = 4_096;

/// Opens a profile by its name.
pub type Connect = Arc<dyn Fn(String) -> BoxFuture<'static, Result<Ops, ops::Error>> + Send + Sync>;

/// A profile as the list shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProfileInfo {
    /// Its name.
    pub name: String,
    /// Its ANSI colour.
    pub color: Option<String>,
    /// Changes are confirmed by typing its name.
    pub protected: bool,
    /// Nothing can be changed there.
    pub read_only: bool,
}

/// How times are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TimeStyle {
    /// `2 min`, `3 y`.
    #[default]
    Relative,
    /// In the local zone.
    Local,
    /// In UTC.
    Utc,
}

/// How a key gets to the clipboard.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Clipboard {
    /// tmux inside tmux, else a local program, else OSC 52.
    #[default]
    Auto,
    /// tmux's own buffer.
    Tmux,
    /// A program such as `wl-copy`, `xclip` or `pbcopy`.
    Local,
    /// The terminal's escape sequence.
    Osc52,
    /// Not at all.
    Off,
}

/// `[ui]`.
#[derive(Clone, Debug)]
pub struct Settings {
    /// How times are written at first.
    pub time: TimeStyle,
    /// How a key gets to the clipboard.
    pub clipboard: Clipboard,
    /// After how long the clipboard is cleared.
    pub clipboard_clear: Duration,
    /// How long `x` shows a key.
    pub reveal: Duration,
    /// Colours and glyphs.
    pub look: Look,
    /// Where files are written that the person asks for.
    pub folder: PathBuf,
}

/// All that the console is started with.
#[derive(Clone)]
pub struct Startup {
    /// What can be connected to.
    pub profiles: Vec<ProfileInfo>,
    /// Which of them is opened; `None`: the list is shown.
    pub first: Option<String>,
    /// Opens one.
    pub connect: Connect,
    /// `[ui]`.
    pub settings: Settings,
    /// `[keys]`, as [`keys::rebind`] read it.
    pub keys: KeyMap,
    /// The local time zone.
    pub zone: TimeZone,
    /// The calendar's present; tests hold it still.
    pub now: fn() -> Moment,
}

impl fmt::Debug for Startup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Startup")
            .field("profiles", &self.profiles)
            .field("first", &self.first)
            .field("settings", &self.settings)
            .finish_non_exhaustive()
    }
}

/// How the console ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exit {
    /// The exit code: 0, 129 (terminal gone), 130 (Ctrl-c), 143 (SIGTERM).
    pub code: u8,
    /// What is to be said once the terminal is given back.
    pub note: Option<String>,
}

/// Why the console could not run.
#[derive(Debug, Error)]
pub enum Error {
    /// The terminal could not be taken.
    #[error("cannot take the terminal: {0}; is this run in one?")]
    Terminal(#[source] io::Error),
    /// The system gave no signal handlers.
    #[error("cannot listen to signals: {0}")]
    Signals(#[source] io::Error),
}

/// Reads `[keys]` against the tables of all screens.
///
/// # Errors
/// All problems at once, each with its line; see [`keys::rebind`].
pub fn rebind(entries: &[keys::Entry]) -> Result<KeyMap, Vec<keys::Problem>> {
    keys::rebind(entries, &all_actions())
}

/// Runs the console on the real terminal and gives it back on every way out.
///
/// # Errors
/// When there is no terminal to take.
pub async fn run_on_terminal(startup: Startup) -> Result<Exit, Error> {
    let mut held = Held::take().map_err(Error::Terminal)?;
    // One write for a frame, instead of one for each line.
    let out = io::BufWriter::with_capacity(64 * 1024, io::stdout());
    let mut terminal = Terminal::new(CrosstermBackend::new(out)).map_err(Error::Terminal)?;
    run(startup, EventStream::new(), &mut terminal, &mut held).await
}

/// The loop: shutdown, input, answers, in this order; a frame after a change, at most every 16 ms.
///
/// Keys that are ready together in numbers count as pasted; whoever scripts them waits between two.
///
/// # Errors
/// When signals cannot be listened to. A terminal that goes away is an exit, not an error.
pub async fn run<B, S, H>(
    startup: Startup,
    input: S,
    terminal: &mut Terminal<B>,
    host: &mut H,
) -> Result<Exit, Error>
where
    B: Backend,
    S: Stream<Item = io::Result<Event>> + Unpin,
    H: Host,
{
    let mut signals = Signals::listen().map_err(Error::Signals)?;
    let size = terminal.size().unwrap_or(Size::new(80, 24));
    let clock = {
        let now = startup.now;
        move || Clock {
            at: Instant::now(),
            now: now(),
        }
    };
    let mut model = model(&startup, clock(), size);
    let (runner, mut answers) = Runner::new(startup.connect, startup.settings);
    let mut console = Console {
        runner,
        terminal,
        host,
        redraw: Redraw::Changed,
    };
    let mut input = input;
    let mut drawn: Option<Instant> = None;
    let first = match startup.first {
        Some(profile) => Some(Message::Connect(profile)),
        None => Some(Message::Global(global::Global::Profiles)),
    };
    let mut pending: Vec<Message> = first.into_iter().collect();
    let code = 'run: loop {
        for message in pending.drain(..) {
            for effect in update::update(&mut model, clock(), message) {
                match console.perform(effect, &mut model, clock()) {
                    Go::On => {}
                    Go::Leave(code) => break 'run code,
                }
            }
            console.redraw = console.redraw.max(Redraw::Changed);
        }
        let due = drawn
            .map(|drawn| drawn + FRAME)
            .filter(|due| *due > Instant::now());
        if console.redraw > Redraw::No && due.is_none() {
            if console.draw(&model).is_err() {
                break GONE;
            }
            drawn = Some(Instant::now());
        }
        let wait = due.filter(|_| console.redraw > Redraw::No);
        tokio::select! {
            biased;
            signal = signals.next() => match signal {
                Signalled::Hangup => break GONE,
                Signalled::Terminate => break 143,
                Signalled::Interrupt => break 130,
                Signalled::Continue => {
                    if console.host.retake().is_err() {
                        break GONE;
                    }
                    pending.push(Message::Resumed);
                }
            },
            event = input.next() => match event {
                Some(Ok(event)) => pending = gather(event, &mut input).await,
                Some(Err(_)) | None => break GONE,
            },
            Some(answer) = answers.recv() => pending.extend(console.runner.receive(answer)),
            () = until(wait), if wait.is_some() => {}
            () = sleep(model.wake()), if wait.is_none() => pending.push(Message::Ticked),
        }
    };
    // Tasks that still have an answer must not wait for room.
    drop(answers);
    let note = console.runner.finish().await;
    Ok(Exit { code, note })
}

/// The exit code of a terminal that is gone: 128 and SIGHUP.
const GONE: u8 = 129;

async fn until(at: Option<Instant>) {
    if let Some(at) = at {
        sleep_until(at.into()).await;
    }
}

fn model(startup: &Startup, clock: Clock, size: Size) -> Model {
    let mut cx = Cx::new(clock, startup.zone.clone(), size, startup.settings.clone());
    cx.keys = startup.keys.clone();
    cx.profiles.clone_from(&startup.profiles);
    Model::new(cx)
}

/// How much is to be drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Redraw {
    No,
    Changed,
    Everything,
}

/// Whether the loop goes on.
enum Go {
    On,
    Leave(u8),
}

/// What performs and draws.
struct Console<'a, B: Backend, H> {
    runner: Runner,
    terminal: &'a mut Terminal<B>,
    host: &'a mut H,
    redraw: Redraw,
}

impl<B: Backend, H: Host> Console<'_, B, H> {
    fn perform(&mut self, effect: effect::Effect, model: &mut Model, clock: Clock) -> Go {
        match self.runner.perform(effect) {
            None => Go::On,
            Some(Outside::Quit(Leave::Quit)) => Go::Leave(0),
            Some(Outside::Quit(Leave::Interrupted)) => Go::Leave(130),
            Some(Outside::Redraw) => {
                self.redraw = Redraw::Everything;
                Go::On
            }
            Some(Outside::Suspend) => match self.host.suspend() {
                Ok(()) => {
                    self.redraw = Redraw::Everything;
                    Go::On
                }
                Err(_) => Go::Leave(GONE),
            },
            Some(Outside::Osc52(label, text)) => {
                let sent = self.host.copy(text.expose());
                let sent = sent.map(|()| Sent {
                    via: "the terminal (OSC 52)",
                    cleared_in: None,
                });
                let outcome = sent.map_err(|error| error.to_string());
                // It asks for nothing more, so there is nothing to perform.
                update::update(model, clock, Message::Sent { label, outcome });
                Go::On
            }
        }
    }

    fn draw(&mut self, model: &Model) -> io::Result<()> {
        let lost = |_| io::Error::other("the terminal took no frame");
        self.host.begin_frame()?;
        if self.redraw == Redraw::Everything {
            // Not `clear`, which asks the terminal where its cursor is and waits for an answer that the event
            // stream takes away.
            let whole = self.terminal.size().map_err(lost)?;
            self.terminal
                .resize(Rect::from((Position::ORIGIN, whole)))
                .map_err(lost)?;
        }
        self.terminal
            .draw(|frame| view::view(model, frame))
            .map_err(lost)?;
        self.redraw = Redraw::No;
        self.host.end_frame()
    }
}

/// The event and whatever is ready with it. Many different keys at once are a paste from a terminal that does not
/// bracket it: they must not act as commands. One key many times is a held key.
async fn gather<S>(first: Event, input: &mut S) -> Vec<Message>
where
    S: Stream<Item = io::Result<Event>> + Unpin,
{
    let mut events = vec![first];
    while events.len() < EVENTS {
        // Polled with this task's own waker: the event stream keeps the last one it saw, and would wake nobody
        // after a look with an empty one.
        match poll_fn(|cx| Poll::Ready(input.poll_next_unpin(cx))).await {
            Poll::Ready(Some(Ok(event))) => events.push(event),
            // An error or the end comes again when it is asked for next.
            Poll::Ready(Some(Err(_)) | None) | Poll::Pending => break,
        }
    }
    let typed: Vec<char> = events.iter().filter_map(typed_char).collect();
    let held = typed.windows(2).all(|pair| pair[0] == pair[1]);
    if typed.len() == events.len() && typed.len() >= BURST && !held {
        let text: String = typed.into_iter().collect();
        return vec![Message::Pasted(Sealed::new(text))];
    }
    events.into_iter().filter_map(message_of).collect()
}

/// What an event would type, were it part of a paste.
fn typed_char(event: &Event) -> Option<char> {
    let Event::Key(key) = event else {
        return None;
    };
    match key.code {
        KeyCode::Enter => Some('\n'),
        KeyCode::Tab => Some('\t'),
        _ => Key::from_event(key).typed(),
    }
}

fn message_of(event: Event) -> Option<Message> {
    match event {
        Event::Key(key) if key.kind == KeyEventKind::Release => None,
        Event::Key(key) => Some(Message::Pressed(Key::from_event(&key))),
        Event::Paste(text) => Some(Message::Pasted(Sealed::new(text))),
        Event::Resize(width, height) => Some(Message::Resized(Size::new(width, height))),
        Event::FocusGained | Event::FocusLost | Event::Mouse(_) => None,
    }
}
