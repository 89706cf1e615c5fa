//! The console: keys to messages, messages to state, state to the screen. `run` is the whole loop; the command
//! line calls it with a way to connect, the tests call it with scripted keys on a backend that is no terminal.

mod clipboard;
mod cx;
mod effect;
mod export;
mod global;
mod input;
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
pub mod shell;
mod startup;
pub mod terminal;
#[cfg(test)]
mod testing;
mod text;
mod update;
mod view;
mod widgets;

use std::io;
use std::time::{Duration, Instant};

use crossterm::event::{Event, EventStream};
use futures_util::{Stream, StreamExt};
use ratatui::Terminal;
use ratatui::backend::{Backend, CrosstermBackend};
use ratatui::layout::{Position, Rect, Size};
use thiserror::Error;
use tokio::time::{sleep, sleep_until};

use effect::Leave;
use message::{Message, Sent};
use model::{Clock, Cx, Model};
use runner::{Outside, Runner};
use terminal::{Held, Host, Signalled, Signals};

pub use runner::{Listen, Serving};
pub use screens::{ScreenId, all_actions};
pub use startup::{Clipboard, Connect, Exit, ProfileInfo, Settings, Startup, TimeStyle};

/// Between two frames that answers cause at least: 60 a second are enough for any eye.
const FRAME: Duration = Duration::from_millis(16);
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
    let (runner, mut answers) = Runner::new(startup.connect, startup.listen, startup.settings);
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
                Some(Ok(event)) => {
                    pending = input::gather(event, &mut input).await;
                    // What a person does is seen at once; only answers wait for the next frame.
                    drawn = None;
                }
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
    cx.listens_at.clone_from(&startup.listens_at);
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
            Some(Outside::Osc52(label, text, cleared)) => {
                let sent = self.host.copy(text.expose());
                let sent = sent.map(|()| Sent {
                    via: "the terminal (OSC 52)",
                    cleared,
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

#[cfg(test)]
mod tests;
