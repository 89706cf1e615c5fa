//! Where candidates stand near the keys that are listed: their lines are shown, and every candidate in them is covered. Of
//! a dump full of look-alikes no other place is kept.

use std::ops::Range;

/// So far before and after a key lines are shown at the most, and a little more.
pub(super) const AROUND: u64 = 512;
/// No candidate is longer than this, with all that it is wrapped in.
const LONGEST: u64 = 4096;

/// Places in one text, in bytes.
#[derive(Debug, Default)]
pub(super) struct Near {
    /// Those that came last: a key that is listed may stand among them.
    recent: Vec<Range<u64>>,
    /// Keys near the end of what was read: their neighbours may still come.
    open: Vec<Range<u64>>,
    /// Near a key.
    kept: Vec<Range<u64>>,
}

impl Near {
    /// A candidate, in the order of the text.
    pub(super) fn add(&mut self, place: Range<u64>) {
        self.recent.push(place);
    }

    /// Of what was added `listed` are keys; what is far from all of them is forgotten.
    pub(super) fn settle(&mut self, listed: impl IntoIterator<Item = Range<u64>>) {
        self.open.extend(listed);
        self.recent.sort_unstable_by_key(|place| place.start);
        let mut is_near = vec![false; self.recent.len()];
        for key in &self.open {
            let from = key.start.saturating_sub(AROUND + LONGEST);
            let first = self.recent.partition_point(|place| place.start < from);
            let until = key.end.saturating_add(AROUND);
            for (place, near) in self.recent[first..].iter().zip(&mut is_near[first..]) {
                if place.start > until {
                    break;
                }
                *near = true;
            }
        }
        let near = self.recent.iter().zip(&is_near).filter(|(_, near)| **near);
        self.kept.extend(near.map(|(place, _)| place.clone()));
        let Some(last) = self.recent.last().map(|place| place.start) else {
            return;
        };
        let reach = AROUND + LONGEST;
        self.recent
            .retain(|place| place.start.saturating_add(reach) >= last);
        self.open
            .retain(|key| key.end.saturating_add(reach) >= last);
    }

    /// All that is near a key, in the order of the text.
    pub(super) fn into_places(mut self) -> Vec<Range<u64>> {
        self.kept
            .sort_unstable_by_key(|place| (place.start, place.end));
        self.kept.dedup();
        self.kept
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neighbours_are_kept_across_parts_and_nothing_else_is() {
        let mut near = Near::default();
        let place = |nth: u64| nth * 100..nth * 100 + 40;
        let mut most = 0;
        for part in 0..1_000 {
            for nth in part * 1_000..(part + 1) * 1_000 {
                near.add(place(nth));
            }
            // The last one of a part, and the first one of another.
            let listed = match part {
                499 => Some(place(499_999)),
                700 => Some(place(700_000)),
                _ => None,
            };
            near.settle(listed);
            most = most.max(near.recent.len() + near.open.len());
        }
        assert!(most < 200, "{most}");
        let places = near.into_places();
        assert!(places.len() < 120, "{}", places.len());
        for nth in [499_995, 499_999, 500_004, 699_995, 700_000, 700_005] {
            assert!(places.contains(&place(nth)), "{nth}");
        }
        assert!(places.is_sorted_by_key(|place| place.start));
    }
}
