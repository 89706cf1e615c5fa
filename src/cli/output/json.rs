//! JSON that is exact and safe at once: whatever could act on a terminal is escaped, so that no control or bidirectional
//! character reaches one and every program still reads the very text that the database has.

use std::fmt::Write as _;

use serde::Serialize;

use crate::text;

/// `value` on one line.
pub fn line(value: &impl Serialize) -> Result<String, serde_json::Error> {
    let plain = serde_json::to_string(value)?;
    if plain.bytes().all(|byte| (0x20..0x7f).contains(&byte)) {
        return Ok(plain);
    }
    let mut escaped = String::with_capacity(plain.len() + 16);
    for c in plain.chars() {
        // Outside strings JSON is ASCII, so whatever is met here stands in a string.
        if may_stay(c) {
            escaped.push(c);
            continue;
        }
        for unit in c.encode_utf16(&mut [0; 2]) {
            // Writing to a String cannot fail.
            let _ = write!(escaped, "\\u{unit:04x}");
        }
    }
    Ok(escaped)
}

/// Whether a terminal does nothing with it but show it.
fn may_stay(c: char) -> bool {
    (' '..='~').contains(&c) || text::safe(c.encode_utf8(&mut [0; 4])) == *c.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escaped_text_reads_back_the_same() {
        for text in [
            "Ängström",
            "a\u{202e}b",
            "\u{9b}2J\u{7f}",
            "🔑 \u{1b}[2J",
            "e\u{301}",
        ] {
            let line = line(&text).unwrap();
            assert_eq!(text::safe(&line), line);
            assert_eq!(serde_json::from_str::<String>(&line).unwrap(), text);
        }
        assert_eq!(line(&"王…").unwrap(), "\"王…\"", "letters stay readable");
    }
}
