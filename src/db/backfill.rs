//! The two halves of a backfill's batch: the next users, and a token for each of them who lacks one.

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

/// Users that a batch reached.
#[derive(Debug, Default)]
pub struct Reached {
    /// How many; fewer than asked for where the table ends.
    pub users: usize,
    /// Those without a token.
    pub lacking: Vec<UserId>,
    /// The last of them all: where the next batch starts.
    pub last: Option<(UserId, String)>,
}

type Next = IntoBoxed<'static, next, Pg>;

/// Users, and whether each has no token. Asked so, and not for those who have none: where a backfill goes on after
/// millions of users who have one, a batch is as short as any other.
#[diesel::dsl::auto_type]
fn next() -> _ {
    let lacks: filters::has_no_token = filters::has_no_token();
    auth_user::table.left_join(authtoken_token::table).select((
        auth_user::id,
        auth_user::username,
        lacks,
    ))
}

/// Postgres would join by reading the tokens from their first one for every batch. These make it walk the user
/// table's key from the last batch on and look each user's token up. They end with the transaction.
///
/// The advisory lock ("twbackfl" in ASCII) lets only one backfill at a time be in a batch. Two would read the same
/// users and insert their tokens in two orders, since rows go in by key: a deadlock. So the second reads the next users.
const WALK: &str = "SET LOCAL enable_hashjoin = off; SET LOCAL enable_mergejoin = off; \
                    SET LOCAL enable_sort = off; \
                    SELECT pg_advisory_xact_lock(8392284601047541356)";

/// Loads the next users of `audience` after `after`, at most `limit`, in the order of their ids. To be called in a
/// transaction.
///
/// # Errors
/// When the database refuses or is away.
pub async fn load_next(
    conn: &mut Conn,
    site: &Site,
    audience: Audience,
    filter: &Filter,
    after: Option<UserId>,
    limit: usize,
    now: Moment,
) -> Result<Reached, Error> {
    let mut users: Next = next().into_boxed();
    users = match audience {
        Audience::All => users,
        Audience::Active => users.filter(auth_user::is_active),
        Audience::Staff => users
            .filter(auth_user::is_active)
            .filter(auth_user::is_staff),
    };
    for condition in filters::conditions(conn, site, filter, Reach::Far, now).await? {
        users = users.filter(condition);
    }
    if let Some(after) = after {
        users = users.filter(auth_user::id.gt(Id(after)));
    }
    let users = users
        .order_by(auth_user::id)
        .limit(i64::try_from(limit).unwrap_or(i64::MAX));
    conn.batch_execute(WALK).await?;
    let rows: Vec<(Id, String, bool)> = site.query(users).load(conn).await?;
    let lacking = rows.iter().filter(|(.., lacks)| *lacks);
    Ok(Reached {
        users: rows.len(),
        lacking: lacking.map(|(id, ..)| id.0).collect(),
        last: rows
            .into_iter()
            .next_back()
            .map(|(id, name, _)| (id.0, name)),
    })
}

/// Our sessions plan each statement for its own values. That is right for lists, but Postgres would plan the check of
/// the foreign key anew for every row too, at the commit: half of a batch's time. Ends with the transaction.
const CHECK_BY_ONE_PLAN: &str = "SET LOCAL plan_cache_mode = auto";

/// Inserts a token for each of `owners`, of whom there must be one at least, but for those who have got one meanwhile,
/// and tells how many it inserted.
///
/// The rows go in by key: the two indexes on the key are then filled in their own order and not at a random page
/// for each row. To be called in a transaction, as the last of its work.
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
    conn.batch_execute(CHECK_BY_ONE_PLAN).await?;
    // Two arrays taken apart side by side: one statement of a fixed text for any number of rows, which Diesel's
    // language, with a bind for every value, does not have.
    let made = diesel::sql_query(format!(
        "INSERT INTO authtoken_token (key, created, user_id) \
         SELECT t.key, $3, t.user_id FROM unnest($1, $2::{}[]) AS t(key, user_id) ON CONFLICT DO NOTHING",
        site.id_type
    ))
    .bind::<Array<Text>, _>(keys)
    .bind::<UserKeys, _>(Ids(owners))
    .bind::<Timestamptz, _>(Instant(now))
    .execute(conn)
    .await?;
    Ok(made as u64)
}
