//! The words of a filter as conditions on users joined with their tokens.

use diesel::dsl::{LeftJoinQuerySource, not, sql};
use diesel::expression::{AsExpression, BoxableExpression, SqlLiteral, UncheckedBind};
use diesel::pg::Pg;
use diesel::prelude::*;
use diesel::sql_types::{Bool, Text, Timestamptz};
use diesel_async::RunQueryDsl;

use super::rows::{Id, Ids, Instant};
use super::schema::{UserKeys, auth_user, authtoken_token, truth_or};
use super::site::Site;
use super::users::Reach;
use super::{Conn, Error};
use crate::domain::filter::{Filter, Test};
use crate::domain::last_use::WATCH_DAYS;
use crate::domain::moment::Moment;
use crate::domain::user::UserId;

/// Users and, where there is one, the token of each.
pub type Joined = LeftJoinQuerySource<auth_user::table, authtoken_token::table>;

/// A yes or no about one row; never unknown, so that it can be negated.
pub type Condition = Box<dyn BoxableExpression<Joined, Pg, SqlType = Bool>>;

/// So many owners are looked up for the start of a key; a start that more keys share narrows nothing.
const KEY_MATCHES: i64 = 200;

/// From so many characters on, a text is tried as the start of a key too.
const KEY_START: usize = 4;

/// The conditions that together are `filter`.
///
/// # Errors
/// When the look-up of a key's start fails.
pub async fn conditions(
    conn: &mut Conn,
    site: &Site,
    filter: &Filter,
    reach: Reach,
    now: Moment,
) -> Result<Vec<Condition>, Error> {
    let mut conditions = Vec::with_capacity(filter.words.len() + 1);
    for word in &filter.words {
        let condition = match &word.test {
            Test::Text(text) => {
                let owners = load_owners(conn, text).await?;
                text_condition(text, &owners, reach)
            }
            Test::Super => Box::new(auth_user::is_superuser) as Condition,
            Test::Staff => Box::new(auth_user::is_staff),
            Test::Off => Box::new(not(auth_user::is_active)),
            Test::NoToken => Box::new(has_no_token()),
            Test::Drf => Box::new(not(has_no_token())),
            Test::Stale => {
                let limit = Instant(now.minus_days(Test::STALE_DAYS));
                let older = truth_or(authtoken_token::created.lt(limit).nullable(), false);
                let policy = not(auth_user::is_active)
                    .or(auth_user::is_superuser)
                    .or(older);
                if site.has_uses {
                    let unused = is_unused_since(now.minus_days(Test::STALE_UNUSED_DAYS), now);
                    Box::new(not(has_no_token()).and(policy.or(unused))) as Condition
                } else {
                    Box::new(not(has_no_token()).and(policy))
                }
            }
            Test::UnusedFor(_) | Test::UsedWithin(_) if !site.has_uses => {
                return Err(unknown_uses(&word.test.to_string()));
            }
            Test::UnusedFor(hours) => {
                let unused = is_unused_since(now.minus_hours(*hours), now);
                Box::new(not(has_no_token()).and(unused))
            }
            Test::UsedWithin(hours) => {
                let unused = is_unused_since(now.minus_hours(*hours), now);
                Box::new(not(has_no_token()).and(not(unused)))
            }
            // Unknown for a user without a token, which counts as false. A WHERE takes it so by itself, and Postgres has
            // statistics for the bare column; only under a NOT it must be said, which hides the column from them.
            Test::OlderThan(days) => {
                let limit = Instant(now.minus_days(*days));
                let older = authtoken_token::created.lt(limit).nullable();
                if word.negated {
                    Box::new(truth_or(older, false)) as Condition
                } else {
                    Box::new(older.assume_not_null())
                }
            }
            Test::YoungerThan(days) => {
                let limit = Instant(now.minus_days(*days));
                let younger = authtoken_token::created.gt(limit).nullable();
                if word.negated {
                    Box::new(truth_or(younger, false)) as Condition
                } else {
                    Box::new(younger.assume_not_null())
                }
            }
            // Whoever is marked stands in `only`; where nobody filled it in, nobody is marked.
            Test::Marked => any_of(filter.only.as_deref().unwrap_or_default()),
        };
        conditions.push(if word.negated {
            Box::new(not(condition))
        } else {
            condition
        });
    }
    if let (Some(only), false) = (&filter.only, filter.wants_marked()) {
        conditions.push(any_of(only));
    }
    Ok(conditions)
}

/// Whether the join found no token. Asked of the column that is joined: only there does Postgres see that it may stop
/// at the first token (an anti join), and estimate how many users have none.
#[diesel::dsl::auto_type]
pub fn has_no_token() -> _ {
    authtoken_token::user_id.nullable().is_null()
}

/// What is said to who wants to know of uses, by `word`, where they are not known.
pub(super) fn unknown_uses(word: &str) -> Error {
    Error::Shape(format!(
        "{word} cannot be told: the last use of tokens is not written down here, or may not be read; tokenward migrate \
         makes the table for it"
    ))
}

/// Whether the token was not used since `limit`, nor made; never where no listener watched then already, or none watches
/// `now`. It is false for a user without a token. Diesel has no word for a table of ours that is joined with the token's.
fn is_unused_since(limit: Moment, now: Moment) -> Unused {
    let made = "coalesce(\"authtoken_token\".\"created\" < ";
    let watched = ", false) AND EXISTS (SELECT FROM tokenward.installation i WHERE i.uses_since < ";
    let still = " AND i.uses_last >= ";
    let used = ") AND NOT EXISTS (SELECT FROM tokenward.last_use AS l WHERE l.kind = 'drf' \
                AND l.id = \"authtoken_token\".\"user_id\"::text AND l.made = \"authtoken_token\".\"created\" \
                AND l.at >= ";
    sql::<Bool>(&format!("({made}"))
        .bind::<Timestamptz, _>(Instant(limit))
        .sql(watched)
        .bind::<Timestamptz, _>(Instant(limit))
        .sql(still)
        .bind::<Timestamptz, _>(Instant(now.minus_days(WATCH_DAYS)))
        .sql(used)
        .bind::<Timestamptz, _>(Instant(limit))
        .sql("))")
}

/// A piece of SQL with a time behind it.
type WithTime<Before> =
    SqlLiteral<Bool, UncheckedBind<Before, <Instant as AsExpression<Timestamptz>>::Expression>>;

/// What [`is_unused_since`] gives.
type Unused = WithTime<WithTime<WithTime<WithTime<SqlLiteral<Bool>>>>>;

/// The owners of the keys that start with `text`: asked for first, by index, since Postgres cannot use two
/// tables' indexes for one "or".
async fn load_owners(conn: &mut Conn, text: &str) -> Result<Vec<UserId>, Error> {
    if text.chars().count() < KEY_START {
        return Ok(Vec::new());
    }
    let owners: Vec<Id> = authtoken_token::table
        .filter(authtoken_token::key.like(format!("{}%", escaped(text))))
        .select(authtoken_token::user_id)
        .limit(KEY_MATCHES)
        .load(conn)
        .await?;
    Ok(owners.into_iter().map(|id| id.0).collect())
}

fn text_condition(text: &str, owners: &[UserId], reach: Reach) -> Condition {
    let pattern = escaped(text);
    let start = format!("{pattern}%");
    match (reach, owners) {
        (Reach::Near, []) => Box::new(auth_user::username.like(start)),
        // Beside an "or" Postgres expects names that start alike to be spread over the whole index of names, and walks
        // it through. So both are looked up by index first. Diesel has no word for a second reading of a table that
        // stands under a name of ours.
        (Reach::Near, owners) => {
            let named = sql::<Bool>(
                "\"auth_user\".\"id\" IN (SELECT named.\"id\" FROM \"auth_user\" AS named \
                 WHERE named.\"username\" LIKE ",
            );
            let owning = " UNION ALL SELECT owned.\"user_id\" FROM \"authtoken_token\" AS owned \
                          WHERE owned.\"user_id\" = ANY (";
            Box::new(
                named
                    .bind::<Text, _>(start)
                    .sql(owning)
                    .bind::<UserKeys, _>(Ids(owners.to_vec()))
                    .sql("))"),
            )
        }
        (Reach::Far, owners) => {
            let anywhere = format!("%{pattern}%");
            let full_name = auth_user::first_name
                .concat(" ")
                .concat(auth_user::last_name);
            Box::new(
                auth_user::username
                    .ilike(anywhere.clone())
                    .or(auth_user::email.ilike(anywhere.clone()))
                    .or(full_name.ilike(anywhere))
                    .or(any_of(owners)),
            )
        }
    }
}

/// `id` is one of these. Raw SQL, because Diesel's `eq_any` sends an array with the number of its element's type,
/// which a site's key type has not here; [`Ids`] writes the number that each id has.
fn any_of(ids: &[UserId]) -> Condition {
    if ids.is_empty() {
        return Box::new(sql::<Bool>("false"));
    }
    Box::new(among("\"auth_user\".\"id\"", ids))
}

/// `column` is one of `ids`, of which there must be one at least.
pub(super) fn among(column: &str, ids: &[UserId]) -> Among {
    sql::<Bool>(&format!("{column} = ANY ("))
        .bind::<UserKeys, _>(Ids(ids.to_vec()))
        .sql(")")
}

/// What [`among`] gives.
pub(super) type Among =
    SqlLiteral<Bool, UncheckedBind<SqlLiteral<Bool>, <Ids as AsExpression<UserKeys>>::Expression>>;

/// `text` with the three characters that LIKE reads as its own made plain.
pub(super) fn escaped(text: &str) -> String {
    let mut plain = String::with_capacity(text.len() + 4);
    for character in text.chars() {
        if matches!(character, '%' | '_' | '\\') {
            plain.push('\\');
        }
        plain.push(character);
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_like_reads_as_its_own_is_made_plain() {
        assert_eq!(escaped(r"100%_a\b"), r"100\%\_a\\b");
    }
}
