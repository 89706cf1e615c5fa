//! Uploaded files, of which a login wants none: whether Django would take one, and whether its name can be seen, since
//! that decides which error the field gets.

use zeroize::Zeroizing;

use super::super::error::BodyError;
use super::super::fields::FileName;
use super::super::python;
use super::stream::Part;
use crate::http::base64;

/// What Django's `sanitize_file_name` leaves of a name, if anything.
pub(super) fn named(name: &str) -> Option<FileName> {
    let name = unescaped(name);
    let name = name.rsplit(['/', '\\']).next().unwrap_or_default();
    let name: String = name
        .chars()
        .filter(|char| python::is_printable(*char))
        .collect();
    match name.as_str() {
        "" | "." | ".." => None,
        name if python::strip(name).is_empty() => Some(FileName::Blank),
        _ => Some(FileName::Visible),
    }
}

/// Named references of HTML (`html.entities.html5`) to what cannot be seen. All others stand for something visible.
const UNSEEN: [&str; 35] = [
    "ApplyFunction;",
    "InvisibleComma;",
    "InvisibleTimes;",
    "MediumSpace;",
    "NegativeMediumSpace;",
    "NegativeThickSpace;",
    "NegativeThinSpace;",
    "NegativeVeryThinSpace;",
    "NewLine;",
    "NoBreak;",
    "NonBreakingSpace;",
    "Tab;",
    "ThickSpace;",
    "ThinSpace;",
    "VeryThinSpace;",
    "ZeroWidthSpace;",
    "af;",
    "emsp13;",
    "emsp14;",
    "emsp;",
    "ensp;",
    "hairsp;",
    "ic;",
    "it;",
    "lrm;",
    "nbsp",
    "nbsp;",
    "numsp;",
    "puncsp;",
    "rlm;",
    "shy",
    "shy;",
    "thinsp;",
    "zwj;",
    "zwnj;",
];

/// `html.unescape`, as far as it changes what [`named`] minds: other references stay, and are as visible as what they
/// stand for.
fn unescaped(name: &str) -> String {
    let mut text = String::with_capacity(name.len());
    let mut rest = name;
    while let Some((before, after)) = rest.split_once('&') {
        text.push_str(before);
        let (char, length) = reference(after).unwrap_or((Some('&'), 0));
        text.extend(char);
        rest = after.get(length..).unwrap_or_default();
    }
    text + rest
}

/// What the reference at the beginning of `text` stands for, if it can be seen, and its length.
fn reference(text: &str) -> Option<(Option<char>, usize)> {
    if let Some(number) = text.strip_prefix('#') {
        let (digits, radix) = number
            .strip_prefix(['x', 'X'])
            .map_or((number, 10), |digits| (digits, 16));
        let length = digits
            .find(|c: char| !c.is_digit(radix))
            .unwrap_or(digits.len());
        let number = digits.get(..length).filter(|digits| !digits.is_empty())?;
        let end = text.len() - digits.len() + length;
        let end = end + usize::from(text.get(end..).is_some_and(|rest| rest.starts_with(';')));
        return Some((
            numbered(u32::from_str_radix(number, radix).unwrap_or(u32::MAX)),
            end,
        ));
    }
    let separators = [("sol;", '/'), ("bsol;", '\\'), ("period;", '.')];
    let unseen = UNSEEN.iter().map(|name| (*name, None)).rev();
    let mut all = separators
        .into_iter()
        .map(|(name, char)| (name, Some(char)))
        .chain(unseen);
    all.find(|(name, _)| text.starts_with(name))
        .map(|(name, char)| (char, name.len()))
}

/// The character of that number; where browsers read something else (windows-1252, U+FFFD), that is visible.
fn numbered(number: u32) -> Option<char> {
    match number {
        0x81 | 0x8D | 0x8F | 0x90 | 0x9D => None,
        0 | 0x80..=0x9F => Some(char::REPLACEMENT_CHARACTER),
        _ => Some(char::from_u32(number).unwrap_or(char::REPLACEMENT_CHARACTER)),
    }
}

/// Reads the part to its end as base64 in Django's way, piece by piece in groups of four.
pub(super) fn check_base64(part: &mut Part<'_, '_>) -> Result<(), BodyError> {
    let broken = || BodyError::Multipart("Could not decode base64 data.".to_owned());
    let mut left = Zeroizing::new(Vec::new());
    while let Some(piece) = part.next_piece()? {
        left.extend(
            piece
                .iter()
                .copied()
                .filter(|byte| !python::is_space_byte(*byte)),
        );
        let whole = left.len() / 4 * 4;
        let groups: Zeroizing<Vec<u8>> = Zeroizing::new(left.drain(..whole).collect());
        base64::decode(&groups).ok_or_else(broken)?;
    }
    if left.is_empty() {
        Ok(())
    } else {
        Err(broken())
    }
}
