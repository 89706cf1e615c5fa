//! JSON that is exact and safe at once: whatever is not ASCII, a letter or a digit is escaped, so that no control or
//! bidirectional character reaches a terminal and every program still reads the very text that the database has.

use std::fmt::Write as _;

use serde::Serialize;

/// `value` on one line.
pub fn line(value: &impl Serialize) -> Result<String, serde_json::Error> {
    let plain = serde_json::to_string(value)?;
    if plain.bytes().all(|byte| (0x20..0x7f).contains(&byte)) {
        return Ok(plain);
    }
    let mut escaped = String::with_capacity(plain.len() + 16);
    for c in plain.chars() {
        // Outside strings JSON is ASCII, so whatever is met here stands in a string.
        if (' '..='~').contains(&c) || c.is_alphanumeric() {
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
            assert!(
                line.chars()
                    .all(|c| (' '..='~').contains(&c) || c.is_alphanumeric()),
                "{line:?}"
            );
            assert_eq!(serde_json::from_str::<String>(&line).unwrap(), text);
        }
        assert_eq!(line(&"王").unwrap(), "\"王\"", "letters stay readable");
    }
}
