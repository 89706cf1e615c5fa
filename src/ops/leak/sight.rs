//! What the scanner found, one for each distinct key with the lines it stands in. A log that has the same key a million
//! times takes no more room than one that has it once.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use crate::domain::scan::{Candidate, Context, Kind, Shape};
use crate::domain::secret::Secret;
use crate::domain::token::{DrfKey, Fingerprint};
use crate::text;

/// A line that a key stands in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// The file it is a line of, where that may be asked. Outside text.
    pub file: Option<Arc<str>>,
    /// Its number there.
    pub number: u64,
}

impl From<u64> for Line {
    fn from(number: u64) -> Self {
        Self { file: None, number }
    }
}

/// `app.log:12`, fit to print.
impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(file) = &self.file {
            write!(f, "{}:", text::safe(file))?;
        }
        write!(f, "{}", self.number)
    }
}

/// The lines a key stands in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lines {
    /// The first of them, in order.
    pub first: Vec<Line>,
    /// How often it was found in all.
    pub times: u64,
}

impl Lines {
    /// So many are kept.
    pub const KEPT: usize = 20;

    /// Of one that was found once.
    #[must_use]
    pub fn of(line: Line) -> Self {
        Self {
            first: vec![line],
            times: 1,
        }
    }

    /// One more.
    pub fn add(&mut self, line: Line) {
        self.times += 1;
        if self.first.len() < Self::KEPT && self.first.last() != Some(&line) {
            self.first.push(line);
        }
    }
}

/// A distinct key that was found.
#[derive(Clone, Debug)]
pub struct Sighting {
    /// The key, or the beginning that was found of it.
    pub key: DrfKey,
    /// What it looks like.
    pub kind: Kind,
    /// Whether all of it is there.
    pub shape: Shape,
    /// The most telling of what stands before it.
    pub context: Context,
    /// Where.
    pub lines: Lines,
}

impl Sighting {
    /// It was found once more.
    pub fn again(&mut self, line: Line, context: Context) {
        if self.context == Context::Bare {
            self.context = context;
        }
        self.lines.add(line);
    }

    fn identity(&self) -> (Fingerprint, Shape) {
        (Fingerprint::of(&self.key), self.shape)
    }
}

impl PartialEq for Sighting {
    fn eq(&self, other: &Self) -> bool {
        self.identity() == other.identity()
            && self.kind == other.kind
            && self.context == other.context
            && self.lines == other.lines
    }
}

/// Distinct keys in the order in which they were found.
#[derive(Clone, Debug, Default)]
pub struct Sightings {
    all: Vec<Sighting>,
    places: HashMap<(Fingerprint, Shape), usize>,
}

impl Sightings {
    /// Takes in what the scanner found, and gives the place of its key among all.
    pub fn add(&mut self, candidate: Candidate) -> usize {
        self.add_of(candidate, None)
    }

    /// The same of a file that has to be named.
    pub fn add_of(&mut self, candidate: Candidate, file: Option<&Arc<str>>) -> usize {
        let Candidate {
            line,
            kind,
            shape,
            key,
            context,
            place: _,
        } = candidate;
        let line = Line {
            file: file.cloned(),
            number: line,
        };
        let known = self.places.entry((Fingerprint::of(&key), shape));
        let at = *known.or_insert(self.all.len());
        match self.all.get_mut(at) {
            Some(sighting) => sighting.again(line, context),
            None => self.all.push(Sighting {
                key: trimmed(key),
                kind,
                shape,
                context,
                lines: Lines::of(line),
            }),
        }
        at
    }

    /// They, in order.
    pub fn iter(&self) -> impl Iterator<Item = &Sighting> {
        self.all.iter()
    }

    /// Whether there is none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    /// They.
    #[must_use]
    pub fn into_vec(self) -> Vec<Sighting> {
        self.all
    }
}

impl FromIterator<Candidate> for Sightings {
    fn from_iter<I: IntoIterator<Item = Candidate>>(candidates: I) -> Self {
        let mut all = Self::default();
        for candidate in candidates {
            all.add(candidate);
        }
        all
    }
}

/// Without the room that the text grew in: there may be a million of them.
fn trimmed(key: Secret<String>) -> DrfKey {
    let text = key.expose();
    if text.capacity() <= text.len() + 16 {
        return key;
    }
    Secret::from(text.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn candidate(line: u64, key: &str, context: Context) -> Candidate {
        Candidate {
            line,
            place: 0..40,
            kind: Kind::Drf,
            shape: Shape::Whole,
            key: Secret::from(key),
            context,
        }
    }

    #[test]
    fn the_same_key_many_times_is_one_with_its_first_lines() {
        let many = (1..=1_000).map(|line| candidate(line, "a", Context::Bare));
        let other = candidate(7, "b", Context::Header);
        let again = candidate(1_001, "a", Context::Field);
        let all: Sightings = many.chain([other, again]).collect();
        let all = all.into_vec();
        assert_eq!(all.len(), 2);
        assert_eq!(all[0].lines.times, 1_001);
        assert_eq!(
            all[0].lines.first,
            (1..=20).map(Line::from).collect::<Vec<_>>()
        );
        assert_eq!(all[0].context, Context::Field, "the most telling");
        assert_eq!(all[1].lines.first, [Line::from(7)]);
    }

    #[test]
    fn two_in_one_line_are_one_line() {
        let twice = [
            candidate(3, "a", Context::Bare),
            candidate(3, "a", Context::Bare),
        ];
        let all: Sightings = twice.into_iter().collect();
        assert_eq!(
            all.into_vec()[0].lines,
            Lines {
                first: vec![Line::from(3)],
                times: 2
            }
        );
    }
}
