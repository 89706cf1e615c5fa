//! Every query on `tokenward.last_use`: when tokens were used, and from where. The gate writes (`ops::gate`), what shows
//! tokens reads. Our schema may be absent, or be dropped while we run; then nothing is known.

use std::collections::HashMap;
use std::net::IpAddr;

use diesel::prelude::*;
use diesel::sql_types::{Array, Nullable, Text, Timestamptz};
use diesel_async::RunQueryDsl;

use super::rows::Instant;
use super::site::Site;
use super::{Conn, Error};
use crate::domain::last_use::{LastUse, Use, WATCH_DAYS};
use crate::domain::moment::Moment;
use crate::domain::token::KnoxDigest;
use crate::domain::user::UserRow;

/// A use that is to be written down.
#[derive(Clone, Debug)]
pub struct Noted {
    /// The token: the id of the user of one of REST framework, the digest of one of knox.
    pub id: String,
    /// When the token was made.
    pub made: Moment,
    /// The use.
    pub last: Use,
}

/// A kind of token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// REST framework's.
    Drf,
    /// Knox'.
    Knox,
}

impl Kind {
    const fn word(self) -> &'static str {
        match self {
            Self::Drf => "drf",
            Self::Knox => "knox",
        }
    }
}

/// Why uses cannot be written down here, in words; `None` when they can. Asked of the catalogue, where the schema may be
/// missing or closed.
///
/// # Errors
/// When the database is away.
pub async fn why_unwritable(conn: &mut Conn) -> Result<Option<String>, Error> {
    const WHY: &str = "
SELECT CASE WHEN r.may THEN NULL
            WHEN r.may IS NULL THEN 'tokenward.last_use is not there; tokenward migrate makes it'
            ELSE 'role ' || current_user || ' may not write to tokenward.last_use; tokenward migrate admits who may change tokens'
       END AS why
  FROM (SELECT bool_and(has_schema_privilege(n.oid, 'USAGE') AND has_table_privilege(c.oid, 'SELECT')
                        AND has_table_privilege(c.oid, 'INSERT') AND has_table_privilege(c.oid, 'UPDATE')
                        AND has_table_privilege(c.oid, 'DELETE')
                        AND (SELECT count(*) = 2 AND bool_and(has_column_privilege(a.attrelid, a.attnum, 'UPDATE'))
                               FROM pg_catalog.pg_class i
                               JOIN pg_catalog.pg_attribute a ON a.attrelid = i.oid AND NOT a.attisdropped
                              WHERE i.relnamespace = n.oid AND i.relname = 'installation'
                                AND a.attname IN ('uses_since', 'uses_last'))) AS may
          FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
         WHERE n.nspname = 'tokenward' AND c.relname = 'last_use') AS r";
    let row: Why = diesel::sql_query(WHY).get_result(conn).await?;
    Ok(row.why)
}

#[derive(QueryableByName)]
struct Why {
    #[diesel(sql_type = Nullable<Text>)]
    why: Option<String>,
}

/// Writes uses down, and that a listener watches, in one statement. What is no token any more, or another one by now, is
/// left out. In the order of the ids, and the installation last as Postgres does it, so that two who write at the same time
/// wait for each other and never in a circle.
///
/// # Errors
/// When the database refuses or is away.
pub async fn write(conn: &mut Conn, site: &Site, kind: Kind, noted: &[Noted]) -> Result<(), Error> {
    let token = match kind {
        Kind::Drf => format!("authtoken_token t ON t.user_id = n.id::{}", site.id_type),
        Kind::Knox => "knox_authtoken t ON t.digest = n.id".to_owned(),
    };
    // Arrays taken apart side by side, and what stood there before joined with them: Diesel's language has neither.
    let statement = format!(
        "WITH watched AS ( \
             UPDATE tokenward.installation SET uses_last = now(), \
                    uses_since = CASE WHEN {is_watched} THEN uses_since ELSE now() END \
              WHERE uses_last IS NULL OR uses_last NOT BETWEEN now() - interval '{MOVED}' AND now()) \
         INSERT INTO tokenward.last_use AS l (kind, id, made, at, addresses) \
         SELECT $1, n.id, n.made, n.at, n.addresses::inet[] \
           FROM unnest($2, $3, $4, $5) AS n(id, made, at, addresses) \
           JOIN {token} AND t.created = n.made \
          ORDER BY n.id \
         ON CONFLICT (kind, id) DO UPDATE \
            SET made = excluded.made, \
                at = CASE WHEN l.made = excluded.made THEN greatest(l.at, excluded.at) ELSE excluded.at END, \
                addresses = CASE \
                    WHEN l.made <> excluded.made THEN excluded.addresses \
                    WHEN l.at > excluded.at THEN (l.addresses || {new})[1:8] \
                    ELSE (excluded.addresses || {old})[1:8] END",
        is_watched = is_watched(),
        new = without("excluded.addresses", "l.addresses"),
        old = without("l.addresses", "excluded.addresses"),
    );
    let ids: Vec<&str> = noted.iter().map(|noted| noted.id.as_str()).collect();
    let made: Vec<Instant> = noted.iter().map(|noted| Instant(noted.made)).collect();
    let at: Vec<Instant> = noted.iter().map(|noted| Instant(noted.last.at)).collect();
    let addresses: Vec<String> = noted.iter().map(|noted| array(&noted.last)).collect();
    diesel::sql_query(statement)
        .bind::<Text, _>(kind.word())
        .bind::<Array<Text>, _>(ids)
        .bind::<Array<Timestamptz>, _>(made)
        .bind::<Array<Timestamptz>, _>(at)
        .bind::<Array<Text>, _>(addresses)
        .execute(conn)
        .await?;
    Ok(())
}

/// A writing moves the last one on when that was so long ago: many write at the same time, into one row.
const MOVED: &str = "30 seconds";

/// Whether a listener watches, as a condition on the installation. It began anew if none did for so long.
fn is_watched() -> String {
    format!(
        "coalesce(uses_since IS NOT NULL AND uses_last >= now() - make_interval(days => {WATCH_DAYS}), false)"
    )
}

/// The elements of one array that the other has not, in their order.
fn without(some: &str, others: &str) -> String {
    format!(
        "ARRAY(SELECT o.a FROM unnest({some}) WITH ORDINALITY AS o(a, n) WHERE o.a <> ALL ({others}) ORDER BY o.n)"
    )
}

/// Addresses as Postgres reads an array.
fn array(last: &Use) -> String {
    let addresses: Vec<String> = last.addresses.iter().map(IpAddr::to_string).collect();
    format!("{{{}}}", addresses.join(","))
}

/// Deletes at most `most` uses of tokens that are gone, and gives how many there were.
///
/// # Errors
/// When the database refuses or is away.
pub async fn sweep(conn: &mut Conn, site: &Site, kind: Kind, most: u32) -> Result<usize, Error> {
    // By the tokens' own types, whose indexes find them.
    let token = match kind {
        Kind::Drf => format!("authtoken_token t WHERE t.user_id = o.id::{}", site.id_type),
        Kind::Knox => "knox_authtoken t WHERE t.digest = o.id".to_owned(),
    };
    // Whoever else does the same at this moment is not waited for: Diesel deletes nothing by a limit.
    let statement = format!(
        "DELETE FROM tokenward.last_use AS l USING ( \
             SELECT o.kind, o.id FROM tokenward.last_use AS o \
              WHERE o.kind = $1 AND NOT EXISTS (SELECT FROM {token}) LIMIT {most} FOR UPDATE OF o SKIP LOCKED) AS gone \
          WHERE l.kind = gone.kind AND l.id = gone.id"
    );
    Ok(diesel::sql_query(statement)
        .bind::<Text, _>(kind.word())
        .execute(conn)
        .await?)
}

#[derive(QueryableByName)]
struct Row {
    #[diesel(sql_type = Nullable<Timestamptz>)]
    since: Option<Instant>,
    #[diesel(sql_type = Nullable<Text>)]
    id: Option<String>,
    #[diesel(sql_type = Nullable<Timestamptz>)]
    made: Option<Instant>,
    #[diesel(sql_type = Nullable<Timestamptz>)]
    at: Option<Instant>,
    #[diesel(sql_type = Array<Text>)]
    addresses: Vec<String>,
}

/// What is known of the uses of some tokens.
#[derive(Debug, Default)]
struct Known {
    /// Since when a listener watches; `None` where none does.
    since: Option<Moment>,
    uses: HashMap<String, (Moment, Use)>,
}

impl Known {
    /// Takes out what is known of the token of this id that was made at `made`.
    fn take(&mut self, id: &str, made: Moment) -> LastUse {
        match self.uses.remove(id) {
            Some((of, last)) if of == made => LastUse::Used(last),
            Some(_) | None => self.since.map_or(LastUse::Unknown, LastUse::NeverSince),
        }
    }

    /// From when on such a token is known to be unused.
    fn unused_since(&self, last: &LastUse, made: Moment) -> Option<Moment> {
        let watched = self.since?.max(made);
        Some(last.at().map_or(watched, |at| at.max(watched)))
    }
}

async fn load(conn: &mut Conn, site: &Site, kind: Kind, ids: &[String]) -> Result<Known, Error> {
    if !site.has_uses || ids.is_empty() {
        return Ok(Known::default());
    }
    // The addresses of a row as an array of texts: Diesel has no type for those of Postgres without another crate.
    let rows = diesel::sql_query(format!(
        "SELECT CASE WHEN {} THEN i.uses_since END AS since, l.id, l.made, l.at, \
                ARRAY(SELECT host(o.a) FROM unnest(l.addresses) WITH ORDINALITY AS o(a, n) ORDER BY o.n) AS addresses \
           FROM tokenward.installation i LEFT JOIN tokenward.last_use l ON l.kind = $1 AND l.id = ANY ($2)",
        is_watched()
    ))
    .bind::<Text, _>(kind.word())
    .bind::<Array<Text>, _>(ids)
    .load::<Row>(conn)
    .await;
    let rows = match rows.map_err(Error::from) {
        Ok(rows) => rows,
        // Our schema is gone since the database was opened, or closed to this role. The list is no worse without.
        Err(error @ (Error::Other(_) | Error::Right(_))) => {
            tracing::debug!("the last uses of tokens cannot be read: {error}");
            return Ok(Known::default());
        }
        Err(error) => return Err(error),
    };
    let mut known = Known::default();
    for row in rows {
        known.since = row.since.map(Moment::from);
        if let (Some(id), Some(made), Some(at)) = (row.id, row.made, row.at) {
            let addresses = row.addresses.iter().filter_map(|text| text.parse().ok());
            let last = Use {
                at: at.into(),
                addresses: addresses.collect(),
            };
            known.uses.insert(id, (made.into(), last));
        }
    }
    Ok(known)
}

/// Adds to `rows` what is known of the uses of their tokens. Not within a transaction: it may fail where our schema was
/// dropped meanwhile, and then goes on.
///
/// # Errors
/// When the database is away.
pub async fn add_last_uses(
    conn: &mut Conn,
    site: &Site,
    rows: &mut [UserRow],
) -> Result<(), Error> {
    let with_token = rows.iter().filter(|row| row.token.is_some());
    let ids: Vec<String> = with_token.map(|row| row.user.id.to_string()).collect();
    let mut known = load(conn, site, Kind::Drf, &ids).await?;
    for row in rows {
        if let Some(token) = &mut row.token {
            token.last_use = known.take(&row.user.id.to_string(), token.created);
            token.unused_since = known.unused_since(&token.last_use, token.created);
        }
    }
    Ok(())
}

/// The same of tokens of knox, each given by its digest and when it was made, in their order.
///
/// # Errors
/// As [`add_last_uses`].
pub async fn load_of_knox(
    conn: &mut Conn,
    site: &Site,
    tokens: &[(KnoxDigest, Moment)],
) -> Result<Vec<LastUse>, Error> {
    let ids: Vec<String> = tokens
        .iter()
        .map(|(digest, _)| digest.to_string())
        .collect();
    let mut known = load(conn, site, Kind::Knox, &ids).await?;
    let all = ids.iter().zip(tokens);
    Ok(all.map(|(id, (_, made))| known.take(id, *made)).collect())
}
