//! Any text searched for keys: no panic, and the same candidates however it is cut into pieces.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tokenward::domain::scan::{Candidate, Scanner};

fn found(bytes: &[u8], step: usize) -> Vec<(u64, u64, u64, String)> {
    let mut all = Vec::new();
    let mut keep = |one: Candidate| {
        all.push((one.line, one.place.start, one.place.end, one.key.expose().clone()));
    };
    let mut scanner = Scanner::new();
    for chunk in bytes.chunks(step) {
        scanner.feed(chunk, &mut keep);
    }
    scanner.finish(&mut keep);
    all
}

fuzz_target!(|bytes: &[u8]| {
    // Repeated, so that it reaches over the end of the scanner's buffer.
    let times = 140_000 / bytes.len().max(1) + 1;
    let long = bytes.repeat(times.min(2_000));
    for text in [bytes, &long] {
        let whole = found(text, usize::MAX);
        assert_eq!(found(text, 7), whole);
        for (_, start, end, _) in whole {
            assert!(start < end && end <= text.len() as u64);
        }
    }
});
