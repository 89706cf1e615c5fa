//! Finds what may be keys in any text: a log, a paste, a dump of a repository. Whoever reads the text feeds it in
//! pieces of any size and is told each candidate with its line; whether it is a key only the database knows.
//!
//! A cheap search marks the places worth a look; each is then decided from a window of a few thousand bytes around it.
//! So memory is bounded whatever the input, and what is found never depends on how the text came in.

mod anchors;
mod base64;
mod bounds;
mod keyword;
mod plain;
mod recent;
mod value;
mod window;
mod wrapped;

#[cfg(test)]
mod tests;

use std::fmt;
use std::ops::Range;

use zeroize::Zeroizing;

use super::secret::Secret;
use anchors::Anchor;
use recent::Recent;
use window::{Found, Window};

/// A piece of text that may be a key.
#[derive(Clone, Debug)]
pub struct Candidate {
    /// The line it begins in; the first line is 1.
    pub line: u64,
    /// Where it stands in the text, in bytes. Of a wrapped key from its beginning to its end with what stands between, of
    /// one inside base64 the encoded part: what has to be covered where the text is shown.
    pub place: Range<u64>,
    /// What it looks like.
    pub kind: Kind,
    /// Whether all of it is there.
    pub shape: Shape,
    /// The text itself, unwrapped and decoded. Of a cut key the part that is there.
    pub key: Secret<String>,
    /// What stands before it.
    pub context: Context,
}

/// What a candidate looks like.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// 40 lower-case hex digits, as REST framework makes them. Git's hashes look the same.
    Drf,
    /// 64 lower-case hex digits, as knox makes them, in context also after a prefix. So does SHA-256 look.
    Knox,
    /// The checksummed shape, `twd_` and 36 more.
    Checksum(Checksum),
    /// Any other text, found only where a key is expected: after `Token`, in an `Authorization` header, in a field of
    /// that name. Hand-made keys look like this.
    Other,
}

/// Whether the checksum of a key of our own shape is right. Of a cut key nobody knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Checksum {
    /// It was made by tokenward.
    Good,
    /// Mistyped or made up.
    Bad,
    /// The key is cut.
    Unknown,
}

/// Whether all of a key is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Shape {
    /// All of it, as far as one can see.
    Whole,
    /// Only its beginning, at least [`Shape::SHORTEST_CUT`] characters: cut by `…`, `...`, `***` or the end of the text.
    /// Hex digits that end a line after `Token` are told both ways, since a hand-made key may look so.
    Cut,
}

impl Shape {
    /// A shorter beginning would fit too many keys.
    pub const SHORTEST_CUT: usize = 8;
}

/// What stands before a candidate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Context {
    /// Nothing that tells of a key.
    Bare,
    /// `Token` or `Bearer`, or an `Authorization` header with any other scheme or none.
    Header,
    /// A field whose name ends in `token`.
    Field,
}

/// The scanner of one text.
pub struct Scanner {
    /// What is not decided yet, and enough of what stands before it.
    buffer: Zeroizing<Vec<u8>>,
    /// It is never larger.
    capacity: usize,
    /// Where the buffer begins in the text.
    base: u64,
    /// Up to here in the buffer all is decided.
    done: usize,
    lines: Lines,
    state: State,
}

/// What is remembered from one place to the next.
#[derive(Default)]
struct State {
    recent: Recent,
    /// Up to here in the text base64 is decoded already.
    decoded: u64,
}

/// Counts lines as far as the last candidate.
struct Lines {
    line: u64,
    /// In the buffer.
    at: usize,
}

impl Scanner {
    const CAPACITY: usize = 128 * 1024;

    /// At the beginning of a text.
    #[must_use]
    pub fn new() -> Self {
        Self::with_capacity(Self::CAPACITY)
    }

    fn with_capacity(capacity: usize) -> Self {
        Self {
            buffer: Zeroizing::new(Vec::with_capacity(capacity)),
            capacity,
            base: 0,
            done: 0,
            lines: Lines { line: 1, at: 0 },
            state: State::default(),
        }
    }

    /// Reads on. What is found is told about in the order of the text, a little later than it is read.
    pub fn feed(&mut self, mut chunk: &[u8], found: &mut impl FnMut(Candidate)) {
        while !chunk.is_empty() {
            let taken = chunk.len().min(self.capacity - self.buffer.len());
            self.buffer.extend_from_slice(&chunk[..taken]);
            chunk = &chunk[taken..];
            if self.buffer.len() == self.capacity {
                self.decide(self.capacity - Window::AHEAD, false, found);
                self.forget();
            }
        }
    }

    /// The text has ended: tells what was waiting for more.
    pub fn finish(mut self, found: &mut impl FnMut(Candidate)) {
        let end = self.buffer.len();
        self.decide(end, true, found);
    }

    /// Decides about all places before `until` in the buffer.
    fn decide(&mut self, until: usize, ended: bool, found: &mut impl FnMut(Candidate)) {
        let (anchors, ends) = anchors::find(&self.buffer, self.base, self.done..until, ended);
        let line = self.lines.line + ends;
        for anchor in anchors {
            let window = Window::around(&self.buffer, self.base, anchor.at, ended);
            let (lines, recent) = (&mut self.lines, &mut self.state.recent);
            let buffer = &self.buffer;
            let base = self.base;
            let tell = &mut |one: Found| {
                if recent.is_new(&one) {
                    let begin = usize::try_from(one.place.start - base).unwrap_or(0);
                    found(one.in_line(lines.of(buffer, begin)));
                }
            };
            look(&window, anchor, &mut self.state.decoded, tell);
        }
        self.lines = Lines { line, at: until };
        self.done = until;
    }

    /// Drops what no window needs any more.
    fn forget(&mut self) {
        let dropped = self.done - Window::BEHIND;
        self.buffer.drain(..dropped);
        self.base += dropped as u64;
        self.done = Window::BEHIND;
        self.lines.at -= dropped;
    }
}

/// Decides about one place of the text.
fn look(window: &Window<'_>, anchor: Anchor, decoded: &mut u64, tell: &mut dyn FnMut(Found)) {
    match anchor.what {
        anchors::What::Encoded(phase) => base64::look(window, phase, decoded, tell),
        anchors::What::Plain(what) => look_at_plain(window, what, tell),
    }
}

/// The same for what is not wrapped in base64.
fn look_at_plain(window: &Window<'_>, what: anchors::Plain, tell: &mut dyn FnMut(Found)) {
    match what {
        anchors::Plain::Hex => plain::hex(window, tell),
        anchors::Plain::Checksummed => plain::checksummed(window, tell),
        anchors::Plain::Cut => plain::cut(window, tell),
        anchors::Plain::Break => wrapped::look(window, tell),
        anchors::Plain::Keyword(word) => keyword::look(window, word, tell),
    }
}

impl Lines {
    /// The line of a place not far before the last one, or behind it.
    fn of(&mut self, buffer: &[u8], place: usize) -> u64 {
        if place < self.at {
            return self.line - newlines(&buffer[place..self.at]);
        }
        self.line += newlines(&buffer[self.at..place]);
        self.at = place;
        self.line
    }
}

fn newlines(bytes: &[u8]) -> u64 {
    memchr::memchr_iter(b'\n', bytes).count() as u64
}

impl Default for Scanner {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Scanner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Scanner")
            .field("line", &self.lines.line)
            .finish_non_exhaustive()
    }
}
