//! What `doctor` asks of the tokens and of what stands around them. Walks over all tokens go in steps, by their owners'
//! ids, so that no statement reads more than one step whatever the table's size; keys stay in the database, but for those
//! that look weak, and the digests that two databases are compared by.

use std::fmt::Write as _;

use diesel::dsl::sql;
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Binary, Bool, Nullable, Text};
use diesel_async::RunQueryDsl;

use super::rows::{Id, Instant, UserColumns, UserWithToken, user_row};
use super::schema::{auth_user, authtoken_token, convert_to, sha256};
use super::site::Site;
use super::users::{user_columns, with_tokens};
use super::{Conn, Error};
use crate::domain::moment::Moment;
use crate::domain::token::{DrfKey, Fingerprint};
use crate::domain::user::{User, UserId, UserRow};
use crate::domain::weak::Weakness;

/// One step over the tokens: those of the owners behind `after`, up to and with `upto`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Step {
    /// Behind this one; from the first where there is none.
    pub after: Option<UserId>,
    /// To this one; to the last where there is none.
    pub upto: Option<UserId>,
}

/// Finds the step of `size` tokens behind `after`.
///
/// # Errors
/// When the database refuses or is away.
pub async fn find_step(conn: &mut Conn, after: Option<UserId>, size: u32) -> Result<Step, Error> {
    let mut last = authtoken_token::table
        .select(authtoken_token::user_id)
        .order_by(authtoken_token::user_id)
        .offset(i64::from(size.saturating_sub(1)))
        .limit(1)
        .into_boxed();
    if let Some(after) = after {
        last = last.filter(authtoken_token::user_id.gt(Id(after)));
    }
    let upto: Option<Id> = last.get_result(conn).await.optional()?;
    Ok(Step {
        after,
        upto: upto.map(|id| id.0),
    })
}

/// A token whose key may be weak.
#[derive(Debug)]
pub struct Suspect {
    /// Its owner.
    pub user: User,
    /// Its key.
    pub key: DrfKey,
    /// When it was made.
    pub created: Moment,
}

/// Loads the tokens of one step whose keys may be weak: every weak one, and a few more.
///
/// # Errors
/// When the database refuses or is away.
pub async fn load_suspects(
    conn: &mut Conn,
    site: &Site,
    step: Step,
) -> Result<Vec<Suspect>, Error> {
    let columns: user_columns = user_columns();
    let mut query = auth_user::table
        .inner_join(authtoken_token::table)
        .select((columns, authtoken_token::key, authtoken_token::created))
        .filter(sql::<Bool>(&suspicious("\"authtoken_token\".\"key\"")))
        .order_by(authtoken_token::user_id)
        .into_boxed();
    if let Some(after) = step.after {
        query = query.filter(authtoken_token::user_id.gt(Id(after)));
    }
    if let Some(upto) = step.upto {
        query = query.filter(authtoken_token::user_id.le(Id(upto)));
    }
    let rows: Vec<(UserColumns, String, Instant)> = site.query(query).load(conn).await?;
    let suspect = |(user, key, created): (UserColumns, String, Instant)| Suspect {
        user: user.into(),
        key: DrfKey::new(key),
        created: created.into(),
    };
    Ok(rows.into_iter().map(suspect).collect())
}

/// What holds of each key that [`crate::domain::weak::weakness`] calls weak, and of no random one but those with a checksum,
/// which SQL cannot work out. Diesel's language has no regular expressions.
fn suspicious(key: &str) -> String {
    let mut said = format!("({key} !~ '^[0-9a-f]{{40}}$' OR ");
    for digit in "0123456789abcdef".chars() {
        let _ = write!(said, "(position('{digit}' in {key}) > 0)::int + ");
    }
    let _ = write!(said, "0 < {}", Weakness::FEWEST);
    for piece in 1..=20 {
        let rest = 40 - piece;
        let _ = write!(said, " OR left({key}, {rest}) = right({key}, {rest})");
    }
    let up = Weakness::COUNTED;
    let down: String = up.chars().rev().collect();
    let runs: Vec<&str> = (0..16)
        .flat_map(|at| [&up[at..at + Weakness::RUN], &down[at..at + Weakness::RUN]])
        .collect();
    let _ = write!(said, " OR {key} ~ '{}')", runs.join("|"));
    said
}

/// Loads the digests of the keys of one step.
///
/// # Errors
/// When the database refuses or is away.
pub async fn load_digests(conn: &mut Conn, step: Step) -> Result<Vec<Vec<u8>>, Error> {
    let mut query = authtoken_token::table
        .select(sha256(convert_to(authtoken_token::key, "UTF8")))
        .into_boxed();
    if let Some(after) = step.after {
        query = query.filter(authtoken_token::user_id.gt(Id(after)));
    }
    if let Some(upto) = step.upto {
        query = query.filter(authtoken_token::user_id.le(Id(upto)));
    }
    Ok(query.load(conn).await?)
}

/// Loads the owners of keys that have one of `digests`, each with his row. Reads the whole table, once: there is no index
/// of digests.
///
/// # Errors
/// When the database refuses or is away.
pub async fn load_by_digests(
    conn: &mut Conn,
    site: &Site,
    digests: &[Vec<u8>],
) -> Result<Vec<UserRow>, Error> {
    // As a set to join with. An array to look through would be looked through for each token.
    let among =
        sql::<Bool>("sha256(convert_to(\"authtoken_token\".\"key\", 'UTF8')) IN (SELECT unnest(")
            .bind::<diesel::sql_types::Array<Binary>, _>(digests.to_vec())
            .sql("))");
    let query = with_tokens().filter(among);
    let rows: Vec<UserWithToken> = site.query(query).load(conn).await?;
    Ok(rows.into_iter().map(user_row).collect())
}

/// Whether an index finds keys by how they begin; without one a list narrowed to the start of a key reads the whole table.
///
/// # Errors
/// When the database refuses or is away.
pub async fn has_like_index(conn: &mut Conn) -> Result<bool, Error> {
    // The catalogue is no table of ours. An index in the order of bytes serves too, by its own collation or by the
    // database's.
    const QUESTION: &str = "EXISTS (
SELECT FROM pg_catalog.pg_index i
  JOIN pg_catalog.pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = i.indkey[0]
  JOIN pg_catalog.pg_opclass o ON o.oid = i.indclass[0]
  JOIN pg_catalog.pg_am m ON m.oid = o.opcmethod
  LEFT JOIN pg_catalog.pg_collation c ON c.oid = i.indcollation[0]
 WHERE i.indrelid = to_regclass('authtoken_token') AND a.attname = 'key' AND i.indisvalid AND i.indpred IS NULL
   AND m.amname = 'btree'
   AND (o.opcname ~ 'pattern_ops$' OR c.collcollate IN ('C', 'POSIX')
        OR c.collprovider = 'd' AND (SELECT d.datcollate IN ('C', 'POSIX') FROM pg_catalog.pg_database d
                                      WHERE d.datname = current_database())))";
    Ok(diesel::select(sql::<Bool>(QUESTION))
        .get_result(conn)
        .await?)
}

/// Whether the log of Django's admin is there, and may be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AdminLog {
    /// It is not.
    Absent,
    /// It is, and this role may not read it.
    Closed,
    /// It may be read.
    Open,
}

#[derive(QueryableByName)]
struct Readable {
    #[diesel(sql_type = Nullable<Bool>)]
    readable: Option<bool>,
}

/// Finds out about `django_admin_log`.
///
/// # Errors
/// When the database refuses or is away.
pub async fn find_admin_log(conn: &mut Conn) -> Result<AdminLog, Error> {
    // As above.
    let found: Readable = diesel::sql_query(
        "SELECT has_table_privilege(to_regclass('django_admin_log')::oid, 'SELECT') AS readable",
    )
    .get_result(conn)
    .await?;
    Ok(match found.readable {
        None => AdminLog::Absent,
        Some(false) => AdminLog::Closed,
        Some(true) => AdminLog::Open,
    })
}

/// A key that stands whole in an entry of the log.
#[derive(Debug, QueryableByName)]
pub struct Logged {
    /// The entry.
    #[diesel(sql_type = BigInt)]
    pub entry: i64,
    /// Which of its columns.
    #[diesel(sql_type = Text)]
    pub place: String,
    #[diesel(sql_type = Binary)]
    digest: Vec<u8>,
}

impl Logged {
    /// Of the key.
    #[must_use]
    pub fn fingerprint(&self) -> Option<Fingerprint> {
        let bytes = self.digest.as_slice().try_into().ok()?;
        Some(Fingerprint::from_bytes(bytes))
    }
}

/// Loads what stands of keys in the entries of the log behind `after`, `size` of them, and the last entry that was looked
/// at; `None` when there was none.
///
/// The name of a Token in Django is its key, and so is its primary key before REST framework 3.12: the admin writes both
/// down, the first in the change of a user too, as `"object": "…"` or within a sentence.
///
/// # Errors
/// When the database refuses or is away.
pub async fn load_logged(
    conn: &mut Conn,
    after: i64,
    size: u32,
) -> Result<Option<(Vec<Logged>, i64)>, Error> {
    #[derive(QueryableByName)]
    struct Last {
        #[diesel(sql_type = Nullable<BigInt>)]
        last: Option<i64>,
    }
    // The log is Django's, its shape is that of no table of ours, and texts are taken apart: raw SQL.
    let last: Last = diesel::sql_query(
        "SELECT max(id)::bigint AS last FROM \
         (SELECT id FROM django_admin_log WHERE id > $1 ORDER BY id LIMIT $2) AS step",
    )
    .bind::<BigInt, _>(after)
    .bind::<BigInt, _>(i64::from(size))
    .get_result(conn)
    .await?;
    let Some(last) = last.last else {
        return Ok(None);
    };
    let logged: Vec<Logged> = diesel::sql_query(LOGGED)
        .bind::<BigInt, _>(after)
        .bind::<BigInt, _>(last)
        .load(conn)
        .await?;
    Ok(Some((logged, last)))
}

const LOGGED: &str = r#"
WITH step AS MATERIALIZED (
    SELECT id::bigint AS id, object_id, object_repr, change_message FROM django_admin_log WHERE id > $1 AND id <= $2
), said AS (
    SELECT id, 'object_id' AS place, object_id AS key FROM step
    UNION ALL SELECT id, 'object_repr', object_repr FROM step
    UNION ALL SELECT id, 'object_repr', found[1] FROM step,
        regexp_matches(object_repr, '([0-9a-f]{40}|twd_[0-9A-Za-z]{36})', 'g') AS found
    UNION ALL SELECT id, 'change_message', found[1] FROM step,
        regexp_matches(change_message, '([0-9a-f]{40}|twd_[0-9A-Za-z]{36})', 'g') AS found
    UNION ALL SELECT id, 'change_message', found[1] FROM step,
        regexp_matches(change_message, '"object": "([^"\\]+)"', 'g') AS found
)
SELECT DISTINCT s.id AS entry, s.place, sha256(convert_to(t.key, 'UTF8')) AS digest
  FROM said s JOIN authtoken_token t ON t.key = s.key
 ORDER BY entry, place"#;

/// What tells this table of tokens from every other one that we may be connected to at the same time.
///
/// # Errors
/// When the database is away.
pub async fn find_identity(conn: &mut Conn) -> Result<String, Error> {
    // When the server started, to the microsecond, and the catalogue's numbers: no table of ours.
    const QUESTION: &str = "(SELECT concat_ws(' ', extract(epoch FROM pg_postmaster_start_time()), d.oid, \
        to_regclass('authtoken_token')::oid) FROM pg_catalog.pg_database d WHERE d.datname = current_database())";
    Ok(diesel::select(sql::<Text>(QUESTION))
        .get_result(conn)
        .await?)
}
