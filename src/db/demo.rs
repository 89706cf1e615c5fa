//! Made-up users for a demo: all that a real site throws at a screen, in a database of its own.

use diesel::sql_types::{Array, BigInt, Text};
use diesel_async::{RunQueryDsl, SimpleAsyncConnection};

use super::{Conn, Error};

const FIRST: [&str; 40] = [
    "alice", "bob", "carol", "dave", "erin", "frank", "grace", "heidi", "ivan", "judy", "kim",
    "luis", "mona", "nina", "omar", "paula", "quentin", "rosa", "sven", "tess", "uma", "victor",
    "wendy", "xavier", "yara", "zoe", "anders", "bella", "chen", "diego", "elif", "fatima",
    "goran", "hana", "imani", "jonas", "kofi", "lena", "mateo", "noor",
];

const LAST: [&str; 50] = [
    "adams", "baker", "costa", "diaz", "eriksen", "fischer", "garcia", "haddad", "ito", "jansen",
    "khan", "larsen", "moreau", "nguyen", "okafor", "petrov", "quinn", "rossi", "sato", "tanaka",
    "ueda", "vega", "wong", "xu", "yilmaz", "zhang", "ahmed", "brown", "clark", "dubois", "evans",
    "foster", "gupta", "hughes", "ivanova", "jones", "kim", "lopez", "meyer", "novak", "olsen",
    "patel", "reyes", "silva", "turner", "urban", "vargas", "walker", "young", "zeller",
];

/// Names that try what a screen can bear: wide and right-to-left scripts, combining marks, escape sequences,
/// controls that reorder text, quotes, spaces, the longest that Django takes, and a spreadsheet's formula.
fn hostile() -> Vec<String> {
    let mut names: Vec<String> = [
        "王小明",
        "田中さくら",
        "김민준",
        "محمد.علي",
        "דוד.כהן",
        "Дмитрий",
        "Ωmega",
        "zoë.ñandú",
        "n̈o̊m̃b́r̂e",
        "👩‍💻.dev",
        "evil\u{1b}[31mred\u{1b}[0m",
        "bell\u{7}ring",
        "tab\there",
        "line\nbreak",
        "abc\u{202e}gpj.exe",
        "zero\u{200b}width",
        "o'brien",
        "quote\"d",
        "back\\slash",
        "sure.100%_of_it",
        "=cmd|'/c calc'!A1",
        "a,b;c",
        "eve<script>alert(1)</script>",
        "ci-bot",
        "deploy-bot",
    ]
    .map(str::to_owned)
    .to_vec();
    names.push("l".repeat(150));
    names
}

/// Users that one statement makes; between two of them progress can be told.
const CHUNK: u64 = 100_000;

/// Makes `users` users and a token for two thirds of them, in one transaction: a demo is made whole or not at
/// all. Calls `said` with the number made so far.
///
/// # Errors
/// When the database refuses or is away.
pub async fn insert_demo(
    conn: &mut Conn,
    users: u64,
    encoded_password: &str,
    mut said: impl FnMut(u64) + Send,
) -> Result<(), Error> {
    // Each row points to one that was made with it: a look at every one of a million would prove nothing. The
    // demo's server is our own, whose role may say so.
    conn.batch_execute("SET LOCAL session_replication_role = replica")
        .await?;
    conn.batch_execute(GROUPS).await?;
    conn.batch_execute(WATCHED).await?;
    let hostile = hostile();
    let mut made = 0;
    while made < users {
        let upto = (made + CHUNK).min(users);
        diesel::sql_query(USERS)
            .bind::<BigInt, _>(i64::try_from(made).unwrap_or(i64::MAX))
            .bind::<BigInt, _>(i64::try_from(upto).unwrap_or(i64::MAX))
            .bind::<Array<Text>, _>(&FIRST[..])
            .bind::<Array<Text>, _>(&LAST[..])
            .bind::<Array<Text>, _>(&hostile)
            .bind::<Text, _>(encoded_password)
            .execute(conn)
            .await?;
        made = upto;
        said(made);
    }
    Ok(())
}

/// Lets Postgres count what was made, so that its estimates, and the console's, are right from the start.
///
/// # Errors
/// When the database is away.
pub async fn analyze(conn: &mut Conn) -> Result<(), Error> {
    Ok(conn
        .batch_execute("ANALYZE auth_user; ANALYZE authtoken_token; ANALYZE tokenward.last_use")
        .await?)
}

const GROUPS: &str =
    "INSERT INTO auth_group (name) VALUES ('support'), ('billing'), ('operations')";

/// As if a listener had run for so long.
const WATCHED: &str =
    "UPDATE tokenward.installation SET uses_since = now() - interval '200 days', uses_last = now()";

/// A set made by the server from numbers: Diesel's language has no `generate_series`, and a million rows sent
/// one by one would take minutes. `$1` to `$2` are the users' numbers; a number decides all that is true of its
/// user, so that the same demo comes out every time, but for the keys.
const USERS: &str = "
WITH numbered AS (
    SELECT i,
           -- Spreads neighbours' attributes apart: 7919 and 10007 are primes.
           i * 7919 % 10007 AS h,
           $3[1 + i % 40] AS first_name, $4[1 + (i / 40) % 50] AS last_name, i / 2000 AS again,
           i % 33 = 20 AND i / 33 < cardinality($5) AS is_hostile
      FROM generate_series($1, $2 - 1) AS i
), named AS (
    SELECT i, h,
           CASE WHEN is_hostile THEN $5[1 + i / 33]
                ELSE first_name || '.' || last_name || CASE WHEN again > 0 THEN again::text ELSE '' END
           END AS username,
           CASE WHEN is_hostile THEN '' ELSE initcap(first_name) END AS first_name,
           CASE WHEN is_hostile THEN '' ELSE initcap(last_name) END AS last_name,
           is_hostile
      FROM numbered
), made AS (
    INSERT INTO auth_user (password, last_login, is_superuser, username, first_name, last_name, email, is_staff,
                           is_active, date_joined)
    SELECT $6,
           CASE WHEN h % 5 <> 0 THEN now() - (h % 400) * interval '1 day' - (i % 1440) * interval '1 min' END,
           h % 97 = 3,
           username, first_name, last_name,
           CASE WHEN is_hostile OR h % 23 = 9 THEN '' ELSE username || '@example.com' END,
           h % 97 = 3 OR h % 19 = 5,
           h % 17 <> 11,
           now() - (400 + h % 1100) * interval '1 day'
      FROM named
     ORDER BY i
    RETURNING id, is_staff
), tokens AS (
    INSERT INTO authtoken_token (key, created, user_id)
    SELECT tokenward.make_key(), now() - (id::bigint * 6101 % 1500) * interval '1 day' - (id % 1440) * interval '1 min',
           id
      FROM made
     WHERE id % 3 <> 2
    RETURNING user_id, created
), uses AS (
    INSERT INTO tokenward.last_use (kind, id, made, at, addresses)
    SELECT 'drf', user_id::text, created,
           greatest(created, now() - CASE WHEN user_id % 10 < 3 THEN (user_id::bigint * 13 % 600) * interval '1 min'
                                          ELSE (user_id::bigint * 7 % 190) * interval '1 day' END),
           ARRAY(SELECT ('10.2.' || (user_id + n) % 200 || '.' || 1 + user_id % 250)::inet
                   FROM generate_series(0, user_id % 4) AS n)
      FROM tokens
     -- Of some, so that a large demo takes no longer.
     WHERE user_id % 10 < 8 AND user_id <= 100000
)
INSERT INTO auth_user_groups (user_id, group_id)
SELECT made.id, g.id FROM made JOIN auth_group g ON (made.id + g.id) % 7 = 0 AND made.is_staff";
