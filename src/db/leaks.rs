//! What handling a leak asks of the database: many keys replaced or deleted in one statement, each only while it is
//! still the one that was seen, the reach of their owners, and what became of a transaction whose answer was lost.

use std::collections::HashMap;

use diesel::dsl::{count_star, sql};
use diesel::prelude::*;
use diesel::sql_types::{Array, BigInt, Binary, Bool, Nullable, Text, Timestamptz};
use diesel_async::RunQueryDsl;

use super::filters::among;
use super::rows::{Id, Ids, Instant};
use super::schema::{UserKey, UserKeys, auth_user_groups, auth_user_user_permissions};
use super::site::Site;
use super::{Conn, Error};
use crate::domain::moment::Moment;
use crate::domain::token::{DrfKey, Fingerprint};
use crate::domain::user::UserId;

/// How many groups a user is in, and how many permissions he has of his own.
pub type Counted = HashMap<UserId, (u64, u64)>;

/// Counts the groups and the own permissions of `users`. A site with another user model keeps them elsewhere: empty
/// there, as for who has none.
///
/// # Errors
/// When the database refuses or is away.
pub async fn count_reach(conn: &mut Conn, site: &Site, users: &[UserId]) -> Result<Counted, Error> {
    let mut counted = Counted::new();
    if !site.has_groups || users.is_empty() {
        return Ok(counted);
    }
    let groups: Vec<(Id, i64)> = auth_user_groups::table
        .filter(among("\"auth_user_groups\".\"user_id\"", users))
        .group_by(auth_user_groups::user_id)
        .select((auth_user_groups::user_id, count_star()))
        .load(conn)
        .await?;
    let permissions: Vec<(Id, i64)> = auth_user_user_permissions::table
        .filter(among("\"auth_user_user_permissions\".\"user_id\"", users))
        .group_by(auth_user_user_permissions::user_id)
        .select((auth_user_user_permissions::user_id, count_star()))
        .load(conn)
        .await?;
    for (id, count) in groups {
        counted.entry(id.0).or_default().0 = count.unsigned_abs();
    }
    for (id, count) in permissions {
        counted.entry(id.0).or_default().1 = count.unsigned_abs();
    }
    Ok(counted)
}

/// A token that is to go: whose it is, and the key that was seen.
#[derive(Clone, Copy, Debug)]
pub struct Seen {
    /// Its owner.
    pub user: UserId,
    /// Of its key.
    pub key: Fingerprint,
}

#[derive(QueryableByName)]
struct Owner {
    #[diesel(sql_type = UserKey)]
    user_id: Id,
}

/// Locks the tokens of these users, always in the same order: two who change the same ones wait for each other instead
/// of each for the other. Needs the right to update.
///
/// # Errors
/// When somebody else holds a lock for too long.
pub async fn lock_tokens(conn: &mut Conn, site: &Site, users: &[UserId]) -> Result<(), Error> {
    // Diesel's language locks rows, but takes no array of these ids.
    diesel::sql_query(format!(
        "SELECT user_id FROM authtoken_token WHERE user_id = ANY ($1::{}[]) ORDER BY user_id FOR UPDATE",
        site.id_type
    ))
    .bind::<UserKeys, _>(Ids(users.to_vec()))
    .load::<Owner>(conn)
    .await?;
    Ok(())
}

/// Replaces each key that is still the one that was seen by the one of `keys` at the same place, and gives the owners of
/// those. `created` becomes `now`, as when one is replaced.
///
/// # Errors
/// When the database refuses or is away.
pub async fn replace_tokens(
    conn: &mut Conn,
    site: &Site,
    seen: &[Seen],
    keys: &[DrfKey],
    now: Moment,
) -> Result<Vec<UserId>, Error> {
    let (users, digests) = arrays(seen);
    let keys: Vec<&str> = keys.iter().map(|key| key.expose().as_str()).collect();
    // Three arrays taken apart side by side: one statement of a fixed text for any number of rows, which Diesel's
    // language does not have.
    let hit: Vec<Owner> = diesel::sql_query(format!(
        "UPDATE authtoken_token AS t SET key = n.key, created = $4 \
         FROM unnest($1::{}[], $2, $3) AS n(user_id, seen, key) \
         WHERE t.user_id = n.user_id AND sha256(convert_to(t.key, 'UTF8')) = n.seen RETURNING t.user_id",
        site.id_type
    ))
    .bind::<UserKeys, _>(Ids(users))
    .bind::<Array<Binary>, _>(digests)
    .bind::<Array<Text>, _>(keys)
    .bind::<Timestamptz, _>(Instant(now))
    .load(conn)
    .await?;
    Ok(hit.into_iter().map(|owner| owner.user_id.0).collect())
}

/// Deletes each token whose key is still the one that was seen, and gives the owners of those.
///
/// # Errors
/// When the database refuses or is away.
pub async fn delete_tokens(
    conn: &mut Conn,
    site: &Site,
    seen: &[Seen],
) -> Result<Vec<UserId>, Error> {
    let (users, digests) = arrays(seen);
    // As in `replace_tokens`.
    let hit: Vec<Owner> = diesel::sql_query(format!(
        "DELETE FROM authtoken_token AS t USING unnest($1::{}[], $2) AS n(user_id, seen) \
         WHERE t.user_id = n.user_id AND sha256(convert_to(t.key, 'UTF8')) = n.seen RETURNING t.user_id",
        site.id_type
    ))
    .bind::<UserKeys, _>(Ids(users))
    .bind::<Array<Binary>, _>(digests)
    .load(conn)
    .await?;
    Ok(hit.into_iter().map(|owner| owner.user_id.0).collect())
}

fn arrays(seen: &[Seen]) -> (Vec<UserId>, Vec<&[u8]>) {
    seen.iter()
        .map(|seen| (seen.user, seen.key.as_bytes().as_slice()))
        .unzip()
}

/// A transaction as the server numbers it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TransactionId(String);

impl TransactionId {
    /// As it was kept.
    #[must_use]
    pub const fn kept(text: String) -> Self {
        Self(text)
    }

    /// To be kept.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// What became of a transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// All of it holds.
    Committed,
    /// Nothing of it does.
    Aborted,
    /// The server is still at it.
    Running,
    /// It is so long ago that the server has forgotten.
    Forgotten,
}

/// The number of the transaction that runs on `conn`.
///
/// # Errors
/// When the database is away.
pub async fn transaction_id(conn: &mut Conn) -> Result<TransactionId, Error> {
    // Postgres' own type of the number has none in Diesel.
    let id: String = diesel::select(sql::<Text>("pg_current_xact_id()::text"))
        .get_result(conn)
        .await?;
    Ok(TransactionId(id))
}

/// What became of it: the server keeps that, and nobody has to guess from the rows.
///
/// # Errors
/// When the database is away.
pub async fn find_fate(conn: &mut Conn, id: &TransactionId) -> Result<Fate, Error> {
    let status: Option<String> = diesel::select(
        sql::<Nullable<Text>>("pg_xact_status(")
            .bind::<Text, _>(&id.0)
            .sql("::xid8)"),
    )
    .get_result(conn)
    .await?;
    Ok(match status.as_deref() {
        Some("committed") => Fate::Committed,
        Some("aborted") => Fate::Aborted,
        Some(_) => Fate::Running,
        None => Fate::Forgotten,
    })
}

/// Whether leaks are numbered here and this role may take a number. Asked of the catalogue, since to name a sequence in a
/// schema that one may not use is an error.
const NUMBERS: &str = "EXISTS (SELECT FROM pg_catalog.pg_class c \
    JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
    WHERE n.nspname = 'tokenward' AND c.relname = 'leak_number' AND c.relkind = 'S' \
      AND has_schema_privilege(n.oid, 'USAGE') AND has_sequence_privilege(c.oid, 'USAGE') \
      AND has_sequence_privilege(c.oid, 'SELECT'))";

/// Whether the database numbers leaks.
///
/// # Errors
/// When the database is away.
pub async fn numbers_leaks(conn: &mut Conn) -> Result<bool, Error> {
    Ok(diesel::select(sql::<Bool>(NUMBERS))
        .get_result(conn)
        .await?)
}

/// Takes the next number of a leak that is above `taken`, for good.
///
/// # Errors
/// When the role may not, or the database is away.
pub async fn take_number(conn: &mut Conn, taken: i64) -> Result<i64, Error> {
    // A sequence is no table.
    let next = |count: i64| {
        diesel::select(
            sql::<BigInt>("(SELECT max(nextval('tokenward.leak_number')) FROM generate_series(1, ")
                .bind::<BigInt, _>(count)
                .sql("))"),
        )
    };
    let first: i64 = next(1).get_result(conn).await?;
    if first > taken {
        return Ok(first);
    }
    Ok(next(taken - first + 1).get_result(conn).await?)
}

/// The number that the next leak will have, unless somebody is faster.
///
/// # Errors
/// When the role may not, or the database is away.
pub async fn peek_number(conn: &mut Conn) -> Result<i64, Error> {
    let next: i64 = diesel::select(sql::<BigInt>(
        "(SELECT last_value + is_called::integer FROM tokenward.leak_number)",
    ))
    .get_result(conn)
    .await?;
    Ok(next)
}
