//! Logins from a form: any bytes end in credentials or in an answer.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tokenward::http::body;

fuzz_target!(|bytes: &[u8]| {
    if let Err(error) = body::fields(Some(b"application/x-www-form-urlencoded"), bytes) {
        let _answer = error.json();
    }
});
