//! What a scan remembers of the keys it has asked about, so that a hash that stands in a log a million times is asked about
//! once. It is bounded: what is forgotten is asked about again.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};

use crate::domain::scan::Shape;
use crate::domain::token::DrfKey;

/// A number for a text that was found. It does not tell the text, and is another one in each run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Mark(u64);

/// What is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Known {
    /// It is no key.
    No,
    /// It is or was one: told about last in the file of this number; where it is among the findings that are kept.
    Yes {
        /// Of this number.
        file: usize,
        /// In this place.
        finding: Option<usize>,
    },
}

/// The memory.
#[derive(Debug)]
pub struct Memory {
    hasher: RandomState,
    /// The last text of each place that was none. Zero: nothing yet.
    none: Vec<u64>,
    keys: HashMap<Mark, (usize, Option<usize>)>,
}

impl Memory {
    /// Eight megabytes.
    const PLACES: usize = 1 << 20;
    /// So many keys are remembered.
    const MOST_KEYS: usize = 100_000;

    /// The number of this text in this memory.
    #[must_use]
    pub fn mark(&self, key: &DrfKey, shape: Shape) -> Mark {
        let whole = shape == Shape::Whole;
        Mark(self.hasher.hash_one((key.expose(), whole)).max(1))
    }

    /// What is known of it.
    #[must_use]
    pub fn get(&self, mark: Mark) -> Option<Known> {
        if self.none[Self::place(mark)] == mark.0 {
            return Some(Known::No);
        }
        let (file, finding) = *self.keys.get(&mark)?;
        Some(Known::Yes { file, finding })
    }

    /// Remembers it.
    pub fn set(&mut self, mark: Mark, known: Known) {
        match known {
            Known::No => self.none[Self::place(mark)] = mark.0,
            Known::Yes { file, finding } => {
                if self.keys.len() < Self::MOST_KEYS || self.keys.contains_key(&mark) {
                    self.keys.insert(mark, (file, finding));
                }
            }
        }
    }

    fn place(mark: Mark) -> usize {
        usize::try_from(mark.0 % Self::PLACES as u64).unwrap_or(0)
    }
}

impl Default for Memory {
    fn default() -> Self {
        Self {
            hasher: RandomState::new(),
            none: vec![0; Self::PLACES],
            keys: HashMap::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_forgotten_is_unknown_and_never_another() {
        let mut memory = Memory::default();
        for number in 1..3_000_000 {
            memory.set(Mark(number), Known::No);
        }
        assert_eq!(memory.get(Mark(2_999_999)), Some(Known::No));
        assert_eq!(memory.get(Mark(5)), None);
        assert_eq!(memory.get(Mark(3_000_000)), None);
        assert_eq!(memory.none.len(), Memory::PLACES);
        for file in [1, 2] {
            memory.set(
                Mark(7),
                Known::Yes {
                    file,
                    finding: None,
                },
            );
            assert_eq!(
                memory.get(Mark(7)),
                Some(Known::Yes {
                    file,
                    finding: None
                })
            );
        }
    }
}
