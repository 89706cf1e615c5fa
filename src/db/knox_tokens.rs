//! Every query on `knox_authtoken`, where a key is found by its first characters and proven by its digest.

use std::sync::Arc;

use diesel::dsl::{exists, not};
use diesel::prelude::*;
use diesel::sql_types::Timestamptz;
use diesel_async::RunQueryDsl;

use super::accounts::{self, AccountRow, GroupNames};
use super::rows::{Id, Instant, UserColumns};
use super::schema::{auth_user, knox_authtoken};
use super::site::Site;
use super::{Conn, Error, filters, users};
use crate::domain::moment::Moment;
use crate::domain::principal::{Account, Denied, Holds, Principal};
use crate::domain::token::{KnoxDigest, KnoxKey};
use crate::domain::user::{User, UserId};

diesel::alias!(const OTHER: Alias<Other> = knox_authtoken as other_token);

/// What was found of a key that was presented.
#[derive(Debug)]
pub struct Found {
    /// Who stands behind it, or why nobody does.
    pub verdict: Result<Principal, Denied>,
    /// Users with rows that have expired and that knox would delete at this look ([`delete_expired`]). Empty as a rule.
    pub overdue: Vec<UserId>,
}

/// A row that a key may belong to.
struct Candidate {
    /// `None` for what knox did not write, which no key has.
    digest: Option<KnoxDigest>,
    created: Moment,
    expiry: Option<Moment>,
    account: Arc<Account>,
    /// Whether its user has any row that has expired, this one included.
    overdue: bool,
}

type Row = (String, Instant, Option<Instant>, bool, AccountRow);

impl From<Row> for Candidate {
    fn from((digest, created, expiry, overdue, account): Row) -> Self {
        Self {
            digest: KnoxDigest::parse(&digest),
            created: created.into(),
            expiry: expiry.map(Moment::from),
            account: Arc::new(accounts::account(account)),
            overdue,
        }
    }
}

/// Verifies `key` in one round trip, as `knox.auth.TokenAuthentication` does: of the rows with the same first
/// characters one that has expired is passed over, the one with the key's digest decides, and its owner must be
/// active. Rows are looked at in the order in which they were made.
///
/// # Errors
/// When the database refuses or is away.
pub async fn find_presented(
    conn: &mut Conn,
    site: &Site,
    key: &KnoxKey,
    now: Moment,
) -> Result<Found, Error> {
    // Postgres holds no NUL, and so no key with one.
    let candidates = if key.token_key().contains('\0') {
        Vec::new()
    } else {
        load_candidates(conn, site, key.token_key(), now).await?
    };
    let mut overdue = Vec::new();
    let verdict = judge(key, &candidates, now, &mut overdue);
    overdue.sort_unstable();
    overdue.dedup();
    Ok(Found { verdict, overdue })
}

async fn load_candidates(
    conn: &mut Conn,
    site: &Site,
    token_key: &str,
    now: Moment,
) -> Result<Vec<Candidate>, Error> {
    let overdue = exists(
        OTHER
            .filter(
                OTHER
                    .field(knox_authtoken::user_id)
                    .eq(knox_authtoken::user_id),
            )
            .filter(OTHER.field(knox_authtoken::expiry).lt(Instant(now))),
    );
    let query = knox_authtoken::table
        .inner_join(auth_user::table)
        .filter(knox_authtoken::token_key.eq(token_key))
        .order_by((knox_authtoken::created, knox_authtoken::digest))
        .select((
            knox_authtoken::digest,
            knox_authtoken::created,
            knox_authtoken::expiry,
            overdue,
            (accounts::columns(), GroupNames::on(site)),
        ));
    let rows: Vec<Row> = site.query(query).load(conn).await?;
    Ok(rows.into_iter().map(Candidate::from).collect())
}

fn judge(
    key: &KnoxKey,
    candidates: &[Candidate],
    now: Moment,
    overdue: &mut Vec<UserId>,
) -> Result<Principal, Denied> {
    let digest = key.digest();
    for candidate in candidates {
        if candidate.overdue {
            overdue.push(candidate.account.id);
        }
        let expired = candidate.expiry.is_some_and(|expiry| expiry < now);
        if expired || candidate.digest != Some(digest) {
            continue;
        }
        return if candidate.account.is_active {
            Ok(Principal {
                account: Arc::clone(&candidate.account),
                token: Holds::Knox(digest),
                created: candidate.created,
                expiry: candidate.expiry,
            })
        } else {
            Err(Denied::Inactive)
        };
    }
    Err(Denied::InvalidToken)
}

/// A stored token and its owner.
#[derive(Debug)]
pub struct Held {
    /// What the database keeps of the key; `None` for what knox did not write.
    pub digest: Option<KnoxDigest>,
    /// The key's first characters.
    pub token_key: String,
    /// When it was made.
    pub created: Moment,
    /// When it ends; `None` for never.
    pub expiry: Option<Moment>,
    /// Whose it is.
    pub user: User,
}

type HeldRow = (String, String, Instant, Option<Instant>, UserColumns);

impl From<HeldRow> for Held {
    fn from((digest, token_key, created, expiry, user): HeldRow) -> Self {
        Self {
            digest: KnoxDigest::parse(&digest),
            token_key,
            created: created.into(),
            expiry: expiry.map(Moment::from),
            user: user.into(),
        }
    }
}

/// Tokens with their owners.
#[diesel::dsl::auto_type]
fn held() -> _ {
    let user: users::user_columns = users::user_columns();
    knox_authtoken::table.inner_join(auth_user::table).select((
        knox_authtoken::digest,
        knox_authtoken::token_key,
        knox_authtoken::created,
        knox_authtoken::expiry,
        user,
    ))
}

/// Loads those tokens that have one of `digests`.
///
/// # Errors
/// When the database refuses or is away.
pub async fn load_by_digests(
    conn: &mut Conn,
    site: &Site,
    digests: &[KnoxDigest],
) -> Result<Vec<Held>, Error> {
    let digests: Vec<String> = digests.iter().map(KnoxDigest::to_string).collect();
    let query = held().filter(knox_authtoken::digest.eq_any(digests));
    let rows: Vec<HeldRow> = site.query(query).load(conn).await?;
    Ok(rows.into_iter().map(Held::from).collect())
}

/// Loads tokens of superusers behind the one of `after` that a site should not have: of those who may log in, such as never
/// end; of those who are off, any that has not ended. At most `limit`, in the order of their digests as the column has
/// them, which come along.
///
/// # Errors
/// When the database refuses or is away.
pub async fn load_risky(
    conn: &mut Conn,
    site: &Site,
    after: &str,
    now: Moment,
    limit: i64,
) -> Result<Vec<(String, Held)>, Error> {
    let ends_later = knox_authtoken::expiry.gt(Instant(now)).assume_not_null();
    let query = held()
        .filter(auth_user::is_superuser)
        .filter(
            knox_authtoken::expiry
                .is_null()
                .or(not(auth_user::is_active).and(ends_later)),
        )
        .filter(knox_authtoken::digest.gt(after))
        .order_by(knox_authtoken::digest)
        .limit(limit);
    let rows: Vec<HeldRow> = site.query(query).load(conn).await?;
    Ok(rows
        .into_iter()
        .map(|row| (row.0.clone(), Held::from(row)))
        .collect())
}

/// Loads the digests of tokens that have not ended, behind `after` in the column's own order, at most `limit`.
///
/// # Errors
/// When the database refuses or is away.
pub async fn load_live_digests(
    conn: &mut Conn,
    after: &str,
    now: Moment,
    limit: i64,
) -> Result<Vec<String>, Error> {
    let ends_later = knox_authtoken::expiry.gt(Instant(now)).assume_not_null();
    Ok(knox_authtoken::table
        .select(knox_authtoken::digest)
        .filter(knox_authtoken::expiry.is_null().or(ends_later))
        .filter(knox_authtoken::digest.gt(after))
        .order_by(knox_authtoken::digest)
        .limit(limit)
        .load(conn)
        .await?)
}

/// Loads tokens whose key may begin with `start`, at most `limit`: of a key the database knows 15 characters.
///
/// # Errors
/// When the database refuses or is away.
pub async fn load_by_key_start(
    conn: &mut Conn,
    site: &Site,
    start: &str,
    limit: i64,
) -> Result<Vec<Held>, Error> {
    let known: String = start.chars().take(KnoxKey::TOKEN_KEY_CHARS).collect();
    let query = held()
        .filter(knox_authtoken::token_key.like(format!("{}%", filters::escaped(&known))))
        .limit(limit);
    let rows: Vec<HeldRow> = site.query(query).load(conn).await?;
    Ok(rows.into_iter().map(Held::from).collect())
}

/// Deletes the tokens of these digests and gives the digests of those that were there.
///
/// # Errors
/// When the database refuses or is away.
pub async fn delete_tokens(
    conn: &mut Conn,
    digests: &[KnoxDigest],
) -> Result<Vec<KnoxDigest>, Error> {
    let digests: Vec<String> = digests.iter().map(KnoxDigest::to_string).collect();
    let gone: Vec<String> = diesel::delete(knox_authtoken::table)
        .filter(knox_authtoken::digest.eq_any(digests))
        .returning(knox_authtoken::digest)
        .get_results(conn)
        .await?;
    Ok(gone
        .iter()
        .filter_map(|digest| KnoxDigest::parse(digest))
        .collect())
}

/// Inserts a token for `user`.
///
/// # Errors
/// When the database refuses or is away; also when the user is gone.
pub async fn insert_token(
    conn: &mut Conn,
    user: UserId,
    key: &KnoxKey,
    created: Moment,
    expiry: Moment,
) -> Result<(), Error> {
    diesel::insert_into(knox_authtoken::table)
        .values((
            knox_authtoken::digest.eq(key.digest().to_string()),
            knox_authtoken::token_key.eq(key.token_key()),
            knox_authtoken::created.eq(Instant(created)),
            knox_authtoken::expiry.eq(Some(Instant(expiry))),
            knox_authtoken::user_id.eq(Id(user)),
        ))
        .execute(conn)
        .await?;
    Ok(())
}

/// Deletes the token of this digest and gives its owner and the first characters of its key; `None` when there is none.
///
/// # Errors
/// When the database refuses or is away.
pub async fn delete_token(
    conn: &mut Conn,
    digest: &KnoxDigest,
) -> Result<Option<(UserId, String)>, Error> {
    let row: Option<(Id, String)> = diesel::delete(knox_authtoken::table)
        .filter(knox_authtoken::digest.eq(digest.to_string()))
        .returning((knox_authtoken::user_id, knox_authtoken::token_key))
        .get_result(conn)
        .await
        .optional()?;
    Ok(row.map(|(user, token_key)| (user.0, token_key)))
}

/// Deletes every token of `user` and gives their number.
///
/// # Errors
/// When the database refuses or is away.
pub async fn delete_all(conn: &mut Conn, user: UserId) -> Result<usize, Error> {
    let all = knox_authtoken::table.filter(knox_authtoken::user_id.eq(Id(user)));
    Ok(diesel::delete(all).execute(conn).await?)
}

/// Deletes those tokens of `user` that have expired and gives their number: by our clock and by the database's, since its
/// triggers take for revoked what is gone before the latter says that it had expired.
///
/// # Errors
/// When the database refuses or is away.
pub async fn delete_expired(conn: &mut Conn, user: UserId, now: Moment) -> Result<usize, Error> {
    let overdue = knox_authtoken::table
        .filter(knox_authtoken::user_id.eq(Id(user)))
        .filter(knox_authtoken::expiry.lt(Instant(now)))
        .filter(knox_authtoken::expiry.lt(diesel::dsl::now.into_sql::<Timestamptz>().nullable()));
    Ok(diesel::delete(overdue).execute(conn).await?)
}
