//! Small rules of Python's strings, floats and URLs that Django's answers rest on. The parsers and the fields use them.

use zeroize::Zeroizing;

use super::charset::Charset;

/// `str.isspace` of one character: Rust's white space, and the four separators U+001C to U+001F. In full: U+0009 to
/// U+000D, U+001C to U+0020, U+0085, U+00A0, U+1680, U+2000 to U+200A, U+2028, U+2029, U+202F, U+205F and U+3000.
pub(super) fn is_space(char: char) -> bool {
    char.is_whitespace() || matches!(char, '\u{1C}'..='\u{1F}')
}

/// `str.strip()`.
pub(super) fn strip(text: &str) -> &str {
    text.trim_matches(is_space)
}

/// `bytes.strip()`.
pub(super) fn strip_bytes(mut bytes: &[u8]) -> &[u8] {
    while let [first, rest @ ..] = bytes
        && is_space_byte(*first)
    {
        bytes = rest;
    }
    while let [rest @ .., last] = bytes
        && is_space_byte(*last)
    {
        bytes = rest;
    }
    bytes
}

/// `bytes.isspace` of one byte.
pub(super) const fn is_space_byte(byte: u8) -> bool {
    matches!(byte, b'\t'..=b'\r' | b' ')
}

/// `str.isprintable` of one character.
pub(super) fn is_printable(char: char) -> bool {
    // Rust's escaping keeps to the same rule (it was taken from Python), but for the quotes and the backslash. The letter
    // before it keeps a combining mark from being escaped for its own sake.
    let text = ['a', char].into_iter().collect::<String>();
    matches!(char, '\'' | '"' | '\\') || text.escape_debug().count() == 2
}

/// `repr` of a float: the fewest digits that read back as the same number, and of those the nearest to it.
pub(super) fn float(number: f64) -> String {
    if number.is_infinite() {
        return if number > 0.0 { "inf" } else { "-inf" }.to_owned();
    }
    let shortest = format!("{number:e}");
    let places = shortest
        .split('e')
        .next()
        .unwrap_or_default()
        .trim_start_matches('-')
        .len()
        .saturating_sub(2);
    // Where two are as near, Python takes the even one, and so does rounding to a number of places.
    let rounded = format!("{number:.places$e}");
    let text = if rounded.parse() == Ok(number) {
        rounded
    } else {
        shortest
    };
    let (digits, exponent) = text.split_once('e').unwrap_or((&text, "0"));
    let exponent: i32 = exponent.parse().unwrap_or_default();
    if !(-4..16).contains(&exponent) {
        let sign = if exponent < 0 { '-' } else { '+' };
        return format!("{digits}e{sign}{:02}", exponent.abs());
    }
    positional(digits, exponent)
}

/// `1.25` and 1 is `12.5`.
fn positional(digits: &str, exponent: i32) -> String {
    let (sign, digits) = digits
        .strip_prefix('-')
        .map_or(("", digits), |digits| ("-", digits));
    let digits = digits.replace('.', "");
    let Ok(point) = usize::try_from(exponent + 1) else {
        let zeros = "0".repeat(usize::try_from(-(exponent + 1)).unwrap_or_default());
        return format!("{sign}0.{zeros}{digits}");
    };
    let padded = format!("{digits:0<width$}", width = point + 1);
    let (whole, fraction) = padded.split_at(point);
    let whole = if whole.is_empty() { "0" } else { whole };
    format!("{sign}{whole}.{fraction}")
}

/// `urllib.parse.unquote(text, charset, "replace")`: runs of ASCII are decoded, other characters stay. A `%` without two
/// hexadecimal digits behind it stays too.
pub(super) fn unquote(text: &str, charset: &Charset) -> Zeroizing<String> {
    if !text.contains('%') {
        return Zeroizing::new(text.to_owned());
    }
    let mut decoded = Zeroizing::new(String::with_capacity(text.len().saturating_mul(3)));
    let mut rest = text;
    while !rest.is_empty() {
        let (ascii, tail) = rest.split_at(rest.find(|c: char| !c.is_ascii()).unwrap_or(rest.len()));
        if !ascii.is_empty() {
            decoded.push_str(&charset.lossy(&percent_decoded(ascii.as_bytes())));
        }
        let (other, tail) = tail.split_at(tail.find(|c: char| c.is_ascii()).unwrap_or(tail.len()));
        decoded.push_str(other);
        rest = tail;
    }
    decoded
}

fn percent_decoded(bytes: &[u8]) -> Zeroizing<Vec<u8>> {
    let mut decoded = Zeroizing::new(Vec::with_capacity(bytes.len()));
    let mut rest = bytes;
    while let Some((&byte, tail)) = rest.split_first() {
        let digits = (byte == b'%')
            .then(|| tail.split_first_chunk::<2>())
            .flatten();
        let escaped =
            digits.and_then(|([high, low], tail)| Some((hex(*high)? << 4 | hex(*low)?, tail)));
        let (byte, tail) = escaped.unwrap_or((byte, tail));
        decoded.push(byte);
        rest = tail;
    }
    decoded
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit)
        .to_digit(16)
        .and_then(|digit| u8::try_from(digit).ok())
}
