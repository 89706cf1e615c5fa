//! Names of files that hold a key: one was pasted where a path is asked for, or somebody named a file so. Nothing that is
//! shown or written has it.

use std::ops::Range;

use super::excerpt::MASK;
use crate::domain::scan::{Candidate, Scanner, Shape};

/// Whether what was given as a path holds a whole key.
#[must_use]
pub fn holds_key(path: &[u8]) -> bool {
    candidates(path)
        .iter()
        .any(|found| found.shape == Shape::Whole)
}

/// The name with every key in it masked.
#[must_use]
pub fn masked(name: &str) -> String {
    let mut places: Vec<Range<usize>> = candidates(name.as_bytes())
        .into_iter()
        .filter_map(|found| {
            let at = |offset: u64| usize::try_from(offset).ok();
            Some(at(found.place.start)?..at(found.place.end)?)
        })
        .collect();
    places.sort_by_key(|place| place.start);
    let mut out = String::new();
    let mut done = 0;
    for place in places {
        if place.end <= done {
            continue;
        }
        if place.start >= done {
            out.push_str(name.get(done..place.start).unwrap_or_default());
            out.push_str(MASK);
        }
        done = place.end;
    }
    out.push_str(name.get(done..).unwrap_or_default());
    out
}

fn candidates(text: &[u8]) -> Vec<Candidate> {
    let mut all = Vec::new();
    let mut scanner = Scanner::new();
    scanner.feed(text, &mut |found| all.push(found));
    scanner.finish(&mut |found| all.push(found));
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "9944b09199c62bcf9418ad846dd0e4bbdfc6ee4b";

    #[test]
    fn every_key_in_a_name_is_masked_and_nothing_else() {
        for (name, said) in [
            (format!("logs/{KEY}"), "logs/████████"),
            (format!("{KEY}.log"), "████████.log"),
            (format!("a_{KEY}-{KEY}.gz"), "a_████████-████████.gz"),
            (format!("token={KEY}"), "token=████████"),
            ("é/app.log.1".to_owned(), "é/app.log.1"),
            (String::new(), ""),
        ] {
            assert_eq!(masked(&name), said);
            assert_eq!(holds_key(name.as_bytes()), name.contains(KEY), "{said}");
        }
    }
}
