//! Makes text from outside safe to print and shortens it by display width. Names, paths and messages come from
//! databases, files and networks; whatever reaches a terminal or a log passes through here first, so that no
//! escape sequence runs, no line is faked and no letter hides.

use std::borrow::Cow;

use unicode_segmentation::UnicodeSegmentation;
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

/// What stands for a character that may not be printed.
const REPLACEMENT: char = '\u{fffd}';

/// The most code points one visible character may have; the rest show as `�` each. The longest emoji that Unicode
/// recommends has ten and the longest conjuncts of Indic scripts about as many; more is a pile of marks that
/// climbs over the neighbouring lines.
const CLUSTER_MAX: usize = 16;

/// `text` with every character that could act on the terminal, reorder or hide replaced by `�`.
///
/// Replaced are control characters (line breaks and tabs too), bidirectional controls, line and paragraph
/// separators, invisible characters, tags, private-use characters and noncharacters, and marks with no letter to
/// sit on. The two joiners (U+200C, U+200D) and variation selectors stay where Persian, Indic scripts and emoji
/// need them, which is after a character beyond ASCII: `al\u{200c}ice` could pass for `alice`.
#[must_use]
pub fn safe(text: &str) -> Cow<'_, str> {
    if text.bytes().all(|byte| (0x20..0x7f).contains(&byte)) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len());
    let mut before = None;
    for (start, cluster) in text.grapheme_indices(true) {
        for (nth, (offset, c)) in cluster.char_indices().enumerate() {
            let after = text[start + offset + c.len_utf8()..].chars().next();
            // A joiner as the last one allowed would have nothing to join.
            let allowed = if is_joiner(c) {
                CLUSTER_MAX - 1
            } else {
                CLUSTER_MAX
            };
            let stays = nth < allowed && may_stay(before, c, after);
            let shown = if stays { c } else { REPLACEMENT };
            out.push(shown);
            before = Some(shown);
        }
    }
    if out == text {
        Cow::Borrowed(text)
    } else {
        Cow::Owned(out)
    }
}

/// How many columns `text` takes on a terminal.
///
/// Counted for each visible character by itself, as terminals and ratatui place them; the width of the whole
/// string would take Arabic ligatures into account, which no terminal draws in fewer cells.
#[must_use]
pub fn width(text: &str) -> usize {
    text.graphemes(true).map(UnicodeWidthStr::width).sum()
}

/// `text` made [`safe`] and, if it takes more than `columns`, cut between visible characters and ended with `…`.
///
/// The work is bounded by `columns`, whatever the length of `text`: tables call this for each cell they draw.
#[must_use]
pub fn fit(text: &str, columns: usize) -> String {
    let enough = columns.saturating_add(2).saturating_mul(CLUSTER_MAX);
    let end = text.char_indices().nth(enough).map(|(end, _)| end);
    let shown = safe(&text[..end.unwrap_or(text.len())]);
    if end.is_none() && width(&shown) <= columns {
        return shown.into_owned();
    }
    let Some(room) = columns.checked_sub(1) else {
        return String::new();
    };
    let mut used = 0;
    let mut out = String::new();
    for cluster in shown.graphemes(true) {
        used += UnicodeWidthStr::width(cluster);
        if used > room {
            break;
        }
        out.push_str(cluster);
    }
    out.push('…');
    out
}

/// `text` as [`fit`] makes it, filled up with spaces to exactly `columns`.
#[must_use]
pub fn pad(text: &str, columns: usize) -> String {
    let mut out = fit(text, columns);
    let missing = columns.saturating_sub(width(&out));
    out.extend(std::iter::repeat_n(' ', missing));
    out
}

/// Whether `c` may be printed between `before` (as it was printed) and `after`.
fn may_stay(before: Option<char>, c: char, after: Option<char>) -> bool {
    if is_dangerous(c) {
        return false;
    }
    // A joiner or selector does its work on a character of another script; on anything else it only hides.
    let carries = |c: char| {
        !c.is_ascii() && c != REPLACEMENT && !is_joiner(c) && !is_selector(c) && !is_dangerous(c)
    };
    if is_joiner(c) {
        // In emoji a selector may stand before the joiner: heart, U+FE0F, U+200D, fire.
        let holds = before.is_some_and(|c| carries(c) || is_selector(c));
        return holds && after.is_some_and(carries);
    }
    if is_selector(c) {
        return before.is_some_and(carries);
    }
    // A mark at the start would sit on whatever was printed before this text.
    before.is_some() || c.width() != Some(0)
}

const fn is_joiner(c: char) -> bool {
    matches!(c, '\u{200c}' | '\u{200d}')
}

const fn is_selector(c: char) -> bool {
    matches!(c, '\u{180b}'..='\u{180d}' | '\u{180f}' | '\u{fe00}'..='\u{fe0f}')
}

/// Characters that are never printed: see Unicode Standard Annex 9 for the bidirectional controls and
/// `Default_Ignorable_Code_Point` in `DerivedCoreProperties.txt` for the invisible ones.
const fn is_dangerous(c: char) -> bool {
    matches!(c,
        // Controls: C0, DEL, C1.
        '\0'..='\u{1f}' | '\u{7f}'..='\u{9f}'
        // Direction.
        | '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}'
        // Line and paragraph separator.
        | '\u{2028}' | '\u{2029}'
        // Invisible: soft hyphen, grapheme joiner, fillers, zero-width spaces, invisible operators, BOM.
        | '\u{ad}' | '\u{34f}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}' | '\u{180e}' | '\u{200b}'
        | '\u{2060}'..='\u{2065}' | '\u{206a}'..='\u{206f}' | '\u{3164}' | '\u{feff}' | '\u{ffa0}'
        // Formatting of hieroglyphs, shorthand and music.
        | '\u{13430}'..='\u{1343f}' | '\u{1bca0}'..='\u{1bca3}' | '\u{1d173}'..='\u{1d17a}'
        // Interlinear annotation, unassigned specials and noncharacters of the first plane.
        | '\u{fff0}'..='\u{fffb}' | '\u{fffe}' | '\u{ffff}' | '\u{fdd0}'..='\u{fdef}'
        // Private use has no agreed look or width; plane 14 holds tags, which spell out invisible text.
        | '\u{e000}'..='\u{f8ff}' | '\u{e0000}'..='\u{10ffff}'
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Names that people, Django or attackers have put into user tables.
    fn nasty() -> Vec<String> {
        let mut all: Vec<String> = [
            "",
            "alice",
            "日本語の長い名前です",
            "한국어 사용자",
            "مرحبا بالعالم",
            "שלום עולם",
            "می\u{200c}خواهم",
            "क्षत्रिय",
            "👩🏽\u{200d}❤\u{fe0f}\u{200d}💋\u{200d}👩🏻 kiss",
            "👨\u{200d}👩\u{200d}👧\u{200d}👦👨\u{200d}👩\u{200d}👧\u{200d}👦",
            "🇩🇪🇫🇷🇯🇵",
            "\u{1b}[31mred\u{1b}[0m",
            "\u{9b}2J",
            "two\nlines\r\n\tand a tab",
            "\u{202e}gnp.exe",
            "al\u{200b}ice",
            "a\u{2028}b\u{2029}c",
            "\u{e0041}\u{e0042}\u{e007f}",
            "\u{301}lone mark",
            "\0nul",
            "e\u{301}\u{302}",
            "ﷺ ㍿ ﷽",
            "\u{600}\u{600}\u{600}1",
            "\u{1100}\u{1161}\u{11a8}",
        ]
        .map(String::from)
        .to_vec();
        all.push(format!("z{}", "\u{336}\u{34f}\u{489}".repeat(3_000)));
        all.push("😀\u{200d}".repeat(3_000));
        all.push(format!("x{}", "\u{fe0f}".repeat(500)));
        all.push("名".repeat(500));
        // Every character of the blocks where something special stands, in order and with a letter between.
        let blocks = [
            0..0x3200,
            0xa800..0xac00,
            0xd7b0..0xd800,
            0xe000..0xe010,
            0xf8f0..0x1_0000,
        ];
        let more = [
            0x1_1000..0x1_1200,
            0x1_3400..0x1_3460,
            0x1_d150..0x1_d180,
            0x1_f1e0..0x1_f700,
        ];
        let tags = [0xe_0000..0xe_0200, 0x10_fff0..0x11_0000];
        let chars: Vec<char> = blocks
            .into_iter()
            .chain(more)
            .chain(tags)
            .flatten()
            .filter_map(char::from_u32)
            .collect();
        all.extend(chars.chunks(40).map(|chunk| chunk.iter().collect()));
        all.extend(
            chars
                .chunks(20)
                .map(|chunk| chunk.iter().flat_map(|c| [*c, 'a']).collect()),
        );
        all
    }

    #[test]
    fn nothing_unsafe_survives() {
        for text in nasty() {
            let shown = safe(&text);
            assert!(
                !shown.chars().any(is_dangerous),
                "{:?}",
                &shown.chars().take(40).collect::<String>()
            );
            assert!(!shown.chars().any(char::is_control));
            assert_eq!(
                shown.chars().count(),
                text.chars().count(),
                "one � for each character"
            );
            assert_eq!(safe(&shown), shown, "safe text stays as it is");
            let longest = shown
                .graphemes(true)
                .map(|cluster| cluster.chars().count())
                .max();
            assert!(longest.unwrap_or(0) <= CLUSTER_MAX + 1, "{longest:?}");
        }
    }

    #[test]
    fn nothing_is_wider_than_asked() {
        for text in nasty() {
            for columns in [0, 1, 2, 3, 5, 12, 40, 200] {
                let cut = fit(&text, columns);
                assert!(width(&cut) <= columns, "{cut:?} in {columns}");
                assert!(
                    cut.len() <= (CLUSTER_MAX + 1) * 4 * (columns + 2),
                    "{} bytes",
                    cut.len()
                );
                assert_eq!(width(&pad(&text, columns)), columns, "{cut:?} in {columns}");
            }
        }
    }

    #[test]
    fn ordinary_text_stays() {
        for text in [
            "alice.w+dev@example.com",
            "日本語",
            "می\u{200c}خواهم",
            "שָׁלוֹם",
            "क्\u{200d}ष",
            "👩🏽\u{200d}❤\u{fe0f}\u{200d}💋\u{200d}👩🏻",
            "👨\u{200d}👩\u{200d}👧",
            "Việt Nam e\u{301}",
            "🇩🇪",
        ] {
            assert!(matches!(safe(text), Cow::Borrowed(_)), "{text}");
        }
    }

    #[test]
    fn dangers_show() {
        for (text, shown) in [
            ("\u{1b}[2Ja", "�[2Ja"),
            ("a\nb\tc\u{7f}", "a�b�c�"),
            ("\u{202e}cod", "�cod"),
            ("al\u{200c}ice", "al�ice"),
            ("ali\u{200d}", "ali�"),
            ("a\u{fe0f}", "a�"),
            ("\u{301}x", "�x"),
            ("a\u{ad}\u{feff}\u{3164}", "a���"),
            ("\u{e0061}\u{f8ff}", "��"),
        ] {
            assert_eq!(safe(text), shown);
        }
    }

    #[test]
    fn cuts_between_visible_characters() {
        assert_eq!(fit("alice", 5), "alice");
        assert_eq!(fit("alice.wong", 5), "alic…");
        assert_eq!(fit("日本語", 5), "日本…");
        assert_eq!(fit("日本語", 4), "日…");
        assert_eq!(fit("e\u{301}e\u{301}e\u{301}", 2), "e\u{301}…");
        assert_eq!(
            fit("👨\u{200d}👩\u{200d}👧 family", 3),
            "👨\u{200d}👩\u{200d}👧…"
        );
        assert_eq!(fit("alice", 1), "…");
        assert_eq!(fit("alice", 0), "");
        assert_eq!(pad("日本語", 4), "日… ");
        assert_eq!(pad("bob", 5), "bob  ");
    }
}
