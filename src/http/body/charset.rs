//! The `charset` parameter of a body, honoured as Django honours it: by Python's codecs. The other modules of
//! [`super`] call it. `encoding_rs` alone will not do: it follows browsers, for which `iso-8859-1` is windows-1252.
//!
//! Two tables written by Python (`tests/golden/charsets.py`) hold the names and the single-byte pages. East Asian
//! charsets are decoded by `encoding_rs`, whose tables agree with Python's for what people type. Codecs that Python
//! has and nobody sends (punycode, `unicode_escape`, Korean ISO 2022, …) are refused like those that are not for text.

mod utf7;
mod wide;

use std::collections::{HashMap, HashSet};
use std::sync::LazyLock;

use encoding_rs as east_asian;
use encoding_rs::DecoderResult;
use zeroize::Zeroizing;

use wide::{Order, Width};

/// What a name in a `charset` parameter stands for.
pub(super) enum Named {
    /// No codec of Python has this name: Django goes on as if there were no parameter.
    Unknown,
    /// A codec that is not for text, or one that we do not have: REST framework answers 400.
    Refused,
    /// One that we decode.
    Known(Charset),
}

/// A charset that bodies can be decoded from.
pub(super) enum Charset {
    Utf8,
    /// UTF-8 whose byte order mark, if there is one, is dropped.
    Utf8Sig,
    Utf7,
    Ascii,
    Latin1,
    /// UTF-16 and UTF-32. No order in the name: a byte order mark tells it.
    Wide(Width, Option<Order>),
    /// One byte each; these are the characters, as far as there are any.
    Page(Box<[Option<char>]>),
    EastAsian(&'static east_asian::Encoding),
}

/// Bytes that are not of the charset, with what Python says of them; only the text of a JSON parse error shows it.
pub(super) struct Undecodable {
    pub(super) reason: String,
}

impl Undecodable {
    fn because(reason: &str) -> Self {
        Self {
            reason: reason.to_owned(),
        }
    }

    fn byte(codec: &str, byte: u8, at: usize, reason: &str) -> Self {
        Self {
            reason: format!(
                "'{codec}' codec can't decode byte 0x{byte:02x} in position {at}: {reason}"
            ),
        }
    }
}

/// What becomes of bytes that are not of the charset.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Bad {
    /// The text is refused.
    Refused,
    /// They become U+FFFD.
    Replaced,
}

/// What becomes of a character that the end of the bytes cuts off.
#[derive(Clone, Copy, PartialEq, Eq)]
enum CutOff {
    /// It is bad, like other bytes that are not of the charset.
    Bad,
    /// It is dropped: a stream waits for more bytes, and none come.
    Dropped,
}

const PAGES: &str = include_str!("charset/pages.txt");

/// Python's names for its codecs: the modules that hold them, and other names with the module of each.
struct Names {
    modules: HashSet<&'static str>,
    aliases: HashMap<&'static str, &'static str>,
}

/// Read once: the parameters of one multipart body can name thousands of charsets.
static NAMES: LazyLock<Names> = LazyLock::new(|| {
    let lines = || {
        include_str!("charset/names.txt")
            .lines()
            .map(|line| line.split(' '))
    };
    let modules = lines().filter_map(|mut words| words.next()).collect();
    let aliases = lines().flat_map(|mut words| {
        let module = words.next().unwrap_or_default();
        words.map(move |alias| (alias, module))
    });
    Names {
        modules,
        aliases: aliases.collect(),
    }
});

impl Charset {
    /// Finds a charset by its name, as `codecs.lookup` does.
    pub(super) fn named(name: &str) -> Named {
        let name = normalised(name);
        if matches!(name.as_str(), "utf_8" | "utf8") {
            return Named::Known(Self::Utf8);
        }
        let Names { aliases, modules } = &*NAMES;
        // Aliases come first; dots become underscores for them, but not for the modules that Python then looks for.
        let alias = aliases
            .get(name.as_str())
            .or_else(|| aliases.get(name.replace('.', "_").as_str()));
        match alias.or_else(|| modules.get(name.as_str())) {
            None => Named::Unknown,
            Some(module) => Self::of_module(module).map_or(Named::Refused, Named::Known),
        }
    }

    fn of_module(module: &str) -> Option<Self> {
        Some(match module {
            "utf_8" => Self::Utf8,
            "utf_8_sig" => Self::Utf8Sig,
            "utf_7" => Self::Utf7,
            "ascii" => Self::Ascii,
            "latin_1" => Self::Latin1,
            "utf_16" => Self::Wide(Width::Two, None),
            "utf_16_le" => Self::Wide(Width::Two, Some(Order::Little)),
            "utf_16_be" => Self::Wide(Width::Two, Some(Order::Big)),
            "utf_32" => Self::Wide(Width::Four, None),
            "utf_32_le" => Self::Wide(Width::Four, Some(Order::Little)),
            "utf_32_be" => Self::Wide(Width::Four, Some(Order::Big)),
            "shift_jis" | "cp932" => Self::EastAsian(east_asian::SHIFT_JIS),
            "euc_jp" => Self::EastAsian(east_asian::EUC_JP),
            "iso2022_jp" => Self::EastAsian(east_asian::ISO_2022_JP),
            "gb2312" | "gbk" => Self::EastAsian(east_asian::GBK),
            "gb18030" => Self::EastAsian(east_asian::GB18030),
            "big5" | "cp950" => Self::EastAsian(east_asian::BIG5),
            "euc_kr" | "cp949" => Self::EastAsian(east_asian::EUC_KR),
            page => return characters(page).map(Self::Page),
        })
    }

    /// Decodes as `codecs.getreader(charset)(stream).read()` does, which REST framework's JSON parser uses: a character
    /// cut off by the end is dropped, and UTF-16 and UTF-32 need their byte order mark.
    pub(super) fn stream(&self, bytes: &[u8]) -> Result<Zeroizing<String>, Undecodable> {
        if let Self::Wide(width, None) = self
            && width.is_unmarked(bytes)
        {
            return Err(Undecodable::because("stream does not start with BOM"));
        }
        self.decode(bytes, Bad::Refused, CutOff::Dropped)
    }

    /// Decodes as `bytes.decode(charset)` does.
    pub(super) fn strict(&self, bytes: &[u8]) -> Result<Zeroizing<String>, Undecodable> {
        self.decode(bytes, Bad::Refused, CutOff::Bad)
    }

    /// Decodes as `bytes.decode(charset, "replace")` does.
    pub(super) fn lossy(&self, bytes: &[u8]) -> Zeroizing<String> {
        // Nothing is refused here, so the default is never needed.
        self.decode(bytes, Bad::Replaced, CutOff::Bad)
            .unwrap_or_default()
    }

    fn decode(
        &self,
        bytes: &[u8],
        bad: Bad,
        cut_off: CutOff,
    ) -> Result<Zeroizing<String>, Undecodable> {
        match self {
            Self::Utf8 => utf8(bytes, bad, cut_off),
            Self::Utf8Sig => utf8(
                bytes.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(bytes),
                bad,
                cut_off,
            ),
            Self::Ascii => each_byte(bytes, bad, ["ascii", "ordinal not in range(128)"], |byte| {
                byte.is_ascii().then_some(char::from(byte))
            }),
            Self::Latin1 => Ok(Zeroizing::new(latin1(bytes))),
            Self::Page(page) => each_byte(
                bytes,
                bad,
                ["charmap", "character maps to <undefined>"],
                |byte| page.get(usize::from(byte)).copied().flatten(),
            ),
            Self::Utf7 => utf7::decode(bytes, bad, cut_off),
            Self::Wide(width, order) => wide::decode(bytes, *width, *order, bad, cut_off),
            Self::EastAsian(encoding) => multi_byte(encoding, bytes, bad, cut_off),
        }
    }
}

/// Every character as the byte of its number: how Django sees the bytes of a header (PEP 3333).
pub(super) fn latin1(bytes: &[u8]) -> String {
    bytes.iter().copied().map(char::from).collect()
}

/// Lower case, and whatever is neither letter, digit nor dot is one underscore, none at the ends (`normalize_encoding`
/// in Python's `encodings`).
fn normalised(name: &str) -> String {
    let mut words: Vec<String> = Vec::new();
    for word in name
        .split(|c: char| !c.is_ascii_alphanumeric() && c != '.')
        .filter(|word| !word.is_empty())
    {
        words.push(word.to_ascii_lowercase());
    }
    words.join("_")
}

/// The 256 characters of a single-byte page. The table leaves out the lower half where it is ASCII.
fn characters(module: &str) -> Option<Box<[Option<char>]>> {
    let digits = PAGES
        .lines()
        .find_map(|line| line.strip_prefix(module)?.strip_prefix(' '))?
        .as_bytes();
    let ascii = if digits.len() == 4 * 128 {
        0..128
    } else {
        0..0
    };
    let code_points = digits.chunks(4).map(|four| std::str::from_utf8(four).ok());
    let characters =
        code_points.map(|four| u32::from_str_radix(four?, 16).ok().and_then(char::from_u32));
    Some(
        ascii
            .map(|byte: u8| Some(char::from(byte)))
            .chain(characters)
            .collect(),
    )
}

/// Decodes byte by byte; for a byte that is no character, Python names the codec and the reason.
fn each_byte(
    bytes: &[u8],
    bad: Bad,
    [codec, reason]: [&str; 2],
    char_of: impl Fn(u8) -> Option<char>,
) -> Result<Zeroizing<String>, Undecodable> {
    // Room for all that can come, so that no copy of a password is left behind by a string that grows.
    let mut text = Zeroizing::new(String::with_capacity(bytes.len().saturating_mul(3)));
    for (at, &byte) in bytes.iter().enumerate() {
        match (char_of(byte), bad) {
            (Some(char), Bad::Refused | Bad::Replaced) => text.push(char),
            (None, Bad::Replaced) => text.push(char::REPLACEMENT_CHARACTER),
            (None, Bad::Refused) => return Err(Undecodable::byte(codec, byte, at, reason)),
        }
    }
    Ok(text)
}

fn utf8(bytes: &[u8], bad: Bad, cut_off: CutOff) -> Result<Zeroizing<String>, Undecodable> {
    let error = match std::str::from_utf8(bytes) {
        Ok(text) => return Ok(Zeroizing::new(text.to_owned())),
        Err(error) => error,
    };
    let at = error.valid_up_to();
    match (bad, cut_off, error.error_len()) {
        (Bad::Replaced, CutOff::Bad | CutOff::Dropped, _) => {
            Ok(Zeroizing::new(String::from_utf8_lossy(bytes).into_owned()))
        }
        (Bad::Refused, CutOff::Dropped, None) => {
            let whole = bytes.get(..at).unwrap_or_default();
            Ok(Zeroizing::new(String::from_utf8_lossy(whole).into_owned()))
        }
        (Bad::Refused, CutOff::Bad | CutOff::Dropped, None | Some(1)) => {
            let byte = bytes.get(at).copied().unwrap_or_default();
            let reason = if matches!(byte, 0xC2..=0xF4) {
                "invalid continuation byte"
            } else {
                "invalid start byte"
            };
            Err(Undecodable::byte("utf-8", byte, at, reason))
        }
        (Bad::Refused, CutOff::Bad | CutOff::Dropped, Some(length)) => {
            let last = at + length - 1;
            let reason = format!(
                "'utf-8' codec can't decode bytes in position {at}-{last}: invalid continuation byte"
            );
            Err(Undecodable { reason })
        }
    }
}

fn multi_byte(
    encoding: &'static east_asian::Encoding,
    bytes: &[u8],
    bad: Bad,
    cut_off: CutOff,
) -> Result<Zeroizing<String>, Undecodable> {
    let mut decoder = encoding.new_decoder_without_bom_handling();
    let room = decoder
        .max_utf8_buffer_length(bytes.len())
        .unwrap_or_default();
    let mut text = Zeroizing::new(String::with_capacity(room));
    match bad {
        Bad::Replaced => {
            let _ = decoder.decode_to_string(bytes, &mut text, true);
        }
        Bad::Refused => {
            let last = cut_off == CutOff::Bad;
            match decoder
                .decode_to_string_without_replacement(bytes, &mut text, last)
                .0
            {
                DecoderResult::InputEmpty => {}
                DecoderResult::OutputFull | DecoderResult::Malformed(..) => {
                    return Err(Undecodable::because(
                        "codec can't decode: illegal multibyte sequence",
                    ));
                }
            }
        }
    }
    Ok(text)
}
