//! One batch of a backfill: tokens for the next users who lack one, in one statement.

use diesel::pg::Pg;
use diesel::prelude::*;
use diesel::query_builder::{AstPass, Query, QueryFragment, QueryId};
use diesel::sql_types::{Array, BigInt, Nullable, Text, Timestamptz};
use diesel_async::{RunQueryDsl, SimpleAsyncConnection};

use super::filters;
use super::rows::{Id, Instant};
use super::schema::{UserKey, auth_user, authtoken_token};
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

/// What one batch did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Batch {
    /// Users without a token that it found.
    pub reached: u64,
    /// Tokens that it made; for the rest somebody else was faster.
    pub made: u64,
    /// The last user it reached, from whom the next batch goes on; `None` when it reached nobody.
    pub last: Option<(UserId, String)>,
}

type Candidates = diesel::dsl::IntoBoxed<'static, candidates, Pg>;

/// Users without a token.
#[diesel::dsl::auto_type]
fn candidates() -> _ {
    auth_user::table
        .left_join(authtoken_token::table)
        .filter(authtoken_token::key.nullable().is_null())
        .select((auth_user::id, auth_user::username))
}

/// Gives the next users after `after`, in the order of their ids, the `keys`, one each.
///
/// # Errors
/// When the database refuses or is away.
pub async fn insert_batch(
    conn: &mut Conn,
    site: &Site,
    audience: Audience,
    filter: &Filter,
    after: Option<UserId>,
    keys: &[String],
    now: Moment,
) -> Result<Batch, Error> {
    let mut users: Candidates = candidates().into_boxed();
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
    let limit = i64::try_from(keys.len()).unwrap_or(i64::MAX);
    let users = users.order_by(auth_user::id).limit(limit);
    // The token table grows while this runs: a plan made for the empty table would read all of it each time.
    conn.batch_execute("SET LOCAL plan_cache_mode = force_custom_plan")
        .await?;
    let statement = InsertBatch {
        site,
        users,
        keys,
        now: Instant::At(now),
    };
    let (reached, made, id, name): (i64, i64, Option<Id>, Option<String>) =
        statement.get_result(conn).await?;
    Ok(Batch {
        reached: reached.unsigned_abs(),
        made: made.unsigned_abs(),
        last: id.zip(name).map(|(id, name)| (id.0, name)),
    })
}

/// The statement around the candidates: Diesel's language has no `unnest` with ordinality, and no INSERT inside a
/// common table expression. Ids never leave the server; the rows go in by key, so that the two indexes on the
/// key are filled in their own order, not at a random page for each row.
struct InsertBatch<'a> {
    site: &'a Site,
    users: Candidates,
    keys: &'a [String],
    now: Instant,
}

impl QueryFragment<Pg> for InsertBatch<'_> {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        match self.site.stand_in() {
            None => out.push_sql("WITH "),
            Some(stand_in) => {
                out.push_sql("WITH ");
                out.push_sql(stand_in);
                out.push_sql(", ");
            }
        }
        out.push_sql("todo AS MATERIALIZED (SELECT c.id, c.username, row_number() OVER (ORDER BY c.id) AS n FROM (");
        <Candidates as QueryFragment<Pg>>::walk_ast(&self.users, out.reborrow())?;
        out.push_sql(
            ") AS c(id, username)), made AS (INSERT INTO \"authtoken_token\" (\"key\", \"created\", \"user_id\") \
             SELECT k.key, ",
        );
        out.push_bind_param::<Timestamptz, _>(&self.now)?;
        out.push_sql(", todo.id FROM todo JOIN unnest(");
        out.push_bind_param::<Array<Text>, _>(self.keys)?;
        out.push_sql(
            ") WITH ORDINALITY AS k(key, n) USING (n) ORDER BY k.key COLLATE \"C\" \
             ON CONFLICT DO NOTHING RETURNING 1) \
             SELECT (SELECT count(*) FROM todo), (SELECT count(*) FROM made), last.id, last.username \
             FROM (SELECT) AS one LEFT JOIN (SELECT id, username FROM todo ORDER BY n DESC LIMIT 1) AS last ON true",
        );
        Ok(())
    }
}

impl QueryId for InsertBatch<'_> {
    type QueryId = ();
    const HAS_STATIC_QUERY_ID: bool = false;
}

impl Query for InsertBatch<'_> {
    type SqlType = (BigInt, BigInt, Nullable<UserKey>, Nullable<Text>);
}
