//! What a login with a password reads and writes: the account with its encoded password, the password written anew
//! when its form is out of date, and the time of the login.

use diesel::dsl::sql;
use diesel::prelude::*;
use diesel::sql_types::{Nullable, Text, Timestamptz};
use diesel_async::RunQueryDsl;

use super::accounts::{self, AccountRow, GroupNames};
use super::rows::{Id, Instant};
use super::schema::{UserKey, auth_user};
use super::site::Site;
use super::{Conn, Error};
use crate::domain::moment::Moment;
use crate::domain::principal::Account;
use crate::domain::secret::Secret;
use crate::domain::user::UserId;

/// Somebody who may be logging in.
#[derive(Debug)]
pub struct Login {
    /// Who.
    pub account: Account,
    /// The password as Django encodes it; `None` where the column is null.
    pub encoded: Option<Secret<String>>,
}

/// Loads the encoded passwords of some users, whichever come first.
///
/// # Errors
/// When the database refuses or is away.
pub async fn load_some_passwords(
    conn: &mut Conn,
    site: &Site,
    limit: i64,
) -> Result<Vec<Secret<String>>, Error> {
    #[derive(QueryableByName)]
    struct Row {
        #[diesel(sql_type = Text)]
        password: String,
    }
    if !site.has_password {
        return Ok(Vec::new());
    }
    // Diesel has no table named at run time.
    let rows: Vec<Row> = diesel::sql_query(format!(
        "SELECT \"password\"::text AS password FROM {} WHERE \"password\" LIKE '%$%' LIMIT $1",
        site.user_table
    ))
    .bind::<diesel::sql_types::BigInt, _>(limit)
    .load(conn)
    .await?;
    Ok(rows
        .into_iter()
        .map(|row| Secret::new(row.password))
        .collect())
}

/// Finds the user of exactly this name, by case and without normalisation, as `get_by_natural_key` does. Any text can
/// be asked for; one that Postgres could not hold is nobody's name and never gets there.
///
/// # Errors
/// When the database refuses or is away, and when the site's users have no passwords.
pub async fn find_login(
    conn: &mut Conn,
    site: &Site,
    username: &str,
) -> Result<Option<Login>, Error> {
    let Site {
        user_table,
        id,
        has_password,
        ..
    } = site;
    if !has_password {
        return Err(Error::Shape(format!(
            "{} has no column password: nobody can log in with one.",
            user_table.replace('"', "")
        )));
    }
    if username.contains('\0') {
        return Ok(None);
    }
    // What stands in for another user table leaves the password out, so that nobody needs the right to read it who
    // does not check one. Diesel has no table named at run time.
    let password = sql::<Nullable<Text>>(&format!(
        "(SELECT owner.\"password\"::text FROM {user_table} AS owner WHERE owner.{id} = \"auth_user\".\"id\")"
    ));
    let query = auth_user::table
        .filter(auth_user::username.eq(username))
        .select(((accounts::columns(), GroupNames::on(site)), password));
    let row: Option<(AccountRow, Option<String>)> =
        site.query(query).get_result(conn).await.optional()?;
    Ok(row.map(|(account, encoded)| Login {
        account: accounts::account(account),
        encoded: encoded.map(Secret::new),
    }))
}

/// Writes `new` in place of the encoded password of a user, only while it is still `old`: whoever set another one
/// meanwhile meant it. Tells whether it did.
///
/// # Errors
/// When the database refuses or is away.
pub async fn swap_password(
    conn: &mut Conn,
    site: &Site,
    user: UserId,
    old: &Secret<String>,
    new: &Secret<String>,
) -> Result<bool, Error> {
    // A common table expression cannot be updated, and Diesel's language has no table named at run time.
    let Site { user_table, id, .. } = site;
    let update = diesel::sql_query(format!(
        "UPDATE {user_table} SET \"password\" = $1 WHERE {id} = $2 AND \"password\" = $3"
    ));
    let hit = update
        .bind::<Text, _>(new.expose())
        .bind::<UserKey, _>(Id(user))
        .bind::<Text, _>(old.expose())
        .execute(conn)
        .await?;
    Ok(hit == 1)
}

/// Notes that `user` logged in `now` (Django, `update_last_login`). The site's table must have the column.
///
/// # Errors
/// When the database refuses or is away.
pub async fn set_last_login(
    conn: &mut Conn,
    site: &Site,
    user: UserId,
    now: Moment,
) -> Result<(), Error> {
    // As above.
    let Site { user_table, id, .. } = site;
    let update = diesel::sql_query(format!(
        "UPDATE {user_table} SET \"last_login\" = $1 WHERE {id} = $2"
    ));
    update
        .bind::<Timestamptz, _>(Instant(now))
        .bind::<UserKey, _>(Id(user))
        .execute(conn)
        .await?;
    Ok(())
}
