//! The cheap search for places worth a look. It sees every byte of a large log, so it looks at few of them: a run of 40
//! digits covers every 40th byte, and words are found many bytes at a time.

use std::ops::Range;
use std::sync::LazyLock;

use aho_corasick::{AhoCorasick, Match, packed};

use super::bounds::word_byte;
use super::window::hex_digit;
use super::wrapped;

/// A place, and why it is worth a look.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Anchor {
    /// In the buffer.
    pub(super) at: usize,
    pub(super) what: What,
}

/// Where two stand at one place, the one that knows more of the context is the first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum What {
    /// As it is.
    Plain(Plain),
    /// In base64. The character here, or the next one where a line ends here, stands so far into its group of four.
    Encoded(u8),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Plain {
    /// In the middle of a word that announces a key.
    Keyword(Word),
    /// `twd_`.
    Checksummed,
    /// The beginning of 40 hex digits or more.
    Hex,
    /// The end of a line in the middle of what may be a key.
    Break,
    /// Behind what may be the beginning of a key.
    Cut,
}

/// A word that announces a key, and the place in it where the anchor is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Word {
    /// Behind the first two letters.
    Token,
    /// At its beginning.
    Bearer,
    /// Behind `aut`.
    Authorization,
}

const fn plain(plain: Plain) -> What {
    What::Plain(plain)
}

/// What is searched for. None begins as another ends, so that each is found wherever the search began. Of words there is
/// as much as makes few, since the keyword of a key may be written in any case. Those in base64 are there in three ways,
/// one for each place in a group of three bytes; the number says how far into the group the pattern begins.
const PATTERNS: [(&[u8], What); 36] = [
    (b"ken", plain(Plain::Keyword(Word::Token))),
    (b"keN", plain(Plain::Keyword(Word::Token))),
    (b"kEn", plain(Plain::Keyword(Word::Token))),
    (b"kEN", plain(Plain::Keyword(Word::Token))),
    (b"Ken", plain(Plain::Keyword(Word::Token))),
    (b"KeN", plain(Plain::Keyword(Word::Token))),
    (b"KEn", plain(Plain::Keyword(Word::Token))),
    (b"KEN", plain(Plain::Keyword(Word::Token))),
    (b"bea", plain(Plain::Keyword(Word::Bearer))),
    (b"beA", plain(Plain::Keyword(Word::Bearer))),
    (b"bEa", plain(Plain::Keyword(Word::Bearer))),
    (b"bEA", plain(Plain::Keyword(Word::Bearer))),
    (b"Bea", plain(Plain::Keyword(Word::Bearer))),
    (b"BeA", plain(Plain::Keyword(Word::Bearer))),
    (b"BEa", plain(Plain::Keyword(Word::Bearer))),
    (b"BEA", plain(Plain::Keyword(Word::Bearer))),
    (b"horization", plain(Plain::Keyword(Word::Authorization))),
    (b"HORIZATION", plain(Plain::Keyword(Word::Authorization))),
    (b"twd_", plain(Plain::Checksummed)),
    (b"...", plain(Plain::Cut)),
    (b"***", plain(Plain::Cut)),
    ("…".as_bytes(), plain(Plain::Cut)),
    (b"\\u2026", plain(Plain::Cut)),
    // oken
    (b"b2tl", What::Encoded(0)),
    (b"9rZW", What::Encoded(2)),
    (b"va2Vu", What::Encoded(3)),
    // OKEN
    (b"0tFT", What::Encoded(1)),
    (b"9LRU", What::Encoded(2)),
    (b"PS0V", What::Encoded(3)),
    // Bearer, bearer
    (b"CZWFy", What::Encoded(3)),
    (b"iZWFy", What::Encoded(3)),
    (b"hcmVy", What::Encoded(3)),
    (b"YXJlc", What::Encoded(0)),
    // twd_
    (b"dHdkX", What::Encoded(0)),
    (b"R3ZF", What::Encoded(2)),
    (b"0d2Rf", What::Encoded(3)),
];
const LONGEST_PATTERN: usize = 10;

/// Where the processor can, many bytes are compared at a time; an automaton does the same elsewhere.
enum Search {
    Packed(packed::Searcher),
    Automaton(AhoCorasick),
}

/// Without it, were it ever impossible to build, keys would still be found by their digits.
static SEARCH: LazyLock<Option<Search>> = LazyLock::new(|| {
    let words = || PATTERNS.iter().map(|(pattern, _)| pattern);
    let packed = packed::Config::new().builder().extend(words()).build();
    let automaton = || AhoCorasick::new(words()).ok().map(Search::Automaton);
    packed.map(Search::Packed).or_else(automaton)
});

impl Search {
    /// Where which pattern begins in `bytes`.
    fn each(&self, bytes: &[u8], found: &mut impl FnMut(usize, usize)) {
        let mut tell = |hit: Match| found(hit.start(), hit.pattern().as_usize());
        match self {
            Self::Packed(search) => search.find_iter(bytes).for_each(&mut tell),
            Self::Automaton(search) => search.find_iter(bytes).for_each(&mut tell),
        }
    }
}

/// All places in `within`, in their order, and how many lines end there. `buffer` begins at `base` of the text and reaches
/// far enough beyond, unless the text has `ended`.
pub(super) fn find(
    buffer: &[u8],
    base: u64,
    within: Range<usize>,
    ended: bool,
) -> (Vec<Anchor>, u64) {
    let mut anchors = Vec::new();
    words(buffer, &within, &mut anchors);
    hex_runs(buffer, &within, &mut anchors);
    let lines = breaks(buffer, &within, &mut anchors);
    encoded(buffer, base, &within, &mut anchors);
    if ended {
        anchors.push(Anchor {
            at: buffer.len(),
            what: plain(Plain::Cut),
        });
    }
    anchors.sort_unstable();
    (anchors, lines)
}

/// The same in what was decoded: no base64 within base64.
pub(super) fn find_plain(buffer: &[u8]) -> Vec<(usize, Plain)> {
    let within = 0..buffer.len();
    let mut anchors = Vec::new();
    words(buffer, &within, &mut anchors);
    hex_runs(buffer, &within, &mut anchors);
    let _ = breaks(buffer, &within, &mut anchors);
    anchors.sort_unstable();
    let plain = anchors.iter().filter_map(|anchor| match anchor.what {
        What::Plain(what) => Some((anchor.at, what)),
        What::Encoded(_) => None,
    });
    plain.collect()
}

fn words(buffer: &[u8], within: &Range<usize>, anchors: &mut Vec<Anchor>) {
    let Some(search) = &*SEARCH else { return };
    let until = buffer.len().min(within.end + LONGEST_PATTERN);
    search.each(&buffer[within.start..until], &mut |begin, pattern| {
        let at = within.start + begin;
        let what = PATTERNS[pattern].1;
        // A row of dots is no end of a word.
        let is_cut = what == plain(Plain::Cut);
        if at < within.end && (!is_cut || at > 0 && word_byte(buffer[at - 1])) {
            anchors.push(Anchor { at, what });
        }
    });
}

fn hex_runs(buffer: &[u8], within: &Range<usize>, anchors: &mut Vec<Anchor>) {
    const LENGTH: usize = 40;
    let mut at = within.start;
    if at > 0 && hex_digit(buffer[at - 1]) {
        at = end_of_hex(buffer, at) + 1;
    }
    // Whatever stands before `at` is no digit.
    while at < within.end && at + LENGTH <= buffer.len() {
        let here = &buffer[at..at + LENGTH];
        let mut left = LENGTH;
        while left > 0 && hex_digit(here[left - 1]) {
            left -= 1;
        }
        if left > 0 {
            at += left;
            continue;
        }
        anchors.push(Anchor {
            at,
            what: plain(Plain::Hex),
        });
        at = end_of_hex(buffer, at + LENGTH) + 1;
    }
}

fn end_of_hex(buffer: &[u8], mut at: usize) -> usize {
    while at < buffer.len() && hex_digit(buffer[at]) {
        at += 1;
    }
    at
}

/// Ends of lines between two characters of a key, soft or hard. Counts all ends of lines.
fn breaks(buffer: &[u8], within: &Range<usize>, anchors: &mut Vec<Anchor>) -> u64 {
    let mut lines = 0;
    for hit in memchr::memchr_iter(b'\n', &buffer[within.clone()]) {
        lines += 1;
        let at = within.start + hit;
        let before = buffer[..at].strip_suffix(b"\r").unwrap_or(&buffer[..at]);
        let soft = before
            .strip_suffix(b"=")
            .or_else(|| before.strip_suffix(b"\\"));
        let text = soft.unwrap_or(before);
        if !text.last().is_some_and(|last| word_byte(*last)) {
            continue;
        }
        if may_be_wrapped(text, &buffer[at + 1..]) {
            anchors.push(Anchor {
                at,
                what: plain(Plain::Break),
            });
        }
        if soft.is_none() {
            anchors.extend(broken_base64(buffer, at, before));
        }
    }
    lines
}

/// Whether a key may go on from the end of one line into the next. Almost every line of a log gets here.
fn may_be_wrapped(line: &[u8], next: &[u8]) -> bool {
    const ENOUGH: usize = 72;
    let left = line.iter().rev().take(ENOUGH);
    let digits = left.take_while(|byte| hex_digit(**byte)).count();
    let word = line.iter().rev().take(ENOUGH);
    let word = word.take_while(|byte| word_byte(**byte)).count();
    if digits == 0 && line[line.len() - word] != b't' {
        return false;
    }
    let indent = wrapped::indent(next);
    let right = next[indent..].iter().take(ENOUGH);
    let right = right.take_while(|byte| word_byte(**byte)).count();
    // The next line may end in the middle of it, too.
    let ends = matches!(next.get(indent + right), Some(b'\n' | b'\r' | b'=' | b'\\'));
    let whole = |left: usize| matches!(left + right, 40 | 64);
    right > 0 && (ends || whole(digits) || whole(word))
}

/// In base64 each group of three hex digits begins with one of these.
static FIRST_OF_HEX: [bool; 256] = {
    let mut table = [false; 256];
    let mut nth = 0;
    while nth < 5 {
        table[b"MNOYZ"[nth] as usize] = true;
        nth += 1;
    }
    table
};

fn first_of_hex(buffer: &[u8], at: usize) -> bool {
    buffer
        .get(at)
        .is_some_and(|byte| FIRST_OF_HEX[usize::from(*byte)])
}

/// Groups of hex digits in base64, so many in a row as 40 digits make even where a line breaks near their end.
fn encoded(buffer: &[u8], base: u64, within: &Range<usize>, anchors: &mut Vec<Anchor>) {
    /// Of 9 groups two neighbours stand at every 24th place or begin in the three behind it.
    const STEP: usize = 24;
    let from_step = (base + within.start as u64) % STEP as u64;
    let skipped = usize::try_from(from_step).map_or(0, |past| (STEP - past) % STEP);
    let mut at = within.start + skipped;
    while at < within.end && at + 8 <= buffer.len() {
        let here = &buffer[at..at + 8];
        for first in 0..4 {
            let both = FIRST_OF_HEX[usize::from(here[first])]
                && FIRST_OF_HEX[usize::from(here[first + 4])];
            if both && in_a_row(buffer, at + first) {
                let phase = [0, 3, 2, 1][first];
                anchors.push(Anchor {
                    at,
                    what: What::Encoded(phase),
                });
                break;
            }
        }
        at += STEP;
    }
}

/// Whether the group at `at` is one of many.
fn in_a_row(buffer: &[u8], at: usize) -> bool {
    const ENOUGH: usize = 9;
    let after = (0..ENOUGH).take_while(|nth| first_of_hex(buffer, at + nth * 4));
    let before = (1..ENOUGH).take_while(|nth| at >= nth * 4 && first_of_hex(buffer, at - nth * 4));
    after.count() + before.count() >= ENOUGH
}

/// The same where a line ends in the middle of them, at `at`: three groups on either side.
fn broken_base64(buffer: &[u8], at: usize, before: &[u8]) -> Option<Anchor> {
    const SIDE: usize = 16;
    let left = before.len().checked_sub(SIDE)?;
    let right = at
        + 1
        + buffer[at + 1..]
            .iter()
            .take_while(|byte| matches!(byte, b' ' | b'\t'))
            .take(SIDE * 4)
            .count();
    let sides = buffer[left..before.len()]
        .iter()
        .chain(buffer.get(right..right + SIDE)?);
    if !sides.copied().all(base64_byte) {
        return None;
    }
    (0..4).find_map(|first| {
        // The two sides follow each other without a gap, and a side is four whole groups.
        let groups = |from: usize| (0..3).all(|nth| first_of_hex(buffer, from + first + nth * 4));
        let phase = [0, 3, 2, 1][first];
        (groups(left) && groups(right)).then_some(Anchor {
            at,
            what: What::Encoded(phase),
        })
    })
}

/// A digit of base64, of either alphabet.
pub(super) const fn base64_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'-' | b'_')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_pattern_begins_as_another_ends() {
        assert!(SEARCH.is_some());
        for (one, _) in PATTERNS {
            assert!(one.len() <= LONGEST_PATTERN);
            for (other, _) in PATTERNS {
                for length in 1..one.len().min(other.len()) {
                    let meets = one[one.len() - length..] == other[..length];
                    let row = one == other && one.iter().all(|byte| *byte == one[0]);
                    assert!(
                        !meets || row,
                        "{} {}",
                        one.escape_ascii(),
                        other.escape_ascii()
                    );
                }
            }
        }
    }
}
