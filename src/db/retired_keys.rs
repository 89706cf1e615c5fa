//! Every query on `tokenward.retired_key`, which triggers on the token tables fill: a key is asked for by its salted
//! digest. Where our schema is absent no key is known to be retired.

use std::collections::HashMap;
use std::time::Duration;

use diesel::prelude::*;
use diesel::sql_types::{BigInt, Bool, Nullable, Timestamptz};
use diesel_async::RunQueryDsl;

use super::rows::Instant;
use super::schema::{installation, retired_key};
use super::{Conn, Error};
use crate::domain::moment::Moment;
use crate::domain::retired::{KeyDigest, Kind, Retired, Salt, Told};
use crate::domain::token::{CoveredKey, DrfKey, Fingerprint, KeyStart, KnoxKey};
use crate::domain::user::UserId;

/// Whether there is a memory of retired keys that this role may read. Asked of the catalogue: a question to a table that
/// is not there would end the transaction that it is in.
const IS_THERE: &str = "EXISTS (SELECT FROM pg_catalog.pg_class c \
    JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
    WHERE n.nspname = 'tokenward' AND c.relname = 'retired_key' \
      AND has_schema_privilege(n.oid, 'USAGE') AND has_table_privilege(c.oid, 'SELECT'))";

/// What this installation's digests begin with; `None` where our schema is absent.
///
/// # Errors
/// When the database refuses or is away.
pub async fn find_salt(conn: &mut Conn) -> Result<Option<Salt>, Error> {
    let is_there: bool = diesel::select(diesel::dsl::sql::<Bool>(IS_THERE))
        .get_result(conn)
        .await?;
    if !is_there {
        return Ok(None);
    }
    let salt: Option<Vec<u8>> = installation::table
        .select(installation::salt)
        .get_result(conn)
        .await
        .optional()?;
    Ok(salt.map(Salt::new))
}

/// When a grace of so long, that begins now, would end by the database's clock; `None` where retired keys are not
/// remembered, or nothing would end their grace.
///
/// # Errors
/// When the database refuses or is away.
pub async fn find_grace_end(conn: &mut Conn, grace: Duration) -> Result<Option<Moment>, Error> {
    if find_salt(conn).await?.is_none() {
        return Ok(None);
    }
    // The catalogue and the clock have no word in Diesel's language.
    let seconds = i64::try_from(grace.as_secs()).unwrap_or(i64::MAX);
    let end: Option<Instant> = diesel::select(
        diesel::dsl::sql::<Nullable<Timestamptz>>(
            "CASE WHEN EXISTS (SELECT FROM pg_catalog.pg_proc p JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace \
              WHERE n.nspname = 'tokenward' AND p.proname = 'end_grace_of_user') \
             THEN clock_timestamp() + make_interval(secs => ",
        )
        .bind::<BigInt, _>(seconds)
        .sql(") END"),
    )
    .get_result(conn)
    .await?;
    Ok(end.map(Moment::from))
}

/// Loads the keys of `user` that are in their grace, the one that works for longest first. Not within a transaction: where
/// our schema was dropped or closed meanwhile it finds none, and then goes on.
///
/// # Errors
/// When the database is away.
pub async fn load_graces(conn: &mut Conn, user: UserId) -> Result<Vec<(KeyStart, Moment)>, Error> {
    /// A pane has no room for more.
    const MOST: i64 = 3;
    let rows: Vec<(String, Option<Instant>)> = retired_key::table
        .filter(retired_key::user_id.eq(user.to_string()))
        .filter(retired_key::kind.eq(Kind::Drf.word()))
        // The database's clock decides, as it does for the listener.
        .filter(diesel::dsl::sql::<Bool>("grace_until > clock_timestamp()"))
        .order(retired_key::grace_until.desc())
        .limit(MOST)
        .select((retired_key::start, retired_key::grace_until))
        .load(conn)
        .await
        .map_err(Error::from)
        .or_else(|error| match error {
            Error::Other(_) | Error::Right(_) => {
                tracing::debug!("keys in their grace cannot be read: {error}");
                Ok(Vec::new())
            }
            error => Err(error),
        })?;
    let grace = |(start, until): (String, Option<Instant>)| {
        until.map(|until| (KeyStart::of(&start), until.into()))
    };
    Ok(rows.into_iter().filter_map(grace).collect())
}

type Row = (
    (Vec<u8>, String, String, String, Option<String>),
    (Instant, String, String, Option<i64>),
    (Option<Instant>, Option<String>, Option<Instant>),
);

#[diesel::dsl::auto_type]
fn retired() -> _ {
    retired_key::table.select((
        (
            retired_key::digest,
            retired_key::kind,
            retired_key::start,
            retired_key::user_id,
            retired_key::username,
        ),
        (
            retired_key::retired,
            retired_key::by,
            retired_key::verb,
            retired_key::leak,
        ),
        (
            retired_key::told,
            retired_key::told_by,
            retired_key::grace_until,
        ),
    ))
}

/// Loads which of `keys` were keys once, of either kind, and are none any more. In no order; a key that was none is not
/// among them.
///
/// # Errors
/// When the database refuses or is away.
pub async fn load_retired(conn: &mut Conn, keys: &[DrfKey]) -> Result<Vec<Retired>, Error> {
    if keys.is_empty() {
        return Ok(Vec::new());
    }
    let Some(salt) = find_salt(conn).await? else {
        return Ok(Vec::new());
    };
    let mut asked = HashMap::with_capacity(keys.len() * 2);
    for key in keys {
        let fingerprint = Fingerprint::of(key);
        asked.insert(salt.drf(key), fingerprint);
        let digest = KnoxKey::new(key.clone()).digest();
        asked.insert(salt.knox(&digest), fingerprint);
    }
    let digests: Vec<Vec<u8>> = asked
        .keys()
        .map(|digest| digest.as_bytes().to_vec())
        .collect();
    let rows: Vec<Row> = retired()
        .filter(retired_key::digest.eq_any(digests))
        .load(conn)
        .await?;
    let read = |row: Row| read(row, |digest| asked.get(&digest).copied());
    Ok(rows.into_iter().filter_map(read).collect())
}

/// Loads what began as one of `starts`, the last ones first, at most `limit`. Nothing for less than the whole start of a
/// key: it would fit too many. The keys themselves were not asked about, so that each has its digest for a fingerprint.
///
/// # Errors
/// When the database refuses or is away.
pub async fn load_by_starts(
    conn: &mut Conn,
    starts: &[KeyStart],
    limit: i64,
) -> Result<Vec<Retired>, Error> {
    let starts: Vec<&str> = starts
        .iter()
        .map(KeyStart::as_str)
        .filter(|start| start.chars().count() == CoveredKey::SHOWN)
        .collect();
    if starts.is_empty() || find_salt(conn).await?.is_none() {
        return Ok(Vec::new());
    }
    let rows: Vec<Row> = retired()
        .filter(retired_key::start.eq_any(starts))
        .order(retired_key::retired.desc())
        .limit(limit)
        .load(conn)
        .await?;
    let read = |row: Row| {
        read(row, |digest| {
            Some(Fingerprint::from_bytes(*digest.as_bytes()))
        })
    };
    Ok(rows.into_iter().filter_map(read).collect())
}

fn read(row: Row, fingerprint: impl Fn(KeyDigest) -> Option<Fingerprint>) -> Option<Retired> {
    let (
        (digest, kind, start, user_id, username),
        (retired, by, verb, leak),
        (told, told_by, grace),
    ) = row;
    let digest = KeyDigest::from_bytes(digest.try_into().ok()?);
    Some(Retired {
        fingerprint: fingerprint(digest)?,
        digest,
        kind: Kind::of(&kind)?,
        start: KeyStart::of(&start),
        user_id,
        username,
        retired: retired.into(),
        by,
        verb,
        leak,
        told: told.map(|when| Told {
            when: when.into(),
            by: told_by.unwrap_or_default(),
        }),
        grace_until: grace.map(Moment::from),
    })
}

/// Forgets that `key` is retired, since it is a key again. Where this role may not, the row stays, and whoever asks finds the
/// key alive before it.
///
/// # Errors
/// When the database refuses or is away.
pub async fn forget(conn: &mut Conn, key: &DrfKey) -> Result<(), Error> {
    // As above.
    const MAY: &str = "EXISTS (SELECT FROM pg_catalog.pg_class c \
        JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
        WHERE n.nspname = 'tokenward' AND c.relname = 'retired_key' \
          AND has_schema_privilege(n.oid, 'USAGE') AND has_table_privilege(c.oid, 'DELETE'))";
    let may: bool = diesel::select(diesel::dsl::sql::<Bool>(MAY))
        .get_result(conn)
        .await?;
    let salt = if may { find_salt(conn).await? } else { None };
    if let Some(salt) = salt {
        let digest = salt.drf(key).as_bytes().to_vec();
        diesel::delete(retired_key::table.filter(retired_key::digest.eq(digest)))
            .execute(conn)
            .await?;
    }
    Ok(())
}

/// Notes that somebody was told of these keys, and gives how many of them are known here.
///
/// # Errors
/// When the database refuses or is away.
pub async fn note_told(
    conn: &mut Conn,
    digests: &[KeyDigest],
    told: &Told,
) -> Result<usize, Error> {
    let digests: Vec<Vec<u8>> = digests
        .iter()
        .map(|digest| digest.as_bytes().to_vec())
        .collect();
    let noted = diesel::update(retired_key::table.filter(retired_key::digest.eq_any(digests)))
        .set((
            retired_key::told.eq(Some(Instant(told.when))),
            retired_key::told_by.eq(Some(&told.by)),
        ))
        .execute(conn)
        .await?;
    Ok(noted)
}
