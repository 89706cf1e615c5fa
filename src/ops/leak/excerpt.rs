//! The line that a key was found in, for a person to see what it is about. Every key in it is masked, the others too.

use std::ops::Range;

use crate::text;

/// What a key that is masked looks like.
pub(super) const MASK: &str = "████████";
/// So many bytes before and after a key are shown.
const AROUND: usize = 100;

/// The line around `place` in `text`, fit to print, with each of `places` masked. Places are in bytes; `places` are in
/// the order of the text.
#[must_use]
pub fn excerpt(whole: &[u8], places: &[Range<u64>], place: &Range<u64>) -> String {
    let at = |offset: u64| usize::try_from(offset).map_or(whole.len(), |at| at.min(whole.len()));
    let (start, end) = (at(place.start), at(place.end).max(at(place.start)));
    // A line may be as long as the text, and hold each of its keys: no more of it is read than is shown.
    let (first, last) = (
        start.saturating_sub(AROUND + 1),
        whole.len().min(end.saturating_add(AROUND + 1)),
    );
    let line_start = memchr::memrchr(b'\n', &whole[first..start]);
    let line_end = memchr::memchr(b'\n', &whole[end..last]);
    let line_start = line_start.map_or(first, |newline| first + newline + 1);
    let line_end = line_end.map_or(last, |newline| end + newline);
    let from = line_start.max(start.saturating_sub(AROUND));
    let to = line_end.min(end.saturating_add(AROUND));
    let mut out = String::new();
    if from > line_start {
        out.push_str("… ");
    }
    let mut done = from;
    // One that ends before the excerpt is no part of it.
    let first = places.partition_point(|other| at(other.end) <= from);
    for other in &places[first..] {
        let (masked_from, masked_to) = (at(other.start).max(from), at(other.end).min(to));
        if masked_from >= to {
            break;
        }
        if masked_to <= done {
            continue;
        }
        show(&whole[done.min(masked_from)..masked_from], &mut out);
        out.push_str(MASK);
        done = masked_to;
    }
    show(&whole[done.min(to)..to], &mut out);
    if to < line_end {
        out.push_str(" …");
    }
    out
}

fn show(part: &[u8], out: &mut String) {
    out.push_str(&text::safe(&String::from_utf8_lossy(part)));
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "9944b09199c62bcf9418ad846dd0e4bbdfc6ee4b";

    fn places(text: &str) -> Vec<Range<u64>> {
        let found = text.match_indices(KEY);
        found
            .map(|(at, key)| at as u64..(at + key.len()) as u64)
            .collect()
    }

    #[test]
    fn every_key_of_the_line_is_masked_and_nothing_acts() {
        let text = format!("before\nGET \"Token {KEY}\" then {KEY}\u{1b}[31m.\nafter {KEY}");
        let places = places(&text);
        assert_eq!(places.len(), 3);
        let said = excerpt(text.as_bytes(), &places, &places[0]);
        assert_eq!(said, "GET \"Token ████████\" then ████████\u{fffd}[31m.");
        assert_eq!(
            excerpt(text.as_bytes(), &places, &places[2]),
            "after ████████"
        );
    }

    #[test]
    fn a_key_that_reaches_into_the_excerpt_is_masked_too() {
        for gap in 0..150 {
            let text = format!("{KEY}{}{KEY}{}{KEY}", "-".repeat(gap), "=".repeat(gap));
            let places = places(&text);
            let said = excerpt(text.as_bytes(), &places, &places[1]);
            assert!(!said.contains("99c62"), "{gap}: {said}");
            assert!(!said.contains("ee4b"), "{gap}: {said}");
        }
    }

    #[test]
    fn many_keys_in_one_long_line_take_little_time() {
        let text = vec![b'x'; 16_000_000];
        let begun = std::time::Instant::now();
        for at in 0..20_000 {
            let place = 8_000_000 + at..8_000_040 + at;
            let said = excerpt(&text, std::slice::from_ref(&place), &place);
            assert!(said.starts_with("… xxx") && said.ends_with("xxx …"));
        }
        // Read to the ends of the line it would be 320 billion bytes.
        assert!(begun.elapsed().as_secs() < 60, "{:?}", begun.elapsed());
    }

    #[test]
    fn a_line_of_a_million_bytes_and_no_text_give_little() {
        let text = [vec![0xff; 1_000_000], KEY.as_bytes().to_vec()].concat();
        let place = 1_000_000..1_000_040;
        let said = excerpt(&text, std::slice::from_ref(&place), &place);
        assert!(said.starts_with("… ") && said.ends_with(MASK));
        assert!(said.chars().count() < 200);
        assert_eq!(excerpt(b"", &[], &(5..9)), "");
    }
}
