//! What the scanner found, one for each distinct key with the lines it stands in. A log that has the same key a million
//! times takes no more room than one that has it once.

use std::collections::HashMap;

use crate::domain::scan::{Candidate, Context, Kind, Shape};
use crate::domain::secret::Secret;
use crate::domain::token::{DrfKey, Fingerprint};

/// The lines a key stands in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lines {
    /// The first of them, in order.
    pub first: Vec<u64>,
    /// How often it was found in all.
    pub times: u64,
}

impl Lines {
    /// So many are kept.
    pub const KEPT: usize = 20;

    fn add(&mut self, line: u64) {
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
        let Candidate {
            line,
            kind,
            shape,
            key,
            context,
            place: _,
        } = candidate;
        let known = self.places.entry((Fingerprint::of(&key), shape));
        let at = *known.or_insert(self.all.len());
        match self.all.get_mut(at) {
            Some(sighting) => {
                if sighting.context == Context::Bare {
                    sighting.context = context;
                }
                sighting.lines.add(line);
            }
            None => self.all.push(Sighting {
                key: trimmed(key),
                kind,
                shape,
                context,
                lines: Lines {
                    first: vec![line],
                    times: 1,
                },
            }),
        }
        at
    }

    /// Of keys that are distinct already.
    #[must_use]
    pub fn of(all: Vec<Sighting>) -> Self {
        let keys = all.iter().map(Sighting::identity);
        Self {
            places: keys.zip(0..).collect(),
            all,
        }
    }

    /// Takes in what was found in another text, after `lines` lines.
    pub fn join(&mut self, other: &Sighting, lines: u64) {
        let mut other = other.clone();
        for line in &mut other.lines.first {
            *line += lines;
        }
        let at = *self
            .places
            .entry(other.identity())
            .or_insert(self.all.len());
        match self.all.get_mut(at) {
            Some(sighting) => {
                if sighting.context == Context::Bare {
                    sighting.context = other.context;
                }
                let room = Lines::KEPT.saturating_sub(sighting.lines.first.len());
                let more = other.lines.first.into_iter().take(room);
                sighting.lines.first.extend(more);
                sighting.lines.times += other.lines.times;
            }
            None => self.all.push(other),
        }
    }

    /// The place of this key among all, if it is there.
    #[must_use]
    pub fn find(&self, sighting: &Sighting) -> Option<usize> {
        self.places.get(&sighting.identity()).copied()
    }

    /// They, in order.
    pub fn iter(&self) -> impl Iterator<Item = &Sighting> {
        self.all.iter()
    }

    /// How many there are.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.all.len()
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
        assert_eq!(all[0].lines.first, (1..=20).collect::<Vec<u64>>());
        assert_eq!(all[0].context, Context::Field, "the most telling");
        assert_eq!(all[1].lines.first, [7]);
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
                first: vec![3],
                times: 2
            }
        );
    }
}
