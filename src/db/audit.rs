//! Every query on `tokenward.audit`, and what tells its triggers who makes a change. A line gets its place in the chain and
//! its hash from the database, when its transaction commits.

use diesel::expression::SqlLiteral;
use diesel::pg::Pg;
use diesel::prelude::*;
use diesel::sql_types::{Bool, Nullable, Text};
use diesel_async::{RunQueryDsl, SimpleAsyncConnection};

use super::rows::Instant;
use super::schema::{audit, audit_head};
use super::{Conn, Error};
use crate::domain::audit::chain::{Hash, Line};
use crate::domain::audit::{Actor, Entry, Verb};
use crate::domain::moment::Moment;
use crate::domain::user::UserId;

/// Who makes a change and why, for the triggers.
#[derive(Clone, Debug)]
pub struct Context<'a> {
    /// Who.
    pub actor: &'a Actor,
    /// What, by the verb's name.
    pub verb: &'a str,
    /// In answer to which leak.
    pub leak: Option<i64>,
    /// Until when our listener still takes the old key.
    pub grace: Option<Moment>,
}

/// Tells the triggers who makes the change, until the end of the transaction. Gives whether there still is an audit: our
/// schema can be dropped while a program runs.
///
/// # Errors
/// When the database refuses or is away.
pub async fn set_context(conn: &mut Conn, context: &Context<'_>) -> Result<bool, Error> {
    let text = |value: Option<String>| value.unwrap_or_default();
    // Settings have no word in Diesel's language.
    let row: Told = diesel::sql_query(
        "SELECT set_config('tokenward.actor', $1, true), set_config('tokenward.verb', $2, true), \
                set_config('tokenward.leak', $3, true), set_config('tokenward.grace', $4, true), \
                to_regclass('tokenward.audit') IS NOT NULL AS is_there",
    )
    .bind::<Text, _>(context.actor.to_string())
    .bind::<Text, _>(context.verb)
    .bind::<Text, _>(text(context.leak.map(|leak| leak.to_string())))
    .bind::<Text, _>(text(context.grace.map(Moment::micros_utc)))
    .get_result(conn)
    .await?;
    Ok(row.is_there)
}

/// Tells the triggers whose keys one line is about that names no key: his name may change meanwhile, his id does not.
///
/// # Errors
/// When the database refuses or is away.
pub async fn set_owner(conn: &mut Conn, owner: UserId) -> Result<(), Error> {
    diesel::sql_query("SELECT set_config('tokenward.owner', $1, true)")
        .bind::<Text, _>(owner.to_string())
        .execute(conn)
        .await?;
    Ok(())
}

#[derive(QueryableByName)]
struct Told {
    #[diesel(sql_type = Bool)]
    is_there: bool,
}

/// A question has 65,535 parameters at the most, and a line has nine.
const LINES_AT_ONCE: usize = 1_000;

/// Writes lines; their time is the database's own.
///
/// # Errors
/// When the database refuses or is away.
pub async fn insert_lines(conn: &mut Conn, entries: &[Entry]) -> Result<(), Error> {
    for some in entries.chunks(LINES_AT_ONCE) {
        let rows: Vec<_> = some
            .iter()
            .map(|entry| {
                (
                    audit::os_user.eq(&entry.actor.os_user),
                    audit::host.eq(&entry.actor.host),
                    audit::operator.eq(entry.actor.operator.as_ref()),
                    audit::database.eq(&entry.database),
                    audit::what.eq(entry.what.name()),
                    audit::whom.eq(&entry.whom),
                    audit::key.eq(entry.key.as_ref()),
                    audit::for_leak.eq(entry.for_leak),
                    audit::result.eq(&entry.result),
                )
            })
            .collect();
        diesel::insert_into(audit::table)
            .values(rows)
            .execute(conn)
            .await?;
    }
    Ok(())
}

/// Whether there is an audit in this database. Asked of the catalogue, where the schema may be missing.
///
/// # Errors
/// When the database refuses or is away.
pub async fn is_there(conn: &mut Conn) -> Result<bool, Error> {
    Ok(diesel::select(diesel::dsl::sql::<Bool>(
        "EXISTS (SELECT FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
          WHERE n.nspname = 'tokenward' AND c.relname = 'audit')",
    ))
    .get_result(conn)
    .await?)
}

/// Which lines to load.
#[derive(Clone, Debug, Default)]
pub struct Wanted<'a> {
    /// Not older than this.
    pub since: Option<Moment>,
    /// About this user.
    pub user: Option<&'a str>,
    /// With this text in any column, in any case.
    pub text: Option<&'a str>,
    /// After this place in the chain.
    pub after: Option<i64>,
    /// At most so many, the newest.
    pub limit: usize,
}

#[diesel::dsl::auto_type(no_type_alias)]
fn lines() -> _ {
    // Read so, it is none where an older release made the table without.
    let session: SqlLiteral<Nullable<Text>> =
        diesel::dsl::sql::<Nullable<Text>>("to_jsonb(audit) ->> 'session'");
    audit::table.select((
        (
            audit::id,
            audit::at,
            audit::os_user,
            audit::host,
            audit::operator,
            audit::database,
        ),
        (
            audit::what,
            audit::whom,
            audit::key,
            audit::for_leak,
            audit::result,
            audit::prev,
            audit::hash,
            session,
        ),
    ))
}

type Row = (
    (i64, Instant, String, String, Option<String>, String),
    (
        String,
        String,
        Option<String>,
        Option<i64>,
        String,
        Option<Vec<u8>>,
        Option<Vec<u8>>,
        Option<String>,
    ),
);

/// Loads the newest lines that are wanted, newest first. A line with a verb of a later release is left out.
///
/// # Errors
/// When the database refuses or is away.
pub async fn load_entries(conn: &mut Conn, wanted: &Wanted<'_>) -> Result<Vec<Entry>, Error> {
    let mut query = lines().into_boxed::<Pg>();
    query = query.filter(audit::id.gt(wanted.after.unwrap_or(0)));
    if let Some(since) = wanted.since {
        query = query.filter(audit::at.ge(Instant(since)));
    }
    if let Some(user) = wanted.user {
        query = query.filter(audit::whom.eq(user));
    }
    if let Some(text) = wanted.text {
        // The words that are shown for the verb, the name that is shown for who did it. Diesel has no strpos().
        query = query.filter(
            diesel::dsl::sql::<Bool>(
                "strpos(lower(concat_ws(E'\\n', replace(what, '_', ' '), whom, result, key, \
                 coalesce(operator, os_user) || '@' || host, 'leak ' || for_leak, \
                 to_jsonb(audit) ->> 'session')), lower(",
            )
            .bind::<Text, _>(text)
            .sql(")) > 0"),
        );
    }
    let rows: Vec<Row> = query
        .order_by(audit::id.desc())
        .limit(i64::try_from(wanted.limit).unwrap_or(i64::MAX))
        .load(conn)
        .await?;
    Ok(rows.into_iter().filter_map(entry).collect())
}

fn entry(
    ((id, at, os_user, host, operator, database), (what, whom, key, for_leak, result, .., session)): Row,
) -> Option<Entry> {
    Some(Entry {
        id: Some(id),
        when: Moment::from(at).rfc3339(),
        actor: Actor {
            os_user,
            host,
            operator,
        },
        database,
        what: Verb::named(&what)?,
        whom,
        key,
        for_leak,
        result,
        session,
    })
}

/// Makes the transaction that was just begun one that sees the audit as it is now, to its end.
///
/// # Errors
/// When the database refuses or is away.
pub async fn hold_still(conn: &mut Conn) -> Result<(), Error> {
    Ok(conn
        .batch_execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
        .await?)
}

/// Loads the lines after `after`, in the chain's order, at most `limit`; what has no place in the chain comes first.
///
/// # Errors
/// When the database refuses or is away.
pub async fn load_chain(
    conn: &mut Conn,
    after: Option<i64>,
    limit: i64,
) -> Result<Vec<Line>, Error> {
    let rows: Vec<Row> = lines()
        .filter(audit::id.gt(after.unwrap_or(i64::MIN)))
        // Below zero, with something before it and no hash, a line waits for its place.
        .filter(
            audit::id
                .gt(0)
                .or(audit::hash.is_not_null())
                .or(audit::prev.is_null()),
        )
        .order_by(audit::id)
        .limit(limit)
        .load(conn)
        .await?;
    Ok(rows.into_iter().map(line).collect())
}

fn line(
    (
        (id, at, os_user, host, operator, database),
        (what, whom, key, for_leak, result, prev, hash, session),
    ): Row,
) -> Line {
    Line {
        id,
        when: Moment::from(at).micros_utc(),
        os_user,
        host,
        operator,
        database,
        what,
        whom,
        key,
        for_leak,
        result,
        session,
        prev: prev.and_then(hash_of),
        hash: hash.and_then(hash_of),
    }
}

fn hash_of(bytes: Vec<u8>) -> Option<Hash> {
    Some(Hash::from_bytes(bytes.try_into().ok()?))
}

/// Finds the end of the chain as it is kept beside it: the place and hash of the last line.
///
/// # Errors
/// When the database refuses or is away.
pub async fn find_head(conn: &mut Conn) -> Result<Option<(i64, Hash)>, Error> {
    let row: Option<(i64, Vec<u8>)> = audit_head::table
        .select((audit_head::last, audit_head::hash))
        .get_result(conn)
        .await
        .optional()?;
    Ok(row.and_then(|(last, hash)| Some((last, hash_of(hash)?))))
}

/// Finds what tells this server and database from any other that the role could mean. What Postgres calls the server is the
/// same in each copy of its files, so its history, the database and its own address count too. None where that cannot be
/// told: the role may not ask, or it is a standby.
///
/// # Errors
/// When the database is away.
pub async fn find_server(conn: &mut Conn) -> Result<Option<String>, Error> {
    // The catalogue's functions are no tables of ours. Refused within a change, the question would end it.
    let may: bool = diesel::select(diesel::dsl::sql::<Bool>(
        "has_function_privilege('pg_control_system()', 'EXECUTE') \
         AND has_function_privilege('pg_walfile_name(pg_lsn)', 'EXECUTE') \
         AND has_function_privilege('pg_current_wal_lsn()', 'EXECUTE') AND NOT pg_is_in_recovery()",
    ))
    .get_result(conn)
    .await?;
    if !may {
        return Ok(None);
    }
    let server = diesel::select(diesel::dsl::sql::<Text>(
        "(SELECT concat_ws(' ', s.system_identifier, 'timeline', left(pg_walfile_name(pg_current_wal_lsn()), 8), \
                           'database', d.oid, \
                           'at', coalesce(host(inet_server_addr()) || ' ' || inet_server_port(), 'a socket')) \
            FROM pg_control_system() s, pg_database d WHERE d.datname = current_database())",
    ));
    Ok(Some(server.get_result(conn).await?))
}
