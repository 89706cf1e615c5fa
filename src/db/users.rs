//! Every query on users: pages of them with their tokens, one of them, and how many there are.

use diesel::dsl::{IntoBoxed, sql};
use diesel::pg::Pg;
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Binary, Bool, Text};
use diesel_async::RunQueryDsl;

use super::filters;
use super::rows::{Id, Instant, TokenColumns, UserColumns, UserWithToken, user_row};
use super::schema::{
    UserKey, auth_group, auth_user, auth_user_groups, auth_user_user_permissions, authtoken_token,
    convert_to, divided, least_of, left_of, length_of, sha256,
};
use super::site::Site;
use super::{Conn, Error, keyset};
use crate::domain::filter::Filter;
use crate::domain::moment::Moment;
use crate::domain::page::{Page, Sort, SortKey, Start};
use crate::domain::retired::{KeyDigest, Salt};
use crate::domain::secret::Secret;
use crate::domain::token::CoveredKey;
use crate::domain::user::{NewUser, User, UserId, UserRow, Username};

/// How far a search for text reaches.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Reach {
    /// Only what Django's own indexes find: the start of a name, the start of a key. Answers in milliseconds
    /// however many users there are, so that a list can follow the typing.
    Near,
    /// Also any part of the name, the address and the full name, in any case: reads the whole table.
    #[default]
    Far,
}

/// A page of users to load.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UsersQuery {
    /// Which.
    pub filter: Filter,
    /// In what order.
    pub sort: Sort,
    /// From where.
    pub start: Start,
    /// At most so many.
    pub limit: usize,
    /// How text is searched.
    pub reach: Reach,
}

/// What is read of a user.
#[diesel::dsl::auto_type]
pub(super) fn user_columns() -> _ {
    (
        auth_user::id,
        auth_user::username,
        auth_user::email,
        auth_user::first_name,
        auth_user::last_name,
        auth_user::is_active,
        auth_user::is_staff,
        auth_user::is_superuser,
        auth_user::last_login,
        auth_user::date_joined,
    )
}

/// What may be known of a token: the first characters of the key, its SHA-256 and when it was made. The rest of a key
/// stays in the database.
#[diesel::dsl::auto_type]
fn token_columns() -> _ {
    (
        // As `KeyStart::of_key` does.
        left_of(
            authtoken_token::key,
            least_of(8_i32, divided(length_of(authtoken_token::key), 2_i32)),
        ),
        sha256(convert_to(authtoken_token::key, "UTF8")),
        authtoken_token::created,
    )
}

/// Users, each with [`token_columns()`].
#[diesel::dsl::auto_type]
pub(super) fn with_tokens() -> _ {
    let user: user_columns = user_columns();
    let token: token_columns = token_columns();
    auth_user::table
        .left_join(authtoken_token::table)
        .select((user, token.nullable()))
}

/// [`with_tokens()`], open for conditions and an order.
pub(super) type Users = IntoBoxed<'static, with_tokens, Pg>;

// The literal in the query above; Diesel's type inference takes no named constant there.
const _: () = assert!(CoveredKey::SHOWN == 8);

/// Loads a page. `now` is what `age:` counts from.
///
/// # Errors
/// When the database refuses or is away.
pub async fn page_users(
    conn: &mut Conn,
    site: &Site,
    query: &UsersQuery,
    now: Moment,
) -> Result<Page<UserRow>, Error> {
    let mut select: Users = with_tokens().into_boxed();
    for condition in filters::conditions(conn, site, &query.filter, query.reach, now).await? {
        select = select.filter(condition);
    }
    if query.sort.key == SortKey::LastUse && !site.has_uses {
        return Err(filters::unknown_uses("LAST USED"));
    }
    let way = keyset::Way::of(query);
    if let Some(condition) = way.condition() {
        select = select.filter(condition);
    }
    // One more than asked for tells whether there are more.
    let limit = i64::try_from(query.limit)
        .unwrap_or(i64::MAX)
        .saturating_add(1);
    let select = way.order(select).limit(limit);
    let rows: Vec<UserWithToken> = site.query(select).load(conn).await?;
    Ok(way.page(rows.into_iter().map(user_row).collect(), query.limit))
}

/// Finds a user by name: exactly, as Django's `get_by_natural_key` does.
///
/// # Errors
/// When the database refuses or is away.
pub async fn find_by_name(
    conn: &mut Conn,
    site: &Site,
    name: &Username,
) -> Result<Option<UserRow>, Error> {
    let query = with_tokens().filter(auth_user::username.eq(name.as_str()));
    let row: Option<UserWithToken> = site.query(query).get_result(conn).await.optional()?;
    Ok(row.map(user_row))
}

/// Finds a user by id.
///
/// # Errors
/// When the database refuses or is away.
pub async fn find_by_id(
    conn: &mut Conn,
    site: &Site,
    id: UserId,
) -> Result<Option<UserRow>, Error> {
    let query = with_tokens().filter(auth_user::id.eq(Id(id)));
    let row: Option<UserWithToken> = site.query(query).get_result(conn).await.optional()?;
    Ok(row.map(user_row))
}

/// Finds the owner of `key`, and his row.
///
/// # Errors
/// When the database refuses or is away.
pub async fn find_by_key(
    conn: &mut Conn,
    site: &Site,
    key: &str,
) -> Result<Option<UserRow>, Error> {
    let query = with_tokens().filter(authtoken_token::key.eq(key));
    let row: Option<UserWithToken> = site.query(query).get_result(conn).await.optional()?;
    Ok(row.map(user_row))
}

/// Loads the owners of those of `keys` that are keys, each with his row; a key that is none has no row.
///
/// # Errors
/// When the database refuses or is away.
pub async fn load_by_keys(
    conn: &mut Conn,
    site: &Site,
    keys: &[&str],
) -> Result<Vec<UserRow>, Error> {
    let query = with_tokens().filter(authtoken_token::key.eq_any(keys));
    let rows: Vec<UserWithToken> = site.query(query).load(conn).await?;
    Ok(rows.into_iter().map(user_row).collect())
}

/// Loads the users of these ids; one who is gone has no row.
///
/// # Errors
/// When the database refuses or is away.
pub async fn load_by_ids(conn: &mut Conn, site: &Site, ids: &[UserId]) -> Result<Vec<User>, Error> {
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let columns: user_columns = user_columns();
    let query = auth_user::table
        .select(columns)
        .filter(filters::among("\"auth_user\".\"id\"", ids));
    let rows: Vec<UserColumns> = site.query(query).load(conn).await?;
    Ok(rows.into_iter().map(User::from).collect())
}

/// Loads of `users` those who have a token, each with the digest that his key has by `salt`: SHA-256 of the salt and the
/// key. The database makes it, so that the key stays there.
///
/// # Errors
/// When the database refuses or is away.
pub async fn load_with_digests(
    conn: &mut Conn,
    site: &Site,
    users: &[UserId],
    salt: &Salt,
) -> Result<Vec<(UserRow, KeyDigest)>, Error> {
    let columns: user_columns = user_columns();
    let token: token_columns = token_columns();
    // Diesel's language has no word for bytes put together.
    let digest = sql::<Binary>("sha256(")
        .bind::<Binary, _>(salt.as_bytes().to_vec())
        .sql(" || convert_to(\"authtoken_token\".\"key\", 'UTF8'))");
    let query = auth_user::table
        .inner_join(authtoken_token::table)
        .filter(filters::among("\"auth_user\".\"id\"", users))
        .select((columns, token, digest));
    let rows: Vec<(UserColumns, TokenColumns, Vec<u8>)> = site.query(query).load(conn).await?;
    let read = |(user, token, digest): (UserColumns, TokenColumns, Vec<u8>)| {
        let digest = KeyDigest::from_bytes(digest.try_into().ok()?);
        Some((user_row((user, Some(token))), digest))
    };
    Ok(rows.into_iter().filter_map(read).collect())
}

/// Loads the owners of keys that begin with `start`, at most `limit`.
///
/// # Errors
/// When the database refuses or is away.
pub async fn load_by_key_start(
    conn: &mut Conn,
    site: &Site,
    start: &str,
    limit: i64,
) -> Result<Vec<UserRow>, Error> {
    let query = with_tokens()
        .filter(authtoken_token::key.like(format!("{}%", filters::escaped(start))))
        .limit(limit);
    let rows: Vec<UserWithToken> = site.query(query).load(conn).await?;
    Ok(rows.into_iter().map(user_row).collect())
}

/// How many users of some kind there are, and how many of them have a token.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Count {
    /// Users.
    pub users: u64,
    /// Those with a token.
    pub with_token: u64,
}

impl Count {
    /// Those without.
    #[must_use]
    pub const fn without(self) -> u64 {
        self.users.saturating_sub(self.with_token)
    }
}

/// Users by whether they are active.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Active ones.
    pub active: Count,
    /// The others.
    pub inactive: Count,
}

/// Counts the users that pass `filter`, and those of them with a token: reads the whole table, once.
///
/// # Errors
/// When the database refuses or is away.
pub async fn count_users(
    conn: &mut Conn,
    site: &Site,
    filter: &Filter,
    now: Moment,
) -> Result<Counts, Error> {
    // `count(user_id)` counts the rows that have one. Diesel has no FILTER for a count of everything, and cannot
    // group by a column without repeating it in every condition.
    const COUNTS: &str = "\
        count(*) FILTER (WHERE \"auth_user\".\"is_active\"), \
        count(\"authtoken_token\".\"user_id\") FILTER (WHERE \"auth_user\".\"is_active\"), \
        count(*) FILTER (WHERE NOT \"auth_user\".\"is_active\"), \
        count(\"authtoken_token\".\"user_id\") FILTER (WHERE NOT \"auth_user\".\"is_active\")";
    let mut select = auth_user::table
        .left_join(authtoken_token::table)
        .select(sql::<(BigInt, BigInt, BigInt, BigInt)>(COUNTS))
        .into_boxed();
    for condition in filters::conditions(conn, site, filter, Reach::Far, now).await? {
        select = select.filter(condition);
    }
    let (active, active_with, inactive, inactive_with): (i64, i64, i64, i64) =
        site.query(select).get_result(conn).await?;
    let count = |users: i64, with_token: i64| Count {
        users: users.unsigned_abs(),
        with_token: with_token.unsigned_abs(),
    };
    Ok(Counts {
        active: count(active, active_with),
        inactive: count(inactive, inactive_with),
    })
}

/// How many rows the user table has: Postgres' own estimate where the table is large, an exact count where it
/// is small or was never analysed.
///
/// # Errors
/// When the database refuses or is away.
pub async fn estimate_users(conn: &mut Conn, site: &Site) -> Result<u64, Error> {
    const SMALL: i64 = 20_000;
    // The catalogue's estimate is no column of any table of ours.
    let estimate: i64 = diesel::select(
        sql::<BigInt>(
            "(SELECT reltuples::bigint FROM pg_catalog.pg_class WHERE oid = to_regclass(",
        )
        .bind::<Text, _>(&site.user_table)
        .sql("))"),
    )
    .get_result(conn)
    .await?;
    if estimate > SMALL {
        return Ok(estimate.unsigned_abs());
    }
    let exact: i64 = site
        .query(auth_user::table.count())
        .get_result(conn)
        .await?;
    Ok(exact.unsigned_abs())
}

/// A change of one column of a user.
#[derive(Debug)]
pub enum UserChange {
    /// Switched on or off.
    Active(bool),
    /// Given this encoded password.
    Password(Secret<String>),
}

/// Updates one user; `false` when he is gone.
///
/// # Errors
/// When the database refuses or is away.
pub async fn update_user(
    conn: &mut Conn,
    site: &Site,
    id: UserId,
    change: &UserChange,
) -> Result<bool, Error> {
    // A common table expression cannot be updated, and Diesel's language has no table named at run time.
    let Site {
        user_table,
        id: key,
        ..
    } = site;
    let update = |column: &str| {
        diesel::sql_query(format!(
            "UPDATE {user_table} SET {column} = $1 WHERE {key} = $2"
        ))
    };
    let hit = match change {
        UserChange::Active(active) => {
            let update = update("is_active").bind::<Bool, _>(active);
            update.bind::<UserKey, _>(Id(id)).execute(conn).await?
        }
        UserChange::Password(encoded) => {
            let update = update("password").bind::<Text, _>(encoded.expose());
            update.bind::<UserKey, _>(Id(id)).execute(conn).await?
        }
    };
    Ok(hit == 1)
}

/// Inserts a user into Django's own table, active and with no last login.
///
/// # Errors
/// [`Error::Duplicate`] when the name is taken.
pub async fn insert_user(
    conn: &mut Conn,
    new: &NewUser,
    encoded_password: &Secret<String>,
    now: Moment,
) -> Result<User, Error> {
    let values = (
        auth_user::username.eq(new.username.as_str()),
        auth_user::email.eq(&new.email),
        auth_user::first_name.eq(""),
        auth_user::last_name.eq(""),
        auth_user::is_active.eq(true),
        auth_user::is_staff.eq(new.is_staff),
        auth_user::is_superuser.eq(new.is_superuser),
        auth_user::date_joined.eq(Some(Instant(now))),
        auth_user::password.eq(encoded_password.expose()),
    );
    let row: UserColumns = diesel::insert_into(auth_user::table)
        .values(values)
        .returning(user_columns())
        .get_result(conn)
        .await?;
    Ok(row.into())
}

/// The names of a user's groups and the number of his own permissions (`django.contrib.auth`). A site with
/// another user model keeps them elsewhere: empty there.
///
/// # Errors
/// When the database refuses or is away.
pub async fn load_reach(
    conn: &mut Conn,
    site: &Site,
    id: UserId,
) -> Result<(Vec<String>, u64), Error> {
    if !site.has_groups {
        return Ok((Vec::new(), 0));
    }
    let groups = auth_group::table
        .inner_join(auth_user_groups::table)
        .filter(auth_user_groups::user_id.eq(Id(id)))
        .order_by(auth_group::name)
        .limit(MOST_GROUPS)
        .select(auth_group::name)
        .load(conn)
        .await?;
    let permissions: i64 = auth_user_user_permissions::table
        .filter(auth_user_user_permissions::user_id.eq(Id(id)))
        .count()
        .get_result(conn)
        .await?;
    Ok((groups, permissions.unsigned_abs()))
}

/// More groups than this are not shown.
const MOST_GROUPS: i64 = 50;
