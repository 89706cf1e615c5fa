//! What one decision may look at: the bytes around a place, always the same ones however the text came in.

use std::ops::Range;

use super::super::secret::Secret;
use super::super::token::checksum_of;
use super::{Candidate, Checksum, Context, Kind, Shape};

/// The bytes around a place.
#[derive(Clone, Copy, Debug)]
pub(super) struct Window<'a> {
    pub(super) bytes: &'a [u8],
    /// The place, an index of `bytes` or its end.
    pub(super) at: usize,
    /// Where `bytes` begins in the text.
    start: u64,
    /// Whether the text ends where `bytes` ends.
    pub(super) ended: bool,
}

impl<'a> Window<'a> {
    /// So far back a decision looks, and so far ahead.
    pub(super) const BEHIND: usize = 1024;
    pub(super) const AHEAD: usize = 2048;

    /// The window around `at` in a buffer that begins at `base` of the text.
    pub(super) fn around(buffer: &'a [u8], base: u64, at: usize, ended: bool) -> Self {
        let from = at.saturating_sub(Self::BEHIND);
        let to = buffer.len().min(at + Self::AHEAD);
        Self {
            bytes: &buffer[from..to],
            at: at - from,
            start: base + from as u64,
            ended: ended && to == buffer.len(),
        }
    }

    pub(super) fn get(&self, at: usize) -> Option<u8> {
        self.bytes.get(at).copied()
    }

    /// What stands from `at` on.
    pub(super) fn rest(&self, at: usize) -> &'a [u8] {
        self.bytes.get(at..).unwrap_or_default()
    }

    /// Where `at` is in the text.
    pub(super) const fn absolute(&self, at: usize) -> u64 {
        self.start + at as u64
    }

    /// Tells of `key`, which stands at `range`.
    pub(super) fn found(
        &self,
        range: Range<usize>,
        kind: Kind,
        shape: Shape,
        key: Secret<String>,
        context: Context,
    ) -> Found {
        Found {
            place: self.absolute(range.start)..self.absolute(range.end),
            kind,
            shape,
            key,
            context,
        }
    }
}

/// A candidate whose line is not counted yet.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) place: Range<u64>,
    pub(super) kind: Kind,
    pub(super) shape: Shape,
    pub(super) key: Secret<String>,
    pub(super) context: Context,
}

impl Found {
    pub(super) fn in_line(self, line: u64) -> Candidate {
        Candidate {
            line,
            place: self.place,
            kind: self.kind,
            shape: self.shape,
            key: self.key,
            context: self.context,
        }
    }
}

/// Django's column holds no longer key.
pub(super) const LONGEST_DRF: usize = 40;
/// The hex digits of a knox key.
pub(super) const KNOX_DIGITS: usize = 64;
/// What knox lets a site put before them (`TOKEN_PREFIX`).
const LONGEST_KNOX_PREFIX: usize = 10;
/// A key of fewer characters nobody has, and words of the language after `Token` are often that short.
const SHORTEST_OTHER: usize = 3;

/// What a whole text where a key is expected looks like; `None` when no key looks so.
pub(super) fn kind_of(text: &str) -> Option<Kind> {
    let chars = text.chars().count();
    if is_hex(text.as_bytes()) {
        match chars {
            LONGEST_DRF => return Some(Kind::Drf),
            KNOX_DIGITS => return Some(Kind::Knox),
            _ => {}
        }
    }
    if let Some(good) = checksum_of(text) {
        let checksum = if good { Checksum::Good } else { Checksum::Bad };
        return Some(Kind::Checksum(checksum));
    }
    match chars {
        SHORTEST_OTHER..=LONGEST_DRF => Some(Kind::Other),
        _ if chars <= KNOX_DIGITS + LONGEST_KNOX_PREFIX => {
            let digits = text.len().checked_sub(KNOX_DIGITS)?;
            is_hex(&text.as_bytes()[digits..]).then_some(Kind::Knox)
        }
        _ => None,
    }
}

/// What the beginning of a key looks like; `None` when it is too short or too long for one.
pub(super) fn kind_of_cut(text: &str, context: Context) -> Option<Kind> {
    let chars = text.chars().count();
    if chars < Shape::SHORTEST_CUT {
        return None;
    }
    if is_hex(text.as_bytes()) {
        return match chars {
            ..LONGEST_DRF => Some(Kind::Drf),
            LONGEST_DRF => None,
            _ => (chars < KNOX_DIGITS).then_some(Kind::Knox),
        };
    }
    if let Some(random) = text.strip_prefix("twd_") {
        let shaped = chars < LONGEST_DRF && random.bytes().all(|b| b.is_ascii_alphanumeric());
        return shaped.then_some(Kind::Checksum(Checksum::Unknown));
    }
    (context != Context::Bare && chars < LONGEST_DRF).then_some(Kind::Other)
}

/// A lower-case hex digit.
pub(super) const fn hex_digit(byte: u8) -> bool {
    matches!(byte, b'0'..=b'9' | b'a'..=b'f')
}

pub(super) fn is_hex(bytes: &[u8]) -> bool {
    bytes.iter().all(|byte| hex_digit(*byte))
}
