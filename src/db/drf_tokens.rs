//! Every query on `authtoken_token`.

use diesel::prelude::*;
use diesel_async::RunQueryDsl;

use super::rows::{Id, Instant};
use super::schema::{authtoken_token, convert_to, sha256};
use super::{Conn, Error};
use crate::domain::moment::Moment;
use crate::domain::secret::Secret;
use crate::domain::token::{DrfKey, Fingerprint};
use crate::domain::user::UserId;

/// A stored token with its key.
#[derive(Debug)]
pub struct Stored {
    /// The key.
    pub key: DrfKey,
    /// When it was made.
    pub created: Moment,
}

impl From<(String, Instant)> for Stored {
    fn from((key, created): (String, Instant)) -> Self {
        Self {
            key: Secret::new(key),
            created: created.into(),
        }
    }
}

/// Inserts a token for `user` unless he has one; `None` then. Two at the same moment make one: the unique
/// constraint on `user_id` decides.
///
/// # Errors
/// When the database refuses or is away; also when the user is gone.
pub async fn insert_token(
    conn: &mut Conn,
    user: UserId,
    key: &DrfKey,
    now: Moment,
) -> Result<Option<Stored>, Error> {
    let row: Option<(String, Instant)> = diesel::insert_into(authtoken_token::table)
        .values((
            authtoken_token::key.eq(key.expose()),
            authtoken_token::created.eq(Instant(now)),
            authtoken_token::user_id.eq(Id(user)),
        ))
        .on_conflict(authtoken_token::user_id)
        .do_nothing()
        .returning((authtoken_token::key, authtoken_token::created))
        .get_result(conn)
        .await
        .optional()?;
    Ok(row.map(Stored::from))
}

/// Finds the token of `user`, key and all.
///
/// # Errors
/// When the database refuses or is away.
pub async fn find_token(conn: &mut Conn, user: UserId) -> Result<Option<Stored>, Error> {
    let row: Option<(String, Instant)> = authtoken_token::table
        .filter(authtoken_token::user_id.eq(Id(user)))
        .select((authtoken_token::key, authtoken_token::created))
        .get_result(conn)
        .await
        .optional()?;
    Ok(row.map(Stored::from))
}

/// Replaces the key of `user`, only while it is still the one with the fingerprint `seen`: compare-and-swap in
/// one statement. `None` when it is not, or is gone.
///
/// `created` becomes `now`, as when Django's `drf_create_token -r` deletes the row and makes another.
///
/// # Errors
/// When the database refuses or is away.
pub async fn replace_token(
    conn: &mut Conn,
    user: UserId,
    seen: Fingerprint,
    key: &DrfKey,
    now: Moment,
) -> Result<Option<Stored>, Error> {
    let still_seen = authtoken_token::table
        .filter(authtoken_token::user_id.eq(Id(user)))
        .filter(sha256(convert_to(authtoken_token::key, "UTF8")).eq(seen.as_bytes().as_slice()));
    let row: Option<(String, Instant)> = diesel::update(still_seen)
        .set((
            authtoken_token::key.eq(key.expose()),
            authtoken_token::created.eq(Instant(now)),
        ))
        .returning((authtoken_token::key, authtoken_token::created))
        .get_result(conn)
        .await
        .optional()?;
    Ok(row.map(Stored::from))
}

/// Deletes the token of `user`, only while its key is still the one with the fingerprint `seen`. Tells whether
/// it did.
///
/// # Errors
/// When the database refuses or is away.
pub async fn delete_token(conn: &mut Conn, user: UserId, seen: Fingerprint) -> Result<bool, Error> {
    let still_seen = authtoken_token::table
        .filter(authtoken_token::user_id.eq(Id(user)))
        .filter(sha256(convert_to(authtoken_token::key, "UTF8")).eq(seen.as_bytes().as_slice()));
    Ok(diesel::delete(still_seen).execute(conn).await? == 1)
}
