//! UTF-7 as Python's decoder reads it, for [`super::Charset`]. The one difference: a surrogate that stands alone is bad
//! here, since our strings cannot hold it.

use zeroize::Zeroizing;

use super::{Bad, CutOff, Undecodable};

/// A run of base 64 between `+` and the first byte that is not of it.
struct Shift {
    /// Where it begins in the text, so that all of it can be dropped.
    start: usize,
    bits: u32,
    buffer: u32,
    /// A high surrogate that waits for its other half.
    high: Option<u16>,
}

pub(super) fn decode(
    bytes: &[u8],
    bad: Bad,
    cut_off: CutOff,
) -> Result<Zeroizing<String>, Undecodable> {
    let mut text = Zeroizing::new(String::with_capacity(bytes.len().saturating_mul(3)));
    let replace = |text: &mut String| match bad {
        Bad::Replaced => {
            text.push(char::REPLACEMENT_CHARACTER);
            Ok(())
        }
        Bad::Refused => Err(Undecodable::because("'utf7' codec can't decode")),
    };
    let mut shift: Option<Shift> = None;
    let mut rest = bytes;
    while let Some((&byte, tail)) = rest.split_first() {
        rest = match (&mut shift, digit(byte)) {
            (Some(shift), Some(value)) => {
                if !shift.push(value, &mut text) {
                    replace(&mut text)?;
                }
                tail
            }
            (Some(ended), None) => {
                let is_well_ended = ended.bits < 6 && ended.buffer == 0;
                let stands_alone = ended.high.is_some() && is_direct(byte);
                shift = None;
                if is_well_ended {
                    if stands_alone {
                        replace(&mut text)?;
                    }
                    if byte == b'-' { tail } else { rest }
                } else {
                    replace(&mut text)?;
                    tail
                }
            }
            (None, _) if byte == b'+' => match tail.split_first() {
                Some((b'-', tail)) => {
                    text.push('+');
                    tail
                }
                Some((next, after)) if digit(*next).is_none() => {
                    replace(&mut text)?;
                    after
                }
                Some(_) | None => {
                    shift = Some(Shift {
                        start: text.len(),
                        bits: 0,
                        buffer: 0,
                        high: None,
                    });
                    tail
                }
            },
            (None, _) => {
                if is_direct(byte) {
                    text.push(char::from(byte));
                } else {
                    replace(&mut text)?;
                }
                tail
            }
        };
    }
    match (shift, cut_off) {
        (Some(shift), CutOff::Dropped) => text.truncate(shift.start),
        (Some(shift), CutOff::Bad)
            if shift.high.is_some() || shift.bits >= 6 || shift.buffer != 0 =>
        {
            replace(&mut text)?;
        }
        (Some(_) | None, CutOff::Bad | CutOff::Dropped) => {}
    }
    Ok(text)
}

impl Shift {
    /// Takes six bits more. Says no if a surrogate that came before turns out to stand alone.
    fn push(&mut self, six: u32, text: &mut String) -> bool {
        self.buffer = self.buffer << 6 | six;
        self.bits += 6;
        if self.bits < 16 {
            return true;
        }
        self.bits -= 16;
        let unit = self.buffer >> self.bits;
        self.buffer &= (1 << self.bits) - 1;
        let Ok(unit) = u16::try_from(unit) else {
            return false;
        };
        let before = self.high.take();
        if let Some(high) = before
            && let Some(Ok(char)) = char::decode_utf16([high, unit]).next()
        {
            text.push(char);
            return true;
        }
        match (char::from_u32(u32::from(unit)), unit) {
            (Some(char), _) => text.push(char),
            (None, 0xD800..=0xDBFF) => self.high = Some(unit),
            (None, _) => return false,
        }
        before.is_none()
    }
}

/// Whether the byte stands for itself outside a shift.
const fn is_direct(byte: u8) -> bool {
    byte.is_ascii() && byte != b'+'
}

/// The value of a digit of base 64.
fn digit(byte: u8) -> Option<u32> {
    Some(u32::from(match byte {
        b'A'..=b'Z' => byte - b'A',
        b'a'..=b'z' => byte - b'a' + 26,
        b'0'..=b'9' => byte - b'0' + 52,
        b'+' => 62,
        b'/' => 63,
        _ => return None,
    }))
}
