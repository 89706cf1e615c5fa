//! The real program in a pseudo-terminal: keys go in, cells come out. Shared by the tests, the benches and the
//! command that draws the README's pictures.

use std::ffi::OsString;
use std::io::{Read, Write};
use std::path::Path;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use portable_pty::{Child, CommandBuilder, MasterPty, PtySize, native_pty_system};

/// How long anything may take to appear before the wait is given up and the screen is shown.
const PATIENCE: Duration = Duration::from_secs(30);

/// A program and the terminal it runs in.
pub struct Terminal {
    child: Box<dyn Child + Send + Sync>,
    master: Box<dyn MasterPty + Send>,
    keyboard: Box<dyn Write + Send>,
    seen: Arc<Seen>,
}

struct Seen {
    state: Mutex<State>,
    changed: Condvar,
}

struct State {
    parser: vt100::Parser,
    /// Bytes read so far: it grows with every output.
    read: u64,
    /// When the last of them came.
    at: Instant,
    ended: bool,
    /// All of it, for what a screen does not keep: which modes were set and reset.
    bytes: Vec<u8>,
}

/// What the program is given besides its arguments; nothing of the surroundings but `PATH`.
#[derive(Clone, Debug, Default)]
pub struct Setting {
    variables: Vec<(OsString, OsString)>,
}

impl Setting {
    /// A terminal that knows 256 colours, UTC, UTF-8, and `home` as the home folder.
    pub fn at(home: &Path) -> Self {
        let plain = [
            ("TERM", "xterm-256color"),
            ("TZ", "UTC"),
            ("LANG", "C.UTF-8"),
        ];
        let mut setting = Self::default().with("HOME", home);
        for (name, value) in plain {
            setting = setting.with(name, value);
        }
        match std::env::var_os("PATH") {
            Some(path) => setting.with("PATH", path),
            None => setting,
        }
    }

    /// Adds a variable, or gives it another value.
    pub fn with(mut self, name: &str, value: impl Into<OsString>) -> Self {
        self.variables.retain(|(known, _)| *known != *name);
        self.variables.push((name.into(), value.into()));
        self
    }

    /// Takes a variable away.
    pub fn without(mut self, name: &str) -> Self {
        self.variables.retain(|(known, _)| *known != *name);
        self
    }
}

impl Terminal {
    /// Starts `program` in a terminal of `rows` and `columns`.
    pub fn start(
        program: &Path,
        arguments: &[&str],
        setting: &Setting,
        rows: u16,
        columns: u16,
    ) -> Self {
        let size = PtySize {
            rows,
            cols: columns,
            pixel_width: 0,
            pixel_height: 0,
        };
        let pair = native_pty_system()
            .openpty(size)
            .expect("a pseudo-terminal");
        let mut command = CommandBuilder::new(program);
        command.args(arguments);
        command.env_clear();
        for (name, value) in &setting.variables {
            command.env(name, value);
        }
        let child = pair
            .slave
            .spawn_command(command)
            .expect("the program starts");
        let reader = pair
            .master
            .try_clone_reader()
            .expect("the terminal can be read");
        let keyboard = pair
            .master
            .take_writer()
            .expect("the terminal can be written");
        let seen = watch(reader, rows, columns);
        Self {
            child,
            master: pair.master,
            keyboard,
            seen,
        }
    }

    /// Sends `keys` as a terminal would, in one write.
    pub fn press(&mut self, keys: &str) {
        self.keyboard
            .write_all(keys.as_bytes())
            .expect("the program reads its keys");
        self.keyboard.flush().expect("the program reads its keys");
    }

    /// Gives the terminal another size.
    pub fn resize(&self, rows: u16, columns: u16) {
        let size = PtySize {
            rows,
            cols: columns,
            pixel_width: 0,
            pixel_height: 0,
        };
        self.state().parser.screen_mut().set_size(rows, columns);
        self.master
            .resize(size)
            .expect("the terminal takes its size");
    }

    /// The screen as text.
    pub fn screen(&self) -> String {
        self.state().parser.screen().contents()
    }

    /// Looks at the cells.
    pub fn look<T>(&self, at: impl FnOnce(&vt100::Screen) -> T) -> T {
        at(self.state().parser.screen())
    }

    /// Everything the program wrote.
    pub fn bytes(&self) -> Vec<u8> {
        self.state().bytes.clone()
    }

    /// How many bytes the program wrote so far.
    pub fn written(&self) -> u64 {
        self.state().read
    }

    /// Waits until all of `texts` are on the screen, and tells when the output that completed them came.
    pub fn wait_for(&self, texts: &[&str]) -> Instant {
        self.wait_until(&format!("{texts:?}"), |screen| {
            texts.iter().all(|text| screen.contains(text))
        })
    }

    /// Waits until `text` is no longer on the screen.
    pub fn wait_gone(&self, text: &str) -> Instant {
        self.wait_until(&format!("no {text:?}"), |screen| !screen.contains(text))
    }

    fn wait_until(&self, what: &str, holds: impl Fn(&str) -> bool) -> Instant {
        let deadline = Instant::now() + PATIENCE;
        let mut state = self.state();
        loop {
            let screen = state.parser.screen().contents();
            if holds(&screen) {
                return state.at;
            }
            let left = deadline.saturating_duration_since(Instant::now());
            assert!(
                !left.is_zero() && !state.ended,
                "waited for {what}; the screen is\n{screen}"
            );
            state = self
                .seen
                .changed
                .wait_timeout(state, left)
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        }
    }

    /// Waits for the first output after `written` bytes, and tells when it came.
    pub fn wait_output(&self, written: u64) -> Instant {
        let deadline = Instant::now() + PATIENCE;
        let mut state = self.state();
        while state.read <= written {
            let left = deadline.saturating_duration_since(Instant::now());
            assert!(
                !left.is_zero() && !state.ended,
                "no output; the screen is\n{}",
                state.parser.screen().contents()
            );
            state = self
                .seen
                .changed
                .wait_timeout(state, left)
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        }
        state.at
    }

    /// The program's process.
    pub fn pid(&self) -> u32 {
        self.child.process_id().expect("the program runs")
    }

    /// Waits for the program's end and gives its exit code.
    pub fn wait_exit(&mut self) -> u32 {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = self
                .child
                .try_wait()
                .expect("the program can be waited for")
            {
                return status.exit_code();
            }
            assert!(
                Instant::now() < deadline,
                "it does not end; the screen is\n{}",
                self.screen()
            );
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.seen
            .state
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        // A test that failed leaves no program behind.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn watch(mut output: Box<dyn Read + Send>, rows: u16, columns: u16) -> Arc<Seen> {
    let parser = vt100::Parser::new(rows, columns, 0);
    let state = State {
        parser,
        read: 0,
        at: Instant::now(),
        ended: false,
        bytes: Vec::new(),
    };
    let seen = Arc::new(Seen {
        state: Mutex::new(state),
        changed: Condvar::new(),
    });
    let watched = Arc::clone(&seen);
    std::thread::spawn(move || {
        let mut buffer = [0; 65_536];
        loop {
            let count = output.read(&mut buffer).unwrap_or(0);
            let mut state = watched.state.lock().unwrap_or_else(PoisonError::into_inner);
            state.at = Instant::now();
            state.parser.process(&buffer[..count]);
            state.bytes.extend_from_slice(&buffer[..count]);
            state.read += count as u64;
            state.ended = count == 0;
            watched.changed.notify_all();
            if count == 0 {
                return;
            }
        }
    });
    seen
}
