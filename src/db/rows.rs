//! What crosses the wire: the values that Diesel reads and binds, and their turn into domain types. They are
//! wrappers because the domain does not know Diesel.

use diesel::deserialize::{self, FromSql, FromSqlRow};
use diesel::expression::AsExpression;
use diesel::pg::{Pg, PgValue};
use diesel::serialize::{self, IsNull, Output, ToSql};
use diesel::sql_types::Timestamptz;
use std::io::Write;
use uuid::Uuid;

use super::schema::{UserKey, UserKeys};
use crate::domain::last_use::LastUse;
use crate::domain::moment::Moment;
use crate::domain::token::{CoveredKey, Fingerprint};
use crate::domain::user::{TokenInfo, User, UserId, UserRow};

/// Postgres' own numbers for the types a primary key can have (`pg_type.dat`).
mod oid {
    pub const INT8: u32 = 20;
    pub const INT4: u32 = 23;
    pub const UUID: u32 = 2950;
}

/// A user's id on the wire.
#[derive(Clone, Copy, Debug, AsExpression, FromSqlRow)]
#[diesel(sql_type = UserKey)]
pub struct Id(pub UserId);

impl FromSql<UserKey, Pg> for Id {
    fn from_sql(value: PgValue<'_>) -> deserialize::Result<Self> {
        let bytes = value.as_bytes();
        let id = match value.get_oid().get() {
            oid::INT4 => UserId::Int4(i32::from_be_bytes(bytes.try_into()?)),
            oid::INT8 => UserId::Int8(i64::from_be_bytes(bytes.try_into()?)),
            oid::UUID => UserId::Uuid(Uuid::from_bytes(bytes.try_into()?)),
            other => {
                return Err(
                    format!("a primary key of type number {other} is not supported").into(),
                );
            }
        };
        Ok(Self(id))
    }
}

impl ToSql<UserKey, Pg> for Id {
    fn to_sql<'b>(&'b self, out: &mut Output<'b, '_, Pg>) -> serialize::Result {
        match self.0 {
            UserId::Int4(id) => out.write_all(&id.to_be_bytes())?,
            UserId::Int8(id) => out.write_all(&id.to_be_bytes())?,
            UserId::Uuid(id) => out.write_all(id.as_bytes())?,
        }
        Ok(IsNull::No)
    }
}

/// Ids on the wire, as an array of whatever type they are of. Diesel's own arrays take the number of the element's
/// type from its SQL type, and [`UserKey`] has none.
#[derive(Clone, Debug, AsExpression)]
#[diesel(sql_type = UserKeys)]
pub struct Ids(pub Vec<UserId>);

impl ToSql<UserKeys, Pg> for Ids {
    fn to_sql<'b>(&'b self, out: &mut Output<'b, '_, Pg>) -> serialize::Result {
        let element = match self.0.first() {
            Some(UserId::Int8(_)) => oid::INT8,
            Some(UserId::Uuid(_)) => oid::UUID,
            Some(UserId::Int4(_)) | None => oid::INT4,
        };
        // array_recv in Postgres' arrayfuncs.c: dimensions, whether there are NULLs, the element's type, then the
        // length and the lower bound of the one dimension.
        for word in [1, 0, element, u32::try_from(self.0.len())?, 1] {
            out.write_all(&word.to_be_bytes())?;
        }
        for id in &self.0 {
            match id {
                UserId::Int4(id) => write_element(out, &id.to_be_bytes())?,
                UserId::Int8(id) => write_element(out, &id.to_be_bytes())?,
                UserId::Uuid(id) => write_element(out, id.as_bytes())?,
            }
        }
        Ok(IsNull::No)
    }
}

fn write_element(out: &mut Output<'_, '_, Pg>, bytes: &[u8]) -> std::io::Result<()> {
    let length = u32::try_from(bytes.len()).map_err(std::io::Error::other)?;
    out.write_all(&length.to_be_bytes())?;
    out.write_all(bytes)
}

/// An instant on the wire: microseconds since 2000, 64 bits, big-endian; the least and the greatest number are
/// `-infinity` and `infinity`.
#[derive(Clone, Copy, Debug, AsExpression, FromSqlRow)]
#[diesel(sql_type = Timestamptz)]
pub struct Instant(pub Moment);

/// Microseconds from 1970 to 2000, where Postgres begins to count.
const EPOCH_2000: i64 = 946_684_800_000_000;

impl FromSql<Timestamptz, Pg> for Instant {
    fn from_sql(value: PgValue<'_>) -> deserialize::Result<Self> {
        let micros = i64::from_be_bytes(value.as_bytes().try_into()?);
        Ok(Self(moment(micros)))
    }
}

/// From the number on the wire.
pub(super) const fn moment(micros: i64) -> Moment {
    Moment::from_unix_micros(match micros {
        i64::MIN => i64::MIN,
        micros => micros.saturating_add(EPOCH_2000),
    })
}

impl ToSql<Timestamptz, Pg> for Instant {
    fn to_sql<'b>(&'b self, out: &mut Output<'b, '_, Pg>) -> serialize::Result {
        let micros = match self.0.unix_micros() {
            i64::MAX => i64::MAX,
            micros => micros.saturating_sub(EPOCH_2000),
        };
        out.write_all(&micros.to_be_bytes())?;
        Ok(IsNull::No)
    }
}

impl From<Instant> for Moment {
    fn from(instant: Instant) -> Self {
        instant.0
    }
}

/// A user as the queries of [`super::users`] select him.
#[derive(Debug, diesel::Queryable)]
pub struct UserColumns {
    id: Id,
    username: String,
    email: String,
    first_name: String,
    last_name: String,
    is_active: bool,
    is_staff: bool,
    is_superuser: bool,
    last_login: Option<Instant>,
    date_joined: Option<Instant>,
}

/// A token without its key: first characters, SHA-256, and when it was made.
#[derive(Debug, diesel::Queryable)]
pub struct TokenColumns {
    prefix: String,
    sha256: Vec<u8>,
    created: Instant,
}

impl From<UserColumns> for User {
    fn from(row: UserColumns) -> Self {
        let full_name = [row.first_name, row.last_name].join(" ").trim().to_owned();
        Self {
            id: row.id.0,
            username: row.username,
            email: row.email,
            full_name,
            is_active: row.is_active,
            is_staff: row.is_staff,
            is_superuser: row.is_superuser,
            last_login: row.last_login.map(Moment::from),
            date_joined: row.date_joined.map(Moment::from),
        }
    }
}

impl From<TokenColumns> for TokenInfo {
    fn from(row: TokenColumns) -> Self {
        // sha256() always gives 32 bytes; anything else compares equal to no key, which is the safe reading.
        let digest = row.sha256.try_into().unwrap_or([0; 32]);
        Self {
            key: CoveredKey::new(&row.prefix, Fingerprint::from_bytes(digest)),
            created: row.created.into(),
            last_use: LastUse::Unknown,
            unused_since: None,
        }
    }
}

/// A row of the users list as selected.
pub type UserWithToken = (UserColumns, Option<TokenColumns>);

/// Turns a selected row into the domain's.
#[must_use]
pub fn user_row((user, token): UserWithToken) -> UserRow {
    UserRow {
        user: user.into(),
        token: token.map(TokenInfo::from),
    }
}
