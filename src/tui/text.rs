//! Small shapes of text that every screen needs: grouped numbers, wrapped lines, lengths of time.

use std::time::Duration;

use unicode_segmentation::UnicodeSegmentation;

use crate::text;

/// `1,204`.
#[must_use]
pub fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// `1.2 s` below ten seconds, `14 s`, `3 min`.
#[must_use]
pub fn span(time: Duration) -> String {
    match time.as_secs() {
        0..10 => format!("{:.1} s", time.as_secs_f64()),
        secs => whole(secs),
    }
}

/// `4 s`, `3 min`, `2 h`.
#[must_use]
pub fn whole(secs: u64) -> String {
    match secs {
        0..120 => format!("{secs} s"),
        120..7_200 => format!("{} min", secs / 60),
        7_200.. => format!("{} h", secs / 3_600),
    }
}

/// `outside` made safe and broken at spaces into lines of at most `columns`; longer words are cut.
#[must_use]
pub fn wrap(outside: &str, columns: usize) -> Vec<String> {
    let columns = columns.max(1);
    let safe = text::safe(outside);
    let mut lines = vec![String::new()];
    let mut used = 0;
    for word in safe.split_inclusive(' ') {
        let bare = text::width(word.trim_end());
        if used > 0 && used + bare > columns {
            lines.push(String::new());
            used = 0;
        }
        for cluster in word.graphemes(true) {
            let width = text::width(cluster);
            if used + width > columns {
                if cluster == " " {
                    continue;
                }
                lines.push(String::new());
                used = 0;
            }
            if let Some(line) = lines.last_mut() {
                line.push_str(cluster);
            }
            used += width;
        }
    }
    for line in &mut lines {
        line.truncate(line.trim_end().len());
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_grouped_in_threes() {
        assert_eq!(
            [0, 12, 123, 1_204, 1_004_112].map(grouped),
            ["0", "12", "123", "1,204", "1,004,112"]
        );
    }

    #[test]
    fn lines_break_at_spaces_and_never_run_over() {
        assert_eq!(wrap("used 2 min ago", 6), ["used 2", "min", "ago"]);
        assert_eq!(wrap("0123456789", 4), ["0123", "4567", "89"]);
        assert_eq!(wrap("", 4), [""]);
        for columns in 1..20 {
            let lines = wrap(
                "漢字 and اسم \u{202e}x and a-very-long-word-indeed",
                columns,
            );
            assert!(
                lines.iter().all(|line| text::width(line) <= columns.max(2)),
                "{lines:?}"
            );
        }
    }
}
