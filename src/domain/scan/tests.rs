//! What is found in which text, and that neither the size of the buffer nor any bytes change or break it.

mod announced;
mod any;
mod decoded;
mod shapes;
mod wrapped;

use std::fmt::Write;

use super::super::token::KeyFormat;
use super::*;

const A: &str = "9944b09199c62bcf9418ad846dd0e4bbdfc6ee4b";
const B: &str = "62b46a1599c62bcf9418ad846dd0e4bbdfc6ee4b";
const KNOX: &str = "0bfbb1fd0123456789abcdef0123456789abcdef0123456789abcdef01234567";

type Told = (u64, Kind, Shape, String, Context, Range<u64>);

fn scan_with(capacity: usize, text: &[u8], step: usize) -> Vec<Told> {
    let mut told = Vec::new();
    let mut keep = |one: Candidate| {
        let key = one.key.expose().clone();
        told.push((one.line, one.kind, one.shape, key, one.context, one.place));
    };
    let mut scanner = Scanner::with_capacity(capacity);
    for chunk in text.chunks(step) {
        scanner.feed(chunk, &mut keep);
    }
    scanner.finish(&mut keep);
    told
}

/// What is found in `text`, which must not depend on where a buffer ends.
#[track_caller]
fn scan(text: &[u8]) -> Vec<Told> {
    let told = scan_with(Scanner::CAPACITY, text, usize::MAX);
    let tight = Window::BEHIND + Window::AHEAD;
    for (capacity, step) in [(tight + 1, 1), (tight + 700, 333)] {
        assert_eq!(scan_with(capacity, text, step), told, "{capacity}");
    }
    told
}

/// The lines and keys of what is whole and has a known shape.
#[track_caller]
fn keys(text: &str) -> Vec<(u64, String)> {
    let whole = scan(text.as_bytes())
        .into_iter()
        .filter(|one| one.2 == Shape::Whole && one.1 != Kind::Other);
    whole.map(|one| (one.0, one.3)).collect()
}

#[track_caller]
fn finds(text: &str, key: &str) {
    let told = scan(text.as_bytes());
    assert!(
        told.iter().any(|one| one.3 == key && one.2 == Shape::Whole),
        "{text:?}: {told:?}"
    );
}

fn encoded(text: &str) -> String {
    use ::base64::Engine as _;
    ::base64::engine::general_purpose::STANDARD.encode(text)
}
