//! One connection for look-ups, and its questions, prepared once.
//!
//! They are plain SQL: Diesel prepares no query anew that holds literal SQL, and has no words for an array of the names
//! of each row's groups, nor for the position of a key in the question.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_postgres::error::SqlState;
use tokio_postgres::types::{FromSql, Type};
use tokio_postgres::{Client, Row, Statement};
use uuid::Uuid;

use super::{Found, Holder};
use crate::db::site::Site;
use crate::db::{Db, Error, connect};
use crate::domain::moment::Moment;
use crate::domain::principal::{Account, Presented};
use crate::domain::retired::{KeyDigest, Salt};
use crate::domain::token::KnoxDigest;
use crate::domain::user::UserId;

/// A connection with its statements.
pub(super) struct Session {
    client: Client,
    link: JoinHandle<Result<(), tokio_postgres::Error>>,
    server: Option<Arc<str>>,
    drf: Statement,
    /// `None` where there is no `knox_authtoken`, or the role may not read it: no key of that kind is known then.
    knox: Option<Statement>,
    /// `None` where our schema remembers no retired keys, or the role may not read it: none is in its grace then.
    grace: Option<Grace>,
    looked_for_grace: Instant,
    is_stuck: bool,
}

/// Asks for keys that were replaced and are still taken.
struct Grace {
    salt: Salt,
    question: Statement,
}

/// So often it is looked for, where it is not there: `migrate` may make it while we serve.
const LOOK_FOR_GRACE: Duration = Duration::from_secs(1);

/// So long its answer is waited for: it is late only where somebody locks our table.
const GRACE_LATE: Duration = Duration::from_millis(500);

impl Drop for Session {
    fn drop(&mut self) {
        self.link.abort();
    }
}

/// A handful of rows by their keys: an index serves each, whatever the statistics of a table say that has just been
/// filled. Planning such a question takes longer than answering it, so one plan serves all.
const PLANS: &str = "SET plan_cache_mode = force_generic_plan; SET enable_seqscan = off; SET enable_hashjoin = off; \
                     SET enable_mergejoin = off; SET enable_bitmapscan = off";

/// Who answers, in the words of the notices' own question, and whether there are knox tokens to be read.
const WHO: &str = "
SELECT CASE WHEN NOT pg_catalog.pg_is_in_recovery() THEN
           pg_catalog.concat_ws(' ', pg_catalog.pg_postmaster_start_time(),
               (SELECT d.oid FROM pg_catalog.pg_database d WHERE d.datname = pg_catalog.current_database()))
       END AS server,
       coalesce(pg_catalog.has_table_privilege(pg_catalog.to_regclass('knox_authtoken'), 'SELECT'), false) AS has_knox";

/// Whether retired keys are remembered, with what ends their grace, and may be read. Of the catalogue: a name of a schema
/// that the role may not use is an error.
const HAS_GRACE: &str = "
SELECT count(*) = 2 AND EXISTS (
           SELECT FROM pg_catalog.pg_proc p JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace
            WHERE n.nspname = 'tokenward' AND p.proname = 'end_grace')
  FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
 WHERE n.nspname = 'tokenward' AND c.relname IN ('retired_key', 'installation')
   AND pg_catalog.has_schema_privilege(n.oid, 'USAGE') AND pg_catalog.has_table_privilege(c.oid, 'SELECT')";

impl Session {
    pub(super) async fn open(db: &Db) -> Result<Self, Error> {
        let (client, link) = Box::pin(db.connector().client()).await?;
        client.batch_execute(PLANS).await.map_err(failed)?;
        let who = client.query_one(WHO, &[]).await.map_err(failed)?;
        let server: Option<String> = who.try_get("server").map_err(failed)?;
        let site = db.site();
        let drf = client.prepare(&drf_question(site)).await.map_err(failed)?;
        let knox = if who.try_get("has_knox").map_err(failed)? {
            let question = knox_question(site);
            Some(client.prepare(&question).await.map_err(failed)?)
        } else {
            None
        };
        let mut session = Self {
            client,
            link,
            server: server.map(Arc::from),
            drf,
            knox,
            grace: None,
            looked_for_grace: Instant::now(),
            is_stuck: false,
        };
        session.look_for_grace(site).await?;
        Ok(session)
    }

    /// Whether it is time to look for the memory of retired keys again.
    pub(super) fn may_have_grace_by_now(&self) -> bool {
        self.grace.is_none() && self.looked_for_grace.elapsed() >= LOOK_FOR_GRACE
    }

    /// Looks for the memory of retired keys.
    pub(super) async fn look_for_grace(&mut self, site: &Site) -> Result<(), Error> {
        self.looked_for_grace = Instant::now();
        let there = self.client.query_one(HAS_GRACE, &[]).await;
        if !there.and_then(|row| row.try_get(0)).map_err(failed)? {
            return Ok(());
        }
        let salt = "SELECT salt FROM tokenward.installation";
        let Some(row) = self.client.query_opt(salt, &[]).await.map_err(failed)? else {
            return Ok(());
        };
        let salt = Salt::new(row.try_get(0).map_err(failed)?);
        let question = self.client.prepare(&grace_question(site)).await;
        let question = question.map_err(failed)?;
        self.grace = Some(Grace { salt, question });
        Ok(())
    }

    /// An answer for each key, in their order. `stamp` was read before.
    pub(super) async fn ask(
        &mut self,
        keys: &[Presented],
        stamp: u64,
    ) -> Result<Vec<Found>, Error> {
        let mut found: Vec<Found> = keys
            .iter()
            .map(|_| Found {
                holder: None,
                stamp,
                server: self.server.clone(),
                is_doubtful: false,
            })
            .collect();
        // Sent together, they share the way there and back.
        let (drf, knox) = tokio::try_join!(self.ask_drf(keys), self.ask_knox(keys))?;
        for (at, holder) in drf.into_iter().chain(knox) {
            if let Some(found) = found.get_mut(at) {
                found.holder = Some(holder);
            }
        }
        self.add_graces(keys, &mut found).await?;
        Ok(found)
    }

    /// Whether an answer is outstanding that nobody waits for: the connection is of no use any more.
    pub(super) const fn is_stuck(&self) -> bool {
        self.is_stuck
    }

    /// Asks for those that are no keys whether they were, and are still taken. Last, so that a key which is replaced
    /// meanwhile is found by the one question or the other; and not for long, since good keys wait with them.
    async fn add_graces(&mut self, keys: &[Presented], found: &mut [Found]) -> Result<(), Error> {
        let Some(Grace { salt, question }) = &self.grace else {
            return Ok(());
        };
        let mut asked: Vec<(usize, KeyDigest)> = Vec::new();
        for (at, (key, found)) in keys.iter().zip(&*found).enumerate() {
            match key {
                Presented::Drf(key) if found.holder.is_none() => asked.push((at, salt.drf(key))),
                Presented::Drf(_) | Presented::Knox(_) => {}
            }
        }
        if asked.is_empty() {
            return Ok(());
        }
        let Ok(graces) = timeout(GRACE_LATE, self.ask_grace(question, &asked)).await else {
            self.is_stuck = true;
            for (at, _) in asked {
                found[at].is_doubtful = true;
            }
            return Ok(());
        };
        for (at, holder) in graces? {
            if let Some(found) = found.get_mut(at) {
                found.holder = Some(holder);
            }
        }
        Ok(())
    }

    async fn ask_drf(&self, keys: &[Presented]) -> Result<Vec<(usize, Holder)>, Error> {
        let mut asked: Vec<(usize, &str)> = Vec::new();
        for (at, key) in keys.iter().enumerate() {
            match key {
                // Postgres' text holds no NUL, so no key does.
                Presented::Drf(key) if !key.expose().contains('\0') => {
                    asked.push((at, key.expose()));
                }
                Presented::Drf(_) | Presented::Knox(_) => {}
            }
        }
        if asked.is_empty() {
            return Ok(Vec::new());
        }
        let texts: Vec<&str> = asked.iter().map(|(_, key)| *key).collect();
        let rows = self.client.query(&self.drf, &[&texts]).await;
        let holders = rows.map_err(failed)?.into_iter().map(|row| {
            let position: i64 = row.try_get(0)?;
            let holder = Holder {
                account: account(&row)?,
                created: row.try_get::<_, Timestamp>(1)?.0,
                expiry: None,
                other_expiry: None,
            };
            Ok((at_position(&asked, position), holder))
        });
        placed(holders)
    }

    /// Keys of REST framework that were replaced and are taken until their grace ends.
    async fn ask_grace(
        &self,
        question: &Statement,
        asked: &[(usize, KeyDigest)],
    ) -> Result<Vec<(usize, Holder)>, Error> {
        let digests: Vec<&[u8]> = asked
            .iter()
            .map(|(_, digest)| digest.as_bytes().as_slice())
            .collect();
        let rows = self.client.query(question, &[&digests]).await;
        let holders = rows.map_err(failed)?.into_iter().map(|row| {
            let position: i64 = row.try_get(0)?;
            let holder = Holder {
                account: account(&row)?,
                created: row.try_get::<_, Timestamp>(1)?.0,
                expiry: Some(row.try_get::<_, Timestamp>(9)?.0),
                other_expiry: None,
            };
            Ok((at_position(asked, position), holder))
        });
        placed(holders)
    }

    async fn ask_knox(&self, keys: &[Presented]) -> Result<Vec<(usize, Holder)>, Error> {
        let mut asked: Vec<(usize, (&str, KnoxDigest))> = Vec::new();
        for (at, key) in keys.iter().enumerate() {
            match key {
                Presented::Knox(key) if !key.token_key().contains('\0') => {
                    asked.push((at, (key.token_key(), key.digest())));
                }
                Presented::Drf(_) | Presented::Knox(_) => {}
            }
        }
        let (false, Some(question)) = (asked.is_empty(), &self.knox) else {
            return Ok(Vec::new());
        };
        let starts: Vec<&str> = asked.iter().map(|(_, (start, _))| *start).collect();
        let rows = self.client.query(question, &[&starts]).await;
        let holders = rows.map_err(failed)?.into_iter().map(|row| {
            let position: i64 = row.try_get(0)?;
            let holder = Holder {
                account: account(&row)?,
                created: row.try_get::<_, Timestamp>(1)?.0,
                expiry: row.try_get::<_, Option<Timestamp>>(9)?.map(|end| end.0),
                other_expiry: row.try_get::<_, Option<Timestamp>>(10)?.map(|end| end.0),
            };
            // Several rows may begin alike; the digest, compared in constant time, tells which is meant.
            let stored = KnoxDigest::parse(row.try_get(11)?);
            let meant = usize::try_from(position - 1)
                .ok()
                .and_then(|at| asked.get(at));
            let meant = meant.filter(|(_, (_, digest))| Some(*digest) == stored);
            Ok((meant.map(|(at, _)| *at), holder))
        });
        placed(holders)
    }
}

/// The place in the batch of what stands at `position`, from 1 on, in the question.
fn at_position<T>(asked: &[(usize, T)], position: i64) -> Option<usize> {
    let (at, _) = asked.get(usize::try_from(position - 1).ok()?)?;
    Some(*at)
}

fn placed(
    holders: impl Iterator<Item = Result<(Option<usize>, Holder), tokio_postgres::Error>>,
) -> Result<Vec<(usize, Holder)>, Error> {
    holders
        .filter_map(|holder| match holder {
            Ok((Some(at), holder)) => Some(Ok((at, holder))),
            Ok((None, _)) => None,
            Err(error) => Some(Err(failed(error))),
        })
        .collect()
}

/// Columns 2 to 8 of both questions. A site's own user table may hold NULL where Django's does not. Most users are in no
/// group, and Postgres finds that out sooner than it sorts an empty list of names.
fn account_columns(site: &Site) -> String {
    let groups = if site.has_groups {
        "CASE WHEN EXISTS (SELECT FROM auth_user_groups m WHERE m.user_id = u.id) \
              THEN ARRAY(SELECT g.name::text FROM auth_user_groups m JOIN auth_group g ON g.id = m.group_id \
                          WHERE m.user_id = u.id ORDER BY g.name) \
              ELSE '{}'::text[] END"
    } else {
        "'{}'::text[]"
    };
    format!(
        "u.id, coalesce(u.username::text, ''), coalesce(u.email::text, ''), coalesce(u.first_name::text, ''), \
         coalesce(u.last_name::text, ''), coalesce(u.is_active, false), {groups}"
    )
}

fn drf_question(site: &Site) -> String {
    format!(
        "{}SELECT asked.position, t.created, {} \
           FROM unnest($1::text[]) WITH ORDINALITY AS asked(key, position) \
           JOIN authtoken_token t ON t.key = asked.key \
           JOIN auth_user u ON u.id = t.user_id",
        site.preamble(),
        account_columns(site)
    )
}

fn knox_question(site: &Site) -> String {
    format!(
        "{}SELECT asked.position, t.created, {}, t.expiry, \
                  (SELECT min(o.expiry) FROM knox_authtoken o WHERE o.user_id = t.user_id AND o.digest <> t.digest), \
                  t.digest::text \
           FROM unnest($1::text[]) WITH ORDINALITY AS asked(start, position) \
           JOIN knox_authtoken t ON t.token_key = asked.start \
           JOIN auth_user u ON u.id = t.user_id",
        site.preamble(),
        account_columns(site)
    )
}

/// When a key was made is not remembered, so when it was replaced stands for it.
fn grace_question(site: &Site) -> String {
    format!(
        "{}SELECT asked.position, r.retired, {}, r.grace_until \
           FROM unnest($1::bytea[]) WITH ORDINALITY AS asked(digest, position) \
           JOIN tokenward.retired_key r ON r.digest = asked.digest \
           JOIN auth_user u ON u.id = r.user_id::{} \
          WHERE r.grace_until IS NOT NULL AND r.kind = 'drf' AND r.grace_until > clock_timestamp()",
        site.preamble(),
        account_columns(site),
        site.id_type
    )
}

fn account(row: &Row) -> Result<Account, tokio_postgres::Error> {
    let (first, last): (&str, &str) = (row.try_get(5)?, row.try_get(6)?);
    Ok(Account {
        id: row.try_get::<_, Id>(2)?.0,
        username: row.try_get::<_, &str>(3)?.into(),
        email: row.try_get::<_, &str>(4)?.into(),
        full_name: Account::full_name(first, last),
        is_active: row.try_get(7)?,
        groups: row.try_get(8)?,
    })
}

/// A user's id as the driver reads it.
struct Id(UserId);

impl<'a> FromSql<'a> for Id {
    fn from_sql(
        kind: &Type,
        raw: &'a [u8],
    ) -> Result<Self, Box<dyn std::error::Error + Sync + Send>> {
        Ok(Self(if *kind == Type::INT4 {
            UserId::Int4(i32::from_be_bytes(raw.try_into()?))
        } else if *kind == Type::INT8 {
            UserId::Int8(i64::from_be_bytes(raw.try_into()?))
        } else {
            UserId::Uuid(Uuid::from_bytes(raw.try_into()?))
        }))
    }

    fn accepts(kind: &Type) -> bool {
        [Type::INT4, Type::INT8, Type::UUID].contains(kind)
    }
}

/// An instant as the driver reads it.
struct Timestamp(Moment);

impl<'a> FromSql<'a> for Timestamp {
    fn from_sql(_: &Type, raw: &'a [u8]) -> Result<Self, Box<dyn std::error::Error + Sync + Send>> {
        let micros = i64::from_be_bytes(raw.try_into()?);
        Ok(Self(crate::db::rows::moment(micros)))
    }

    fn accepts(kind: &Type) -> bool {
        *kind == Type::TIMESTAMPTZ
    }
}

/// What the driver's errors mean to us.
#[expect(clippy::needless_pass_by_value, reason = "it stands in `map_err`")]
fn failed(error: tokio_postgres::Error) -> Error {
    let Some(said) = error.as_db_error() else {
        return Error::Unavailable(error.to_string());
    };
    let message = said.message().to_owned();
    match said.code() {
        code if *code == SqlState::INSUFFICIENT_PRIVILEGE => Error::Right(message),
        code if *code == SqlState::QUERY_CANCELED => Error::Slow(message),
        code if *code == SqlState::INVALID_SQL_STATEMENT_NAME
            || *code == SqlState::DUPLICATE_PSTATEMENT =>
        {
            Error::Unavailable(format!("{message}; {}", connect::THROUGH_A_POOLER))
        }
        code if code.code().starts_with("57P") || code.code().starts_with("08") => {
            Error::Unavailable(message)
        }
        _ => Error::Other(message),
    }
}
