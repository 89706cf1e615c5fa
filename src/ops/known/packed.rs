//! An entry of the memory in one piece of bytes: a million of them must fit where as many structs of strings would take
//! twice the room.
//!
//! Stamp and end as 8 bytes each, then the id behind its kind, when the token was made, its own end if it has one, the
//! switch, and the texts, each behind its length. Before them, in the same piece of memory, stands what was noted of the
//! last uses: a look at it costs no more than the look at the stamp.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use compact_str::CompactString;
use triomphe::ThinArc;
use uuid::Uuid;

use crate::db::lookup::Holder;
use crate::domain::moment::Moment;
use crate::domain::principal::Account;
use crate::domain::user::UserId;

/// An entry.
#[derive(Clone)]
pub(super) struct Packed(ThinArc<AtomicU64, u8>);

/// What an entry says of a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::ops) struct Entry {
    pub(in crate::ops) account: Account,
    pub(in crate::ops) created: Moment,
    pub(in crate::ops) expiry: Option<Moment>,
}

/// What decides whether an entry counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Header {
    /// The number of changes when it was asked for.
    pub(super) stamp: u64,
    /// Whose key it is.
    pub(super) user: UserId,
    /// From when on it no longer counts: a token of the user's has expired, and its row wants to be deleted.
    pub(super) until: Option<Moment>,
}

impl Packed {
    pub(super) fn of(stamp: u64, holder: &Holder) -> Self {
        let account = &holder.account;
        let mut bytes = Vec::with_capacity(128);
        bytes.extend(stamp.to_le_bytes());
        match account.id {
            UserId::Int4(id) => {
                bytes.push(0);
                bytes.extend(id.to_le_bytes());
            }
            UserId::Int8(id) => {
                bytes.push(1);
                bytes.extend(id.to_le_bytes());
            }
            UserId::Uuid(id) => {
                bytes.push(2);
                bytes.extend(id.as_bytes());
            }
        }
        put_moment(
            &mut bytes,
            [holder.expiry, holder.other_expiry]
                .into_iter()
                .flatten()
                .min(),
        );
        put_moment(&mut bytes, holder.expiry);
        put_moment(&mut bytes, Some(holder.created));
        bytes.push(u8::from(account.is_active));
        let texts = [&account.username, &account.email, &account.full_name];
        for text in texts
            .map(CompactString::as_str)
            .into_iter()
            .chain(account.groups.iter().map(String::as_str))
        {
            put_text(&mut bytes, text);
        }
        Self(ThinArc::from_header_and_slice(AtomicU64::new(0), &bytes))
    }

    pub(super) fn header(&self) -> Option<Header> {
        Reader(&self.0.slice).header()
    }

    /// Whether this use is the first in its minute from an address with the bits of this one; notes it. However many
    /// addresses use a key by turns, each costs a note but once a minute.
    pub(super) fn is_new_use(&self, minute: u64, from: u32) -> bool {
        let uses = &self.0.header.header;
        let bits = bits_of(minute, from);
        let with = |before: u64| {
            let is_same = before >> PLACES == minute & (u64::MAX >> PLACES);
            let before = if is_same { before } else { minute << PLACES };
            (before | bits != before).then_some(before | bits)
        };
        // Most are none, and a look is all that they cost.
        with(uses.load(Relaxed)).is_some() && uses.fetch_update(Relaxed, Relaxed, with).is_ok()
    }

    /// The entry as it was; `None` for bytes that [`Packed::of`] did not write.
    pub(super) fn unpack(&self) -> Option<Entry> {
        let mut reader = Reader(&self.0.slice);
        let header = reader.header()?;
        let expiry = reader.moment()?;
        let created = reader.moment()??;
        let is_active = reader.byte()? == 1;
        let (username, email, full_name) = (
            reader.text()?.into(),
            reader.text()?.into(),
            reader.text()?.into(),
        );
        let mut groups = Vec::new();
        while !reader.0.is_empty() {
            groups.push(reader.text()?.to_owned());
        }
        Some(Entry {
            account: Account {
                id: header.user,
                username,
                email,
                full_name,
                is_active,
                groups,
            },
            created,
            expiry,
        })
    }
}

/// Of what is noted of uses so many bits stand for addresses, those above them for the minute; the same number comes again
/// after six weeks.
const PLACES: u32 = 48;

/// The bits of an address in this minute, two as a rule. Of two addresses one in about 600 has both in common with the
/// other and is not noted then, and the next minute it has others.
fn bits_of(minute: u64, from: u32) -> u64 {
    // Multiplied, folded and multiplied (as wyhash and others do), so that each bit of both counts in the upper ones.
    let mixed = (minute << 32 ^ u64::from(from)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let mixed = (mixed ^ mixed >> 32).wrapping_mul(0xd6e8_feb8_6659_fd93);
    let bit = |part: u64| 1 << (((part & 0xffff) * u64::from(PLACES)) >> 16);
    bit(mixed >> 48) | bit(mixed >> 32)
}

/// One byte where there is none, which most have.
fn put_moment(bytes: &mut Vec<u8>, moment: Option<Moment>) {
    match moment {
        None => bytes.push(0),
        Some(moment) => {
            bytes.push(1);
            bytes.extend(moment.unix_micros().to_le_bytes());
        }
    }
}

/// The length in one byte where that does, else 255 and four bytes.
fn put_text(bytes: &mut Vec<u8>, text: &str) {
    // What Postgres holds in a text is shorter than 1 GB.
    let length = u32::try_from(text.len()).unwrap_or(u32::MAX);
    match u8::try_from(length) {
        Ok(short) if short < u8::MAX => bytes.push(short),
        Ok(_) | Err(_) => {
            bytes.push(u8::MAX);
            bytes.extend(length.to_le_bytes());
        }
    }
    bytes.extend(text.as_bytes());
}

struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn header(&mut self) -> Option<Header> {
        let stamp = u64::from_le_bytes(self.array()?);
        let user = match self.byte()? {
            0 => UserId::Int4(i32::from_le_bytes(self.array()?)),
            1 => UserId::Int8(i64::from_le_bytes(self.array()?)),
            2 => UserId::Uuid(Uuid::from_bytes(self.array()?)),
            _ => return None,
        };
        let until = self.moment()?;
        Some(Header { stamp, user, until })
    }

    #[expect(
        clippy::option_option,
        reason = "bytes that end too early, none, and a moment are three things"
    )]
    fn moment(&mut self) -> Option<Option<Moment>> {
        Some(match self.byte()? {
            0 => None,
            _ => Some(Moment::from_unix_micros(i64::from_le_bytes(self.array()?))),
        })
    }

    fn text(&mut self) -> Option<&'a str> {
        let length = match self.byte()? {
            u8::MAX => usize::try_from(u32::from_le_bytes(self.array()?)).ok()?,
            short => usize::from(short),
        };
        let (text, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        std::str::from_utf8(text).ok()
    }

    fn byte(&mut self) -> Option<u8> {
        let [byte] = self.array()?;
        Some(byte)
    }

    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (array, rest) = self.0.split_first_chunk::<N>()?;
        self.0 = rest;
        Some(*array)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_that_use_a_key_by_turns_are_each_new_once_a_minute() {
        let uses = Packed(ThinArc::from_header_and_slice(AtomicU64::new(0), &[]));
        let (mut first, mut second) = (0, 0);
        for minute in 1..=1_000 {
            first += u32::from(uses.is_new_use(minute, 7));
            second += u32::from(uses.is_new_use(minute, 8));
            for _ in 0..3 {
                assert!(!uses.is_new_use(minute, 7) && !uses.is_new_use(minute, 8));
            }
        }
        assert_eq!(first, 1_000);
        assert!((990..=1_000).contains(&second), "{second}");
    }

    #[test]
    fn no_two_addresses_are_taken_for_one_for_long() {
        let alike = |other| (1..=10).all(|minute| bits_of(minute, 7) == bits_of(minute, other));
        assert!(!(8..10_000).any(alike));
        let alike = (8..100_000).filter(|other| bits_of(1, 7) == bits_of(1, *other));
        let many = alike.count();
        assert!((40..400).contains(&many), "{many}");
    }

    #[test]
    fn what_is_unpacked_is_what_was_packed() {
        let moment = Moment::from_unix_micros;
        let ids = [
            UserId::Int4(-1),
            UserId::Int8(i64::MAX),
            UserId::Uuid(Uuid::from_u128(7)),
        ];
        for (id, text) in ids.into_iter().zip(["", "é", &"x".repeat(300)]) {
            for (expiry, groups) in [
                (None, vec![]),
                (Some(moment(5)), vec![text.to_owned(), String::new()]),
            ] {
                let holder = Holder {
                    account: Account {
                        id,
                        username: text.into(),
                        email: "y".repeat(255).into(),
                        full_name: "z".repeat(254).into(),
                        is_active: expiry.is_none(),
                        groups,
                    },
                    created: moment(-3),
                    expiry,
                    other_expiry: Some(moment(9)),
                };
                let packed = Packed::of(17, &holder);
                let entry = Entry {
                    account: holder.account.clone(),
                    created: holder.created,
                    expiry,
                };
                assert_eq!(packed.unpack().as_ref(), Some(&entry));
                let until = expiry.or(holder.other_expiry);
                assert_eq!(
                    packed.header(),
                    Some(Header {
                        stamp: 17,
                        user: id,
                        until
                    })
                );
                let bytes = &packed.0.slice;
                let short = &bytes[..bytes.len() - 1];
                let short = ThinArc::from_header_and_slice(AtomicU64::new(0), short);
                assert_ne!(
                    Packed(short).unpack(),
                    Some(entry),
                    "cut bytes are no entry"
                );
            }
        }
    }
}
