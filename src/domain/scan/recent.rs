//! What was told lately. One key is often found twice, by its shape and by the word before it; it is told once.

use std::collections::VecDeque;
use std::hash::{DefaultHasher, Hash, Hasher};

use super::window::Found;

/// The last few candidates, as numbers that do not tell the keys.
#[derive(Default)]
pub(super) struct Recent(VecDeque<(u64, u64, u64)>);

impl Recent {
    /// No place gives more candidates than that, so a key's two ways to be found are no further apart.
    const KEPT: usize = 32;

    /// Whether the same was not told before; remembers it.
    pub(super) fn is_new(&mut self, found: &Found) -> bool {
        let mut hasher = DefaultHasher::new();
        (found.shape, found.key.expose()).hash(&mut hasher);
        let this = (found.place.start, found.place.end, hasher.finish());
        if self.0.contains(&this) {
            return false;
        }
        if self.0.len() == Self::KEPT {
            self.0.pop_front();
        }
        self.0.push_back(this);
        true
    }
}
