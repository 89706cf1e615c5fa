//! The `Content-Type` of a login, up to the first line feed, and what it makes of the body behind it: types, quotes,
//! RFC 2231, charsets.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tokenward::http::body;

fuzz_target!(|bytes: &[u8]| {
    let mut halves = bytes.splitn(2, |byte| *byte == b'\n');
    let (content_type, rest) = (halves.next(), halves.next().unwrap_or_default());
    if let Err(error) = body::fields(content_type, rest) {
        let _answer = error.json();
    }
});
