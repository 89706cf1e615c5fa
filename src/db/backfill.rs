//! The two halves of a backfill's batch: who lacks a token, and a token for each of them.

use diesel::dsl::IntoBoxed;
use diesel::pg::Pg;
use diesel::prelude::*;
use diesel::sql_types::{Array, Text, Timestamptz};
use diesel_async::{RunQueryDsl, SimpleAsyncConnection};

use super::filters;
use super::rows::{Id, Ids, Instant};
use super::schema::{UserKeys, auth_user, authtoken_token};
use super::site::Site;
use super::users::Reach;
use super::{Conn, Error};
use crate::domain::filter::Filter;
use crate::domain::moment::Moment;
use crate::domain::user::UserId;

/// Who gets a token.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Audience {
    /// Every active user.
    #[default]
    Active,
    /// Every user.
    All,
    /// Every active user of the staff.
    Staff,
}

type Lacking = IntoBoxed<'static, lacking, Pg>;

/// Users without a token.
#[diesel::dsl::auto_type]
fn lacking() -> _ {
    auth_user::table
        .left_join(authtoken_token::table)
        .filter(authtoken_token::key.nullable().is_null())
        .select((auth_user::id, auth_user::username))
}

/// Postgres takes "has no token" for rare and would read both tables whole for every batch. These make it walk the
/// user table's key from the last batch on and look each user's token up. They end with the transaction.
///
/// The advisory lock ("twbackfl" in ASCII) lets only one backfill at a time be in a batch. Two would read the same
/// users and insert their tokens in two orders, since rows go in by key: a deadlock. So the second reads the next users.
const WALK: &str = "SET LOCAL enable_hashjoin = off; SET LOCAL enable_mergejoin = off; \
                    SET LOCAL enable_sort = off; SET LOCAL jit = off; \
                    SET LOCAL plan_cache_mode = force_custom_plan; \
                    SELECT pg_advisory_xact_lock(8392284601047541356)";

/// Loads the next users after `after` who lack a token, at most `limit`, in the order of their ids. To be called in
/// a transaction.
///
/// # Errors
/// When the database refuses or is away.
pub async fn load_lacking(
    conn: &mut Conn,
    site: &Site,
    audience: Audience,
    filter: &Filter,
    after: Option<UserId>,
    limit: usize,
    now: Moment,
) -> Result<Vec<(UserId, String)>, Error> {
    let mut users: Lacking = lacking().into_boxed();
    users = match audience {
        Audience::All => users,
        Audience::Active => users.filter(auth_user::is_active),
        Audience::Staff => users
            .filter(auth_user::is_active)
            .filter(auth_user::is_staff),
    };
    for condition in filters::conditions(conn, filter, Reach::Far, now).await? {
        users = users.filter(condition);
    }
    if let Some(after) = after {
        users = users.filter(auth_user::id.gt(Id(after)));
    }
    let users = users
        .order_by(auth_user::id)
        .limit(i64::try_from(limit).unwrap_or(i64::MAX));
    conn.batch_execute(WALK).await?;
    let rows: Vec<(Id, String)> = site.query(users).load(conn).await?;
    Ok(rows.into_iter().map(|(id, name)| (id.0, name)).collect())
}

/// Inserts a token for each of `owners`, of whom there must be one at least, but for those who have got one meanwhile, and tells how many it inserted.
///
/// The rows go in by key: the two indexes on the key are then filled in their own order and not at a random page
/// for each row.
///
/// # Errors
/// When the database refuses or is away.
pub async fn insert_tokens(
    conn: &mut Conn,
    site: &Site,
    owners: &[UserId],
    keys: Vec<String>,
    now: Moment,
) -> Result<u64, Error> {
    let mut tokens: Vec<(String, UserId)> = keys.into_iter().zip(owners.iter().copied()).collect();
    tokens.sort_unstable();
    let (keys, owners): (Vec<String>, Vec<UserId>) = tokens.into_iter().unzip();
    // Two arrays taken apart side by side: one statement of a fixed text for any number of rows, which Diesel's
    // language, with a bind for every value, does not have.
    let made = diesel::sql_query(format!(
        "INSERT INTO authtoken_token (key, created, user_id) \
         SELECT t.key, $3, t.user_id FROM unnest($1, $2::{}[]) AS t(key, user_id) ON CONFLICT DO NOTHING",
        site.id_type
    ))
    .bind::<Array<Text>, _>(keys)
    .bind::<UserKeys, _>(Ids(owners))
    .bind::<Timestamptz, _>(Instant::At(now))
    .execute(conn)
    .await?;
    Ok(made as u64)
}
