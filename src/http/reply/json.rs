//! JSON as Python's `json` writes it for REST framework: `ensure_ascii=False`, no spaces, or indented. The answers are
//! few and small, so they are written straight into text, and indented afterwards by the rare client that asks for it.

use std::fmt::Write;

use crate::http::negotiate::Indent;

/// Appends `text` as a JSON string: control characters, quotes and backslashes escaped as Python does, and U+2028 and
/// U+2029 as REST framework does.
pub fn push_string(out: &mut String, text: &str) {
    out.push('"');
    let mut plain = 0;
    // Names are short and rarely hold anything to be escaped: what needs nothing is copied in one piece.
    for (at, c) in text.char_indices() {
        let named = match c {
            '"' => "\\\"",
            '\\' => "\\\\",
            '\n' => "\\n",
            '\r' => "\\r",
            '\t' => "\\t",
            '\u{8}' => "\\b",
            '\u{c}' => "\\f",
            '\u{2028}' => "\\u2028",
            '\u{2029}' => "\\u2029",
            '\0'..='\u{1f}' => "",
            _ => continue,
        };
        out.push_str(&text[plain..at]);
        if named.is_empty() {
            // Writing to a string cannot fail.
            let _ = write!(out, "\\u{:04x}", u32::from(c));
        } else {
            out.push_str(named);
        }
        plain = at + c.len_utf8();
    }
    out.push_str(&text[plain..]);
    out.push('"');
}

/// `text` as a JSON string.
#[must_use]
pub fn string(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    push_string(&mut out, text);
    out
}

/// `{"name":"value"}`.
#[must_use]
pub fn pair(name: &str, value: &str) -> String {
    let mut out = String::with_capacity(name.len() + value.len() + 8);
    out.push('{');
    push_string(&mut out, name);
    out.push(':');
    push_string(&mut out, value);
    out.push('}');
    out
}

/// Compact JSON written again with every item on its own line, as `json.dumps(indent=N)` does. Empty lists and objects
/// stay on theirs.
#[must_use]
pub fn indented(compact: String, indent: Indent) -> String {
    let Indent(width) = indent;
    if width == 0 {
        return compact;
    }
    let mut out = String::with_capacity(compact.len() * 2);
    let mut depth = 0_usize;
    let newline = |out: &mut String, depth: usize| {
        out.push('\n');
        out.extend(std::iter::repeat_n(' ', depth * width));
    };
    let (mut quoted, mut escaped) = (false, false);
    let mut chars = compact.chars().peekable();
    while let Some(c) = chars.next() {
        if quoted {
            out.push(c);
            quoted = escaped || c != '"';
            escaped = !escaped && c == '\\';
            continue;
        }
        match c {
            '"' => {
                quoted = true;
                out.push(c);
            }
            '{' | '[' => {
                out.push(c);
                if let Some(close @ ('}' | ']')) = chars.peek().copied() {
                    out.push(close);
                    chars.next();
                } else {
                    depth += 1;
                    newline(&mut out, depth);
                }
            }
            '}' | ']' => {
                depth = depth.saturating_sub(1);
                newline(&mut out, depth);
                out.push(c);
            }
            ',' => {
                out.push(c);
                newline(&mut out, depth);
            }
            ':' => out.push_str(": "),
            _ => out.push(c),
        }
    }
    out
}
