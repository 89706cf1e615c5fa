//! UTF-16 and UTF-32 as Python's decoders read them, for [`super::Charset`]: which bytes are bad, and how many of them
//! make one U+FFFD.

use zeroize::Zeroizing;

use super::{Bad, CutOff, Undecodable};

/// The bytes of one unit.
#[derive(Clone, Copy)]
pub(in super::super) enum Width {
    /// UTF-16.
    Two,
    /// UTF-32.
    Four,
}

/// Which byte of a unit comes first.
#[derive(Clone, Copy)]
pub(in super::super) enum Order {
    Little,
    Big,
}

impl Width {
    const fn bytes(self) -> usize {
        match self {
            Self::Two => 2,
            Self::Four => 4,
        }
    }

    /// The order that a byte order mark at the beginning tells.
    fn mark(self, bytes: &[u8]) -> Option<Order> {
        const MARK: u32 = 0xFEFF;
        let unit = bytes.get(..self.bytes())?;
        [Order::Little, Order::Big]
            .into_iter()
            .find(|order| order.unit(unit) == MARK)
    }

    /// Whether there is a first unit and it is no byte order mark.
    pub(super) fn is_unmarked(self, bytes: &[u8]) -> bool {
        bytes.len() >= self.bytes() && self.mark(bytes).is_none()
    }
}

impl Order {
    fn unit(self, bytes: &[u8]) -> u32 {
        let join = |unit: u32, byte: &u8| unit << 8 | u32::from(*byte);
        match self {
            Self::Little => bytes.iter().rev().fold(0, join),
            Self::Big => bytes.iter().fold(0, join),
        }
    }
}

/// What stands at the beginning of some bytes.
enum First {
    /// A character, and the bytes it takes.
    Char(char, usize),
    /// So many bytes that are none.
    Bad(usize),
    /// All the bytes that are left are too few.
    CutOff,
}

/// Decodes `bytes`. Without an `order` a byte order mark tells it and is dropped; without a mark it is little-endian.
pub(super) fn decode(
    bytes: &[u8],
    width: Width,
    order: Option<Order>,
    bad: Bad,
    cut_off: CutOff,
) -> Result<Zeroizing<String>, Undecodable> {
    let (order, mut rest) = match (order, width.mark(bytes)) {
        (Some(order), _) => (order, bytes),
        (None, Some(order)) => (order, bytes.get(width.bytes()..).unwrap_or_default()),
        (None, None) => (Order::Little, bytes),
    };
    let mut text = Zeroizing::new(String::with_capacity(bytes.len().saturating_mul(2)));
    while !rest.is_empty() {
        let (char, taken) = match (first(rest, width, order), bad, cut_off) {
            (First::Char(char, taken), ..) => (char, taken),
            (First::CutOff, _, CutOff::Dropped) => break,
            (First::Bad(taken), Bad::Replaced, _) => (char::REPLACEMENT_CHARACTER, taken),
            (First::CutOff, Bad::Replaced, CutOff::Bad) => {
                (char::REPLACEMENT_CHARACTER, rest.len())
            }
            (First::Bad(_), Bad::Refused, _) | (First::CutOff, Bad::Refused, CutOff::Bad) => {
                return Err(Undecodable::because(
                    "codec can't decode: illegal or truncated data",
                ));
            }
        };
        text.push(char);
        rest = rest.get(taken..).unwrap_or_default();
    }
    Ok(text)
}

fn first(bytes: &[u8], width: Width, order: Order) -> First {
    let size = width.bytes();
    let Some(unit) = bytes.get(..size).map(|unit| order.unit(unit)) else {
        return First::CutOff;
    };
    if let Some(char) = char::from_u32(unit) {
        return First::Char(char, size);
    }
    // What is no character is a surrogate, or in UTF-32 beyond the last.
    match (width, unit) {
        (Width::Two, 0xD800..=0xDBFF) => match bytes.get(2..4).map(|unit| order.unit(unit)) {
            None => First::CutOff,
            Some(low @ 0xDC00..=0xDFFF) => {
                let joined = 0x10000 + ((unit - 0xD800) << 10) + (low - 0xDC00);
                char::from_u32(joined).map_or(First::Bad(2), |char| First::Char(char, 4))
            }
            Some(_) => First::Bad(2),
        },
        (Width::Two | Width::Four, _) => First::Bad(size),
    }
}
