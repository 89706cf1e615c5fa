//! Keys that are keys of two databases, as after a copy of production became staging: whoever may read the one holds keys
//! to the other. Each side gives SHA-256 digests that Postgres computed, never a key.

use std::collections::HashMap;

use super::knox::{delete_it, told};
use super::{Check, Finding, by_digest, for_owner};
use crate::db::Stop;
use crate::db::doctor;
use crate::domain::token::KnoxDigest;
use crate::domain::user::{User, UserId};
use crate::ops::{Error, Ops};

/// So many digests are compared at once: the other database reads its table through for each lot, and a lot of this size
/// takes some ten megabytes.
const LOT: u32 = 50_000;

/// A comparison on its way: REST framework's keys first, then knox's.
#[derive(Debug, Default)]
pub struct Comparison {
    after: Option<UserId>,
    /// Up to this digest of knox, after all others.
    knox: Option<String>,
    ended: bool,
}

impl Comparison {
    /// The keys among the next lot of `ops` that are keys of `other` too; `None` after the last lot.
    ///
    /// # Errors
    /// When a database is away, or the reading is cancelled.
    pub async fn next(&mut self, ops: &Ops, other: &Ops) -> Result<Option<Vec<Finding>>, Error> {
        if self.ended {
            return Ok(None);
        }
        if let Some(after) = self.knox.take() {
            return self.next_knox(ops, other, &after).await.map(Some);
        }
        let (digests, upto) = ops.digests_behind(self.after).await?;
        self.after = upto;
        if upto.is_none() {
            self.knox = Some(String::new());
        }
        if digests.is_empty() {
            return Ok(Some(Vec::new()));
        }
        let theirs = other.rows_of(&digests).await?;
        if theirs.is_empty() {
            return Ok(Some(Vec::new()));
        }
        let shared: Vec<Vec<u8>> = theirs
            .iter()
            .filter_map(|row| row.token.as_ref())
            .map(|token| token.key.fingerprint.as_bytes().to_vec())
            .collect();
        let mut ours = by_digest(ops.rows_of(&shared).await?);
        let place = &other.place().name;
        let found = theirs.into_iter().filter_map(|their| {
            let row = ours.remove(&their.token?.key.fingerprint)?;
            Some(Finding {
                check: Check::Shared,
                key: Some(row.token?.key.start().clone()),
                detail: also(&their.user, place),
                next: for_owner(&row.user),
                owner: Some(row.user),
            })
        });
        Ok(Some(found.collect()))
    }

    /// The same among the next lot of knox's tokens, where both have some.
    async fn next_knox(
        &mut self,
        ops: &Ops,
        other: &Ops,
        after: &str,
    ) -> Result<Vec<Finding>, Error> {
        self.ended = true;
        if !(ops.examines_knox()? && other.examines_knox()?) {
            return Ok(Vec::new());
        }
        let digests = ops.live_knox_behind(after, i64::from(LOT)).await?;
        if let Some(last) = digests.last() {
            self.knox = Some(last.clone());
            self.ended = false;
        }
        let digests: Vec<_> = digests
            .iter()
            .filter_map(|text| KnoxDigest::parse(text))
            .collect();
        let theirs = other.live_knox_of(&digests).await?;
        let shared: Vec<_> = theirs.iter().filter_map(|their| their.digest).collect();
        let ours = ops.live_knox_of(&shared).await?;
        let mut ours: HashMap<_, _> = ours
            .into_iter()
            .filter_map(|held| Some((held.digest?, held)))
            .collect();
        let place = &other.place().name;
        let found = theirs.into_iter().filter_map(|their| {
            let held = ours.remove(&their.digest?)?;
            let next = delete_it(&held);
            let detail = format!("knox token, {}", also(&their.user, place));
            Some(told(Check::Shared, held, detail, next))
        });
        Ok(found.collect())
    }
}

/// Whose key it is at `place`.
fn also(user: &User, place: &str) -> String {
    let state = if user.is_active {
        ""
    } else {
        ", who is off there"
    };
    format!("also a key of {} on {place}{state}", user.username)
}

impl Ops {
    /// Whether these are operations on the same tokens as those of `other`, whatever name each was opened by.
    ///
    /// # Errors
    /// When a database is away.
    pub async fn is_same_database(&self, other: &Self) -> Result<bool, Error> {
        let ours = doctor::find_identity(&mut *self.db().conn().await?).await?;
        let theirs = doctor::find_identity(&mut *other.db().conn().await?).await?;
        Ok(ours == theirs)
    }

    /// The digests of the next lot of keys, and the last owner among theirs; none where that is all.
    async fn digests_behind(
        &self,
        after: Option<UserId>,
    ) -> Result<(Vec<Vec<u8>>, Option<UserId>), Error> {
        let mut conn = self.db().conn().await?;
        let stop = Stop::of(&conn);
        let work = async {
            let lot = doctor::find_step(&mut conn, after, LOT).await?;
            let digests = doctor::load_digests(&mut conn, lot).await?;
            Ok((digests, lot.upto))
        };
        Ok(self.db().obey(&self.cancel, stop, work).await?)
    }
}
