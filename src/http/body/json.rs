//! A JSON body, read as Python's `json` reads it under REST framework: the whole text is checked, but only the kind of the
//! document and the last `username` and `password` of its outermost object are kept. [`super::fields()`] calls it.

use zeroize::Zeroizing;

use super::fields::{Members, Text, Value};
use super::python;

/// Containers in containers that we follow. Python gives up near a thousand, with an error of its own making (500).
const DEEPEST: usize = 960;

/// Digits of an integer that Python is willing to read (`sys.get_int_max_str_digits`).
const MOST_DIGITS: usize = 4300;

/// What the body is.
pub(super) enum Document {
    /// An object.
    Object(Members),
    /// `null`.
    Null,
    /// Anything else, by the name of its type in Python.
    Other(&'static str),
}

/// Why the text is no JSON, in Python's words.
pub(super) struct Broken(pub(super) String);

/// Reads the whole text.
pub(super) fn parse(text: &str) -> Result<Document, Broken> {
    let mut parser = Parser {
        text,
        at: 0,
        depth: 0,
    };
    if text.starts_with('\u{FEFF}') {
        return Err(parser.broken("Unexpected UTF-8 BOM (decode using utf-8-sig)", 0));
    }
    parser.skip_space();
    let mut members = Members::default();
    let document = match parser.peek() {
        Some(b'{') => {
            parser.object(Some(&mut members))?;
            Document::Object(members)
        }
        _ => match parser.value()? {
            Value::Null => Document::Null,
            value => Document::Other(value.python_type()),
        },
    };
    parser.skip_space();
    match parser.peek() {
        None => Ok(document),
        Some(_) => Err(parser.broken("Extra data", parser.at)),
    }
}

struct Parser<'t> {
    text: &'t str,
    /// Bytes read. Stands between two characters.
    at: usize,
    depth: usize,
}

impl Parser<'_> {
    fn rest(&self) -> &str {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn skip_space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    /// Takes `byte` if it is the next one.
    fn take(&mut self, byte: u8) -> bool {
        let is_next = self.peek() == Some(byte);
        self.at += usize::from(is_next);
        is_next
    }

    fn take_word(&mut self, word: &str) -> bool {
        let is_next = self.rest().starts_with(word);
        self.at += if is_next { word.len() } else { 0 };
        is_next
    }

    fn broken(&self, what: &str, at: usize) -> Broken {
        let before = self.text.get(..at).unwrap_or(self.text);
        let line = before.matches('\n').count() + 1;
        let column = before
            .rsplit('\n')
            .next()
            .unwrap_or_default()
            .chars()
            .count()
            + 1;
        Broken(format!(
            "{what}: line {line} column {column} (char {})",
            before.chars().count()
        ))
    }

    fn value(&mut self) -> Result<Value, Broken> {
        let start = self.at;
        match self.peek() {
            Some(b'"') => self.string().map(Value::Text),
            Some(b'{') => self.object(None).map(|()| Value::Object),
            Some(b'[') => self.list().map(|()| Value::List),
            Some(b'n') if self.take_word("null") => Ok(Value::Null),
            Some(b't') if self.take_word("true") => Ok(Value::Bool),
            Some(b'f') if self.take_word("false") => Ok(Value::Bool),
            Some(b'-' | b'N' | b'I')
                if ["NaN", "Infinity", "-Infinity"]
                    .iter()
                    .any(|word| self.take_word(word)) =>
            {
                let name = self.text.get(start..self.at).unwrap_or_default();
                Err(Broken(format!(
                    "Out of range float values are not JSON compliant: '{name}'"
                )))
            }
            Some(b'-' | b'0'..=b'9') => self.number(),
            Some(_) | None => Err(self.broken("Expecting value", start)),
        }
    }

    /// Goes one container deeper.
    fn enter(&mut self) -> Result<(), Broken> {
        self.at += 1;
        self.depth += 1;
        if self.depth > DEEPEST {
            return Err(self.broken("Nested too deeply", self.at));
        }
        self.skip_space();
        Ok(())
    }

    /// Whether another item follows the one just read, or `close` ends the container.
    fn more(&mut self, close: u8) -> Result<bool, Broken> {
        self.skip_space();
        if self.take(close) {
            self.depth -= 1;
            return Ok(false);
        }
        if !self.take(b',') {
            return Err(self.broken("Expecting ',' delimiter", self.at));
        }
        self.skip_space();
        Ok(true)
    }

    fn list(&mut self) -> Result<(), Broken> {
        self.enter()?;
        if self.take(b']') {
            self.depth -= 1;
            return Ok(());
        }
        loop {
            self.value()?;
            if !self.more(b']')? {
                return Ok(());
            }
        }
    }

    /// Reads an object; its members of interest go to `members`, later ones in place of earlier ones.
    fn object(&mut self, mut members: Option<&mut Members>) -> Result<(), Broken> {
        self.enter()?;
        if self.take(b'}') {
            self.depth -= 1;
            return Ok(());
        }
        loop {
            if self.peek() != Some(b'"') {
                return Err(
                    self.broken("Expecting property name enclosed in double quotes", self.at)
                );
            }
            let name = self.string()?;
            self.skip_space();
            if !self.take(b':') {
                return Err(self.broken("Expecting ':' delimiter", self.at));
            }
            self.skip_space();
            let value = self.value()?;
            if let (Some(members), Some(name)) = (members.as_deref_mut(), name.whole()) {
                members.set(name, value);
            }
            if !self.more(b'}')? {
                return Ok(());
            }
        }
    }

    fn number(&mut self) -> Result<Value, Broken> {
        let start = self.at;
        self.take(b'-');
        let digits = self.at;
        if !self.take(b'0') && self.digits() == 0 {
            return Err(self.broken("Expecting value", start));
        }
        let whole = self.at;
        if self.take(b'.') && self.digits() == 0 {
            self.at = whole;
        }
        let fraction = self.at;
        if self.take(b'e') || self.take(b'E') {
            let _sign = self.take(b'+') || self.take(b'-');
            if self.digits() == 0 {
                self.at = fraction;
            }
        }
        let text = self.text.get(start..self.at).unwrap_or_default();
        if self.at > whole {
            return text
                .parse()
                .map(|number| Value::Float(python::float(number)))
                .map_err(|_| self.broken("Expecting value", start));
        }
        match whole - digits {
            count if count > MOST_DIGITS => Err(Broken(format!(
                "Exceeds the limit ({MOST_DIGITS} digits) for integer string conversion: value has {count} digits; \
                 use sys.set_int_max_str_digits() to increase the limit"
            ))),
            // Python has no negative zero among the integers.
            _ => Ok(Value::Int(if text == "-0" { "0" } else { text }.to_owned())),
        }
    }

    /// Takes digits and says how many.
    fn digits(&mut self) -> usize {
        let start = self.at;
        while matches!(self.peek(), Some(b'0'..=b'9')) {
            self.at += 1;
        }
        self.at - start
    }

    fn string(&mut self) -> Result<Text, Broken> {
        let start = self.at;
        self.at += 1;
        // Escapes are never shorter than what they stand for: with this room the string stays where it is, and no copy
        // of a password is left behind.
        let room = length_of_string(self.rest());
        let mut text = Text {
            text: Zeroizing::new(String::with_capacity(room)),
            surrogate: None,
        };
        loop {
            let plain = self
                .rest()
                .find(|c: char| matches!(c, '"' | '\\' | '\0'..='\x1F'));
            let Some(plain) = plain else {
                return Err(self.broken("Unterminated string starting at", start));
            };
            text.text
                .push_str(self.rest().get(..plain).unwrap_or_default());
            self.at += plain;
            if self.take(b'"') {
                return Ok(text);
            }
            if !self.take(b'\\') {
                return Err(self.broken("Invalid control character at", self.at));
            }
            self.escape(start, &mut text)?;
        }
    }

    /// Reads what follows a backslash.
    fn escape(&mut self, start: usize, text: &mut Text) -> Result<(), Broken> {
        let Some(letter) = self.peek() else {
            return Err(self.broken("Unterminated string starting at", start));
        };
        let char = match letter {
            b'"' | b'\\' | b'/' => char::from(letter),
            b'b' => '\x08',
            b'f' => '\x0C',
            b'n' => '\n',
            b'r' => '\r',
            b't' => '\t',
            b'u' => return self.unicode_escape(text),
            _ => return Err(self.broken("Invalid \\escape", self.at - 1)),
        };
        self.at += 1;
        text.text.push(char);
        Ok(())
    }

    /// Reads `uXXXX`, and the `\uXXXX` behind it if the two make one character.
    fn unicode_escape(&mut self, text: &mut Text) -> Result<(), Broken> {
        let unit = self.code_unit()?;
        if let Some(char) = char::from_u32(u32::from(unit)) {
            text.text.push(char);
            return Ok(());
        }
        let after = self.at;
        if matches!(unit, 0xD800..=0xDBFF) && self.take_word("\\u") {
            self.at -= 1;
            let low = self.code_unit()?;
            if let Some(Ok(char)) = char::decode_utf16([unit, low]).next() {
                text.text.push(char);
                return Ok(());
            }
            self.at = after;
        }
        text.push_surrogate(unit);
        Ok(())
    }

    /// Reads `uXXXX`.
    fn code_unit(&mut self) -> Result<u16, Broken> {
        let digits = self
            .text
            .get(self.at + 1..self.at + 5)
            .filter(|four| four.bytes().all(|b| b.is_ascii_hexdigit()));
        let Some(unit) = digits.and_then(|digits| u16::from_str_radix(digits, 16).ok()) else {
            return Err(self.broken("Invalid \\uXXXX escape", self.at));
        };
        self.at += 5;
        Ok(unit)
    }
}

/// The bytes before the closing quote, or all of them.
fn length_of_string(text: &str) -> usize {
    let mut bytes = text.bytes();
    let mut length = 0;
    while let Some(byte) = bytes.next() {
        match byte {
            b'"' => break,
            b'\\' => length += 1 + bytes.next().map_or(0, |_| 1),
            _ => length += 1,
        }
    }
    length
}
