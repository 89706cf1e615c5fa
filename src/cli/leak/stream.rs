//! The reading side of `leak scan`: a thread of its own reads the files one by one, scans them, and hands over what it
//! finds in batches, while the database is asked about the batch before.

use std::io::{ErrorKind, Read};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use zeroize::Zeroizing;

use crate::domain::scan::{Candidate, Scanner};
use crate::ops::leak::{Source, masked};

/// So many candidates are asked about at a time.
const BATCH: usize = 4_096;
/// A log that is still being written gives few; they wait no longer than this for more.
const PATIENCE: Duration = Duration::from_millis(500);
/// Batches that wait for the database; when it is full, reading waits.
const WAITING: usize = 2;
const PIECE: usize = 128 * 1024;

/// What the reader hands over.
#[derive(Debug)]
pub enum Event {
    /// Candidates, each with the number of its file.
    Found(Vec<(usize, Candidate)>),
    /// A file could not be read, or not to its end.
    Failed(usize, std::io::Error),
}

/// What is read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Input {
    /// The standard input.
    Stdin,
    /// A file.
    File(PathBuf),
}

impl Input {
    /// `-` is stdin, as everywhere.
    pub fn of(path: PathBuf) -> Self {
        if path.as_os_str() == "-" {
            Self::Stdin
        } else {
            Self::File(path)
        }
    }

    /// What it is called in the output, without any key. Outside text.
    pub fn name(&self) -> String {
        match self {
            Self::Stdin => "stdin".to_owned(),
            Self::File(path) => masked(&path.display().to_string()),
        }
    }

    fn open(&self) -> std::io::Result<Source> {
        match self {
            Self::Stdin => Source::of(std::io::stdin()),
            Self::File(path) => Source::open(path),
        }
    }
}

/// Begins to read `inputs` and counts the bytes in `read`. The reader ends when all is read, when `stop` fires or when
/// nobody listens any more.
pub fn start(
    inputs: Vec<Input>,
    read: Arc<AtomicU64>,
    stop: CancellationToken,
) -> mpsc::Receiver<Event> {
    let (events, receiver) = mpsc::channel(WAITING);
    tokio::task::spawn_blocking(move || {
        let mut reader = Reader {
            events,
            waiting: Vec::new(),
            since: Instant::now(),
            deaf: false,
            read,
            stop,
        };
        for (number, input) in inputs.iter().enumerate() {
            if let Err(error) = reader.scan(number, input) {
                reader.hand_over();
                reader.deaf |= reader
                    .events
                    .blocking_send(Event::Failed(number, error))
                    .is_err();
            }
            if reader.is_over() {
                break;
            }
        }
        reader.hand_over();
    });
    receiver
}

struct Reader {
    events: mpsc::Sender<Event>,
    waiting: Vec<(usize, Candidate)>,
    since: Instant,
    /// Nobody listens any more.
    deaf: bool,
    read: Arc<AtomicU64>,
    stop: CancellationToken,
}

impl Reader {
    fn is_over(&self) -> bool {
        self.deaf || self.stop.is_cancelled()
    }

    fn scan(&mut self, number: usize, input: &Input) -> std::io::Result<()> {
        let mut source = input.open()?;
        let mut scanner = Scanner::new();
        let mut piece = Zeroizing::new(vec![0; PIECE]);
        let read = loop {
            if self.is_over() {
                return Ok(());
            }
            match source.read(&mut piece) {
                Ok(0) => break Ok(()),
                Ok(many) => {
                    scanner.feed(&piece[..many], &mut |found| self.take(number, found));
                    self.read.fetch_add(many as u64, Relaxed);
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => break Err(error),
            }
            if !self.waiting.is_empty() && self.since.elapsed() >= PATIENCE {
                self.hand_over();
            }
        };
        // What was read before an error counts as much.
        scanner.finish(&mut |found| self.take(number, found));
        read
    }

    fn take(&mut self, number: usize, found: Candidate) {
        if self.waiting.is_empty() {
            self.since = Instant::now();
        }
        self.waiting.push((number, found));
        if self.waiting.len() >= BATCH {
            self.hand_over();
        }
    }

    fn hand_over(&mut self) {
        let batch = std::mem::take(&mut self.waiting);
        if !batch.is_empty() && !self.deaf {
            self.deaf = self.events.blocking_send(Event::Found(batch)).is_err();
        }
    }
}
