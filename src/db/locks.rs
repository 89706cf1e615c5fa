//! Who stands in the way: asked after a wait for a lock was given up, so that the error can name a process to look at
//! rather than only say "somebody". [`super::Db::explain`] calls it.

use std::fmt;

use diesel::prelude::*;
use diesel::sql_types::{BigInt, Integer, Nullable, Text};
use diesel_async::RunQueryDsl;

use super::site::Site;
use super::{Conn, Error};

/// A session that holds a lock.
#[derive(Debug, QueryableByName)]
pub struct Holder {
    #[diesel(sql_type = Integer)]
    pid: i32,
    #[diesel(sql_type = Nullable<Text>)]
    role: Option<String>,
    #[diesel(sql_type = Nullable<Text>)]
    application: Option<String>,
    #[diesel(sql_type = Text)]
    relation: String,
    #[diesel(sql_type = BigInt)]
    holders: i64,
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let role = self.role.as_deref().unwrap_or("of the server");
        write!(f, "pid {}, user {role}", self.pid)?;
        if let Some(application) = self.application.as_ref().filter(|name| !name.is_empty()) {
            write!(f, ", application {application}")?;
        }
        write!(f, ", on {}", self.relation)?;
        match self.holders {
            ..=1 => Ok(()),
            more => write!(f, " (and {} more)", more - 1),
        }
    }
}

/// Our wait is over, so `pg_blocking_pids` has nothing to tell of it any more. Whoever made us wait still holds the
/// strongest lock on one of our tables: the table's own, or the one that a change of a row takes (manual, 13.3.1).
/// A session that waits itself is not the one. Of several the oldest transaction comes first.
///
/// Every role may see a session's number, role and application (manual, 28.2.3). System views have no Diesel type.
const QUESTION: &str = "
WITH held AS (
    SELECT DISTINCT ON (l.pid) l.pid, l.relation, l.mode = 'AccessShareLock' AS only_reads,
           array_position(ARRAY['AccessExclusiveLock', 'ExclusiveLock', 'ShareRowExclusiveLock', 'ShareLock',
                                'ShareUpdateExclusiveLock', 'RowExclusiveLock', 'RowShareLock',
                                'AccessShareLock'], l.mode) AS weakness
      FROM pg_catalog.pg_locks l
     WHERE l.locktype = 'relation' AND l.granted AND l.pid <> pg_backend_pid()
       AND l.database = (SELECT oid FROM pg_catalog.pg_database WHERE datname = current_database())
       AND l.relation IN (to_regclass('authtoken_token')::oid, to_regclass('knox_authtoken')::oid,
                          to_regclass($1)::oid)
       AND NOT EXISTS (SELECT FROM pg_catalog.pg_locks w WHERE w.pid = l.pid AND NOT w.granted)
     ORDER BY l.pid, weakness
)
SELECT h.pid, a.usename::text AS role, a.application_name AS application, h.relation::regclass::text AS relation,
       count(*) FILTER (WHERE NOT h.only_reads) OVER () AS holders
  FROM held h JOIN pg_catalog.pg_stat_activity a ON a.pid = h.pid
 ORDER BY h.weakness, a.xact_start, h.pid
 LIMIT 1";

/// Finds who most likely holds the lock that we waited for in vain on the tokens or on the users of `site`.
///
/// # Errors
/// When the database refuses or is away.
pub async fn find_holder(conn: &mut Conn, site: &Site) -> Result<Option<Holder>, Error> {
    Ok(diesel::sql_query(QUESTION)
        .bind::<Text, _>(&site.user_table)
        .get_result(conn)
        .await
        .optional()?)
}
