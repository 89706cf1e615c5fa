//! Takes the terminal and always gives it back: on return, error, panic, signal and suspension. The loop speaks to
//! it through [`Host`], so that tests drive the same loop on a backend that is no terminal.

use std::io::{self, Write};
use std::panic;
use std::sync::Once;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use crossterm::clipboard::CopyToClipboard;
use crossterm::cursor::Show;
use crossterm::event::{DisableBracketedPaste, EnableBracketedPaste};
use crossterm::terminal::{
    BeginSynchronizedUpdate, EndSynchronizedUpdate, EnterAlternateScreen, LeaveAlternateScreen,
    disable_raw_mode, enable_raw_mode,
};
use crossterm::{execute, queue};
use nix::sys::signal::{Signal, raise};
use tokio::signal::unix::{Signal as Stream, SignalKind, signal};

/// What the loop asks of a terminal apart from drawing.
pub trait Host {
    /// A frame begins: nothing is to be seen until it is whole.
    ///
    /// # Errors
    /// When the terminal is gone.
    fn begin_frame(&mut self) -> io::Result<()>;

    /// The frame is whole.
    ///
    /// # Errors
    /// When the terminal is gone.
    fn end_frame(&mut self) -> io::Result<()>;

    /// Sends a text to the terminal's clipboard (OSC 52).
    ///
    /// # Errors
    /// When the terminal is gone.
    fn copy(&mut self, text: &str) -> io::Result<()>;

    /// Gives the terminal back, stops the process until the shell continues it, takes the terminal again.
    ///
    /// # Errors
    /// When the terminal is gone.
    fn suspend(&mut self) -> io::Result<()>;

    /// Takes the terminal again after somebody else stopped and continued the process.
    ///
    /// # Errors
    /// When the terminal is gone.
    fn retake(&mut self) -> io::Result<()>;
}

/// A backend that is no terminal: there is nothing to take and nowhere to copy to.
#[derive(Clone, Copy, Debug, Default)]
pub struct Detached;

impl Host for Detached {
    fn begin_frame(&mut self) -> io::Result<()> {
        Ok(())
    }

    fn end_frame(&mut self) -> io::Result<()> {
        Ok(())
    }

    fn copy(&mut self, _text: &str) -> io::Result<()> {
        Err(io::Error::other("there is no terminal"))
    }

    fn suspend(&mut self) -> io::Result<()> {
        Ok(())
    }

    fn retake(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Whether the terminal is ours, for the panic hook, which has no other way to know.
static HELD: AtomicBool = AtomicBool::new(false);
static HOOK: Once = Once::new();

/// The terminal while it is ours. Dropping it gives it back.
#[derive(Debug)]
pub struct Held(());

impl Held {
    /// Takes the terminal on stdout.
    ///
    /// # Errors
    /// When there is none.
    pub fn take() -> io::Result<Self> {
        let owner = thread::current().id();
        HOOK.call_once(|| {
            let before = panic::take_hook();
            panic::set_hook(Box::new(move |info| {
                // A panic in a background task leaves the console running; its line would tear the screen.
                if thread::current().id() == owner || !HELD.load(Ordering::SeqCst) {
                    give_back();
                    before(info);
                } else {
                    tracing::error!(panic = %info, "a background task panicked");
                }
            }));
        });
        let held = Self(());
        enter()?;
        Ok(held)
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        give_back();
    }
}

fn enter() -> io::Result<()> {
    enable_raw_mode()?;
    HELD.store(true, Ordering::SeqCst);
    execute!(io::stdout(), EnterAlternateScreen, EnableBracketedPaste)
}

/// Gives the terminal back once, however often it is called. What cannot be written any more needs no undoing.
fn give_back() {
    if HELD.swap(false, Ordering::SeqCst) {
        let mut out = io::stdout();
        let _ = execute!(
            out,
            EndSynchronizedUpdate,
            DisableBracketedPaste,
            LeaveAlternateScreen,
            Show
        );
        let _ = disable_raw_mode();
    }
}

impl Host for Held {
    fn begin_frame(&mut self) -> io::Result<()> {
        queue!(io::stdout(), BeginSynchronizedUpdate)
    }

    fn end_frame(&mut self) -> io::Result<()> {
        execute!(io::stdout(), EndSynchronizedUpdate)
    }

    fn copy(&mut self, text: &str) -> io::Result<()> {
        execute!(io::stdout(), CopyToClipboard::to_clipboard_from(text))?;
        io::stdout().flush()
    }

    fn suspend(&mut self) -> io::Result<()> {
        give_back();
        raise(Signal::SIGTSTP).map_err(io::Error::from)?;
        // Here the shell has continued us.
        enter()
    }

    fn retake(&mut self) -> io::Result<()> {
        enter()
    }
}

/// What a signal asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signalled {
    /// SIGHUP: the terminal is gone.
    Hangup,
    /// SIGTERM.
    Terminate,
    /// SIGINT from outside; Ctrl-c comes as a key.
    Interrupt,
    /// SIGCONT.
    Continue,
}

/// The signals the loop listens to.
#[derive(Debug)]
pub struct Signals {
    hangup: Stream,
    terminate: Stream,
    interrupt: Stream,
    resume: Stream,
}

impl Signals {
    /// Begins to listen.
    ///
    /// # Errors
    /// When the system gives no handler.
    pub fn listen() -> io::Result<Self> {
        // SIGCONT has no name in tokio.
        let resume = SignalKind::from_raw(Signal::SIGCONT as i32);
        Ok(Self {
            hangup: signal(SignalKind::hangup())?,
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            resume: signal(resume)?,
        })
    }

    /// The next one.
    pub async fn next(&mut self) -> Signalled {
        tokio::select! {
            biased;
            _ = self.hangup.recv() => Signalled::Hangup,
            _ = self.terminate.recv() => Signalled::Terminate,
            _ = self.interrupt.recv() => Signalled::Interrupt,
            _ = self.resume.recv() => Signalled::Continue,
        }
    }
}
