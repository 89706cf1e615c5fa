//! What the client will take, out of `Accept`, as `rest_framework.negotiation.DefaultContentNegotiation` reads it.
//! There is only JSON to choose; what is really negotiated is whether a client that wants none gets a 406, and by how
//! much the answer is indented. Asked by `dispatch` for every request, so the usual headers take a short way.

/// By how many spaces an answer is indented, at most 8; 0 is compact.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Indent(pub usize);

/// The limits of `DefaultContentNegotiation`, in characters; the header is Latin-1, so one character is one byte.
const MAX_HEADER: usize = 8_192;
const MAX_TYPES: usize = 64;
const MAX_TYPE: usize = 256;

/// The indentation that `accept` asks for; `None` when it has nothing that JSON satisfies.
#[must_use]
pub fn accepted(accept: Option<&[u8]>) -> Option<Indent> {
    match accept {
        None | Some(b"*/*" | b"application/json") => Some(Indent(0)),
        Some(header) => negotiate(&latin1(header)),
    }
}

fn latin1(bytes: &[u8]) -> String {
    bytes.iter().copied().map(char::from).collect()
}

fn negotiate(header: &str) -> Option<Indent> {
    let types = types_of(header).map(MediaType::parse);
    let fitting = types.filter(MediaType::takes_json);
    // The most exact one wins, and of equals the first: Django takes any of them, in no order.
    let mut best: Option<MediaType> = None;
    for media in fitting {
        if best
            .as_ref()
            .is_none_or(|best| media.precedence() > best.precedence())
        {
            best = Some(media);
        }
    }
    best.map(MediaType::indent)
}

/// The header's items, cut as REST framework cuts it: too many and too long ones are left out.
fn types_of(header: &str) -> impl Iterator<Item = &str> {
    let header = if header.chars().count() > MAX_HEADER {
        let end = header
            .char_indices()
            .nth(MAX_HEADER)
            .map_or(header.len(), |(at, _)| at);
        header[..end]
            .rfind(',')
            .map_or("", |comma| &header[..=comma])
    } else {
        header
    };
    header
        .split(',')
        .map(strip)
        .filter(|item| !item.is_empty() && item.chars().count() <= MAX_TYPE)
        .take(MAX_TYPES)
}

/// Python's `str.strip()`: Unicode's white space and the four separators of ASCII that Rust does not count.
fn strip(text: &str) -> &str {
    text.trim_matches(|c: char| c.is_whitespace() || ('\u{1c}'..='\u{1f}').contains(&c))
}

/// `rest_framework.utils.mediatypes._MediaType`.
#[derive(Debug, PartialEq, Eq)]
struct MediaType {
    main: String,
    sub: String,
    /// In order, the last of equal names counting, as in a Python dictionary.
    params: Vec<(String, String)>,
}

impl MediaType {
    /// `django.utils.http.parse_header_parameters`; a character set that nobody knows makes it match nothing.
    fn parse(text: &str) -> Self {
        let (full, params) = if text.contains(';') {
            parameters(text).unwrap_or_default()
        } else {
            (strip(text).to_lowercase(), Vec::new())
        };
        let (main, sub) = full.split_once('/').unwrap_or((&full, ""));
        Self {
            main: main.to_owned(),
            sub: sub.to_owned(),
            params,
        }
    }

    fn takes_json(&self) -> bool {
        matches!(self.main.as_str(), "*" | "application")
            && matches!(self.sub.as_str(), "*" | "json")
    }

    fn precedence(&self) -> u8 {
        if self.main == "*" {
            0
        } else if self.sub == "*" {
            1
        } else if self.params.iter().all(|(name, _)| name == "q") {
            2
        } else {
            3
        }
    }

    /// `JSONRenderer.get_indent`. A range's parameters are written behind `application/json` and read again, quotes
    /// gone: that is what REST framework does, and a quoted semicolon shows it.
    fn indent(self) -> Indent {
        let params = if self.precedence() < 2 && !self.params.is_empty() {
            let pairs = self
                .params
                .iter()
                .map(|(name, value)| format!(";{name}={value}"));
            let again: String = std::iter::once("application/json".to_owned())
                .chain(pairs)
                .collect();
            Self::parse(&again).params
        } else {
            self.params
        };
        let asked = params.iter().find(|(name, _)| name == "indent");
        let asked = asked.and_then(|(_, value)| python_int(value)).unwrap_or(0);
        Indent(usize::try_from(asked.clamp(0, 8)).unwrap_or(0))
    }
}

type Params = Vec<(String, String)>;

/// A parameter in parts: its name, the numbered parts, and whether any of them is encoded (RFC 2231).
type Continued = (String, Vec<(u32, String)>, bool);

/// `email.message.Message.get_params`: the type and its parameters, `None` for an unknown character set.
fn parameters(line: &str) -> Option<(String, Params)> {
    let mut pieces = pieces(line).into_iter();
    let first = pieces.next().unwrap_or_default();
    let key = first.split('=').next().unwrap_or_default().to_lowercase();
    let mut params = Params::new();
    let mut continued: Vec<Continued> = Vec::new();
    for piece in pieces {
        let (name, value) = piece.split_once('=').unwrap_or((&piece, ""));
        let (name, value) = (strip(name), unquote(strip(value)));
        match starred(name) {
            None if name.is_empty() => {}
            None => set(&mut params, name, value),
            Some((base, part)) => {
                let encoded = name.ends_with('*');
                let value = if encoded { percent(&value) } else { value };
                let known = continued.iter().position(|(name, _, _)| name == base);
                let place = known.unwrap_or_else(|| {
                    continued.push((base.to_owned(), Vec::new(), false));
                    continued.len() - 1
                });
                continued[place].1.push((part, value));
                continued[place].2 |= encoded;
            }
        }
    }
    for (name, mut parts, encoded) in continued {
        parts.sort();
        let value: String = parts.into_iter().map(|(_, text)| text).collect();
        let value = if encoded { in_charset(&value)? } else { value };
        set(&mut params, &name, value);
    }
    Some((key, params))
}

fn set(params: &mut Params, name: &str, value: String) {
    match params.iter_mut().find(|(known, _)| known == name) {
        Some((_, old)) => *old = value,
        None => params.push((name.to_owned(), value)),
    }
}

/// `email.message._parseparam`: cut at semicolons that no quotes hold, names in lower case.
fn pieces(line: &str) -> Vec<String> {
    let mut all = Vec::new();
    let mut rest = Some(line);
    while let Some(text) = rest {
        let quotes = |end: usize| {
            text[..end]
                .matches('"')
                .count()
                .wrapping_sub(text[..end].matches("\\\"").count())
        };
        let ends = text.match_indices(';').map(|(at, _)| at);
        let end = ends.into_iter().find(|at| *at == 0 || quotes(*at) % 2 == 0);
        let piece = &text[..end.unwrap_or(text.len())];
        all.push(match piece.split_once('=') {
            Some((name, value)) => format!("{}={}", strip(name).to_lowercase(), strip(value)),
            None => strip(piece).to_owned(),
        });
        // A semicolon at the very end opens no further piece worth naming, but an empty one.
        rest = end.map(|at| &text[at + 1..]);
    }
    all
}

/// `email.utils.unquote`.
fn unquote(text: &str) -> String {
    let inner = |open, close| {
        text.strip_prefix(open)
            .and_then(|rest| rest.strip_suffix(close))
    };
    match (inner('"', '"'), inner('<', '>')) {
        (Some(inner), _) => inner.replace("\\\\", "\\").replace("\\\"", "\""),
        (None, Some(inner)) => inner.to_owned(),
        (None, None) => text.to_owned(),
    }
}

/// `name*`, `name*0`, `name*0*`: the name and the part's number (RFC 2231).
fn starred(name: &str) -> Option<(&str, u32)> {
    let (base, tail) = name.split_once('*')?;
    let word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    if base.is_empty() || !base.chars().all(word) {
        return None;
    }
    if tail.is_empty() {
        return Some((base, 0));
    }
    let digits = tail.strip_suffix('*').unwrap_or(tail);
    let number = !digits.is_empty() && digits.chars().all(|c| c.is_ascii_digit());
    number.then(|| (base, digits.parse().unwrap_or(u32::MAX)))
}

/// Percent-escapes as Latin-1.
fn percent(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('%') {
        out.push_str(before);
        let pair = after
            .get(..2)
            .filter(|pair| pair.bytes().all(|byte| byte.is_ascii_hexdigit()));
        let byte = pair.and_then(|pair| u8::from_str_radix(pair, 16).ok());
        if let Some(byte) = byte {
            out.push(char::from(byte));
            rest = &after[2..];
        } else {
            out.push('%');
            rest = after;
        }
    }
    out.push_str(rest);
    out
}

/// `charset'language'text`: the text, when the character set is known. Which one it is does not matter, since only
/// ASCII digits are read out of it.
fn in_charset(value: &str) -> Option<String> {
    let mut parts = value.splitn(3, '\'');
    match (parts.next(), parts.next(), parts.next()) {
        (Some(charset), Some(_), Some(text)) => {
            let known = charset.is_empty()
                || encoding_rs::Encoding::for_label(charset.as_bytes()).is_some();
            known.then(|| text.to_owned())
        }
        _ => Some(value.to_owned()),
    }
}

/// Python's `int()` of Latin-1 text: white space around, a sign, underscores between digits. Beyond what matters it
/// stops counting.
fn python_int(text: &str) -> Option<i64> {
    let text = strip(text);
    let (negative, digits) = match text.as_bytes().first()? {
        b'-' => (true, &text[1..]),
        b'+' => (false, &text[1..]),
        _ => (false, text),
    };
    let mut value: i64 = 0;
    for part in digits.split('_') {
        if part.is_empty() {
            return None;
        }
        for c in part.chars() {
            value = (value * 10 + i64::from(c.to_digit(10)?)).min(1_000_000);
        }
    }
    Some(if negative { -value } else { value })
}

#[cfg(test)]
mod tests;
