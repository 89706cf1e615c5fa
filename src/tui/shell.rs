//! Words as a shell takes them, for the commands that dialogs name: what is pasted into one must mean the very user
//! that the dialog is about.

use std::fmt::Write;

use crate::text;

/// A word, in quotes where it needs them.
#[must_use]
pub fn quoted(word: &str) -> String {
    let plain = !word.starts_with('-')
        && word
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || "@.+-_".contains(c));
    if plain {
        word.to_owned()
    } else {
        in_quotes(word)
    }
}

/// A word in quotes. What may not be shown is written as bash, zsh and ksh read it in `$'…'`.
#[must_use]
pub fn in_quotes(word: &str) -> String {
    let safe = text::safe(word);
    if safe == word {
        return format!("'{}'", word.replace('\'', r"'\''"));
    }
    // `safe` puts one character in place of each.
    let mut out = String::from("$'");
    for (c, shown) in word.chars().zip(safe.chars()) {
        match c {
            '\'' | '\\' => out.extend(['\\', c]),
            _ if c == shown => out.push(c),
            _ if u32::from(c) < 0x1_0000 => {
                // Writing to a string does not fail.
                let _ = write!(out, "\\u{:04x}", u32::from(c));
            }
            _ => {
                let _ = write!(out, "\\U{:08x}", u32::from(c));
            }
        }
    }
    out + "'"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shell_reads_each_name_as_it_is() {
        for name in [
            "alice.w",
            "-rf",
            "=cmd|'/c calc'!A1",
            "bob\x1b[31m\u{202e}x",
            "it's\\\u{7}",
            "\u{e0001}tag",
            "山田",
        ] {
            let script = format!("printf %s {}", quoted(name));
            let said = std::process::Command::new("bash")
                .env("LC_ALL", "C.UTF-8")
                .args(["-c", &script])
                .output()
                .unwrap();
            assert_eq!(String::from_utf8_lossy(&said.stdout), name, "{script}");
            assert_eq!(
                text::safe(&script),
                script,
                "and nothing of it acts on a terminal"
            );
        }
    }
}
