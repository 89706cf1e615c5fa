//! Finds what may be keys in any text: a log, a paste, a dump of a repository. Whoever reads the text feeds it in
//! pieces of any size and is told each candidate with its line; whether it is a key only the database knows.
//!
//! Memory is bounded whatever the input: what is decided about a place depends on a few thousand bytes around it, never
//! on how the text came in.

use std::ops::Range;

use super::secret::Secret;

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
#[derive(Debug, Default)]
pub struct Scanner {}

impl Scanner {
    /// At the beginning of a text.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Reads on. What is found is told in the order of the text, a little later than it is read.
    pub fn feed(&mut self, _chunk: &[u8], _found: &mut impl FnMut(Candidate)) {}

    /// The text has ended: tells what was waiting for more.
    pub fn finish(self, _found: &mut impl FnMut(Candidate)) {}
}
