//! Logins from a multipart form: any bytes end in credentials or in an answer. A boundary of one letter is found soonest.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tokenward::http::body;

fuzz_target!(|bytes: &[u8]| {
    if let Err(error) = body::fields(Some(b"multipart/form-data; boundary=X"), bytes) {
        let _answer = error.json();
    }
});
