//! Keys that are keys of two databases, as after a copy of production became staging: whoever may read the one holds keys
//! to the other. Each side gives SHA-256 digests that Postgres computed, never a key.

use super::{Check, Finding, by_digest, for_owner};
use crate::db::Stop;
use crate::db::doctor;
use crate::domain::user::UserId;
use crate::ops::{Error, Ops};

/// So many digests are compared at once: the other database reads its table through for each lot, and a lot of this size
/// takes some ten megabytes.
const LOT: u32 = 50_000;

/// A comparison on its way.
#[derive(Debug, Default)]
pub struct Comparison {
    after: Option<UserId>,
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
        let (digests, upto) = ops.digests_behind(self.after).await?;
        self.after = upto;
        self.ended = upto.is_none();
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
            let state = if their.user.is_active {
                ""
            } else {
                ", who is off there"
            };
            Some(Finding {
                check: Check::Shared,
                key: Some(row.token?.key),
                detail: format!("also a key of {} on {place}{state}", their.user.username),
                next: for_owner(&row.user),
                owner: Some(row.user),
            })
        });
        Ok(Some(found.collect()))
    }
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
