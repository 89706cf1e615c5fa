//! Tokens of knox that a site should not have: a superuser's without an end, and what still opens doors once a superuser who
//! was switched off is switched on again. No command of ours replaces a key of knox, so that a statement mends it.

use super::{Check, Finding, Next, Place};
use crate::db::Stop;
use crate::db::compat::Knox;
use crate::db::knox_tokens::{self, Held};
use crate::domain::moment::Moment;
use crate::domain::token::{KeyStart, KnoxDigest};
use crate::ops::{Error, Ops};

/// So many are looked up at once.
const PAGE: i64 = 1_000;

impl Ops {
    /// Whether there are tokens of knox to be looked at.
    ///
    /// # Errors
    /// [`Error::MissingRight`] where there are some, and this role may not, or they are not as knox makes them.
    pub(super) fn examines_knox(&self) -> Result<bool, Error> {
        match &self.db().shape().knox {
            Knox::Ready { .. } => Ok(true),
            Knox::Absent => Ok(false),
            Knox::Unfit(why) => Err(Error::MissingRight(why.clone())),
        }
    }

    /// The next tokens behind the one of `after` that a site should not have.
    pub(super) async fn find_risky_knox(
        &self,
        after: &str,
    ) -> Result<(Vec<Finding>, Place), Error> {
        if !self.examines_knox()? {
            return Ok((Vec::new(), Place::End));
        }
        let now = Moment::now();
        let mut conn = self.db().conn().await?;
        let stop = Stop::of(&conn);
        let asked = knox_tokens::load_risky(&mut conn, self.db().site(), after, now, PAGE);
        let rows = self.db().obey(&self.cancel, stop, asked).await?;
        let place = match rows.last() {
            Some((last, _)) => Place::Digest(last.clone()),
            None => Place::End,
        };
        let found = rows.into_iter().map(|(_, held)| {
            let age = held.created.age(now);
            let (detail, next) = if held.user.is_active {
                (
                    format!("superuser, knox token without an end, {age} old"),
                    end_it(&held),
                )
            } else {
                let why = "superuser, off: one change makes it a key to everything";
                (why.to_owned(), delete_it(&held))
            };
            told(Check::Knox, held, detail, next)
        });
        Ok((found.collect(), place))
    }

    /// The tokens of these digests that have not ended.
    pub(super) async fn live_knox_of(&self, digests: &[KnoxDigest]) -> Result<Vec<Held>, Error> {
        let now = Moment::now();
        let mut conn = self.db().conn().await?;
        let stop = Stop::of(&conn);
        let asked = knox_tokens::load_by_digests(&mut conn, self.db().site(), digests);
        let mut rows = self.db().obey(&self.cancel, stop, asked).await?;
        rows.retain(|held| held.expiry.is_none_or(|expiry| expiry > now));
        Ok(rows)
    }

    /// The digests of the next lot of tokens behind the one of `after` that have not ended.
    pub(super) async fn live_knox_behind(
        &self,
        after: &str,
        lot: i64,
    ) -> Result<Vec<String>, Error> {
        let mut conn = self.db().conn().await?;
        let stop = Stop::of(&conn);
        let asked = knox_tokens::load_live_digests(&mut conn, after, Moment::now(), lot);
        Ok(self.db().obey(&self.cancel, stop, asked).await?)
    }
}

/// A finding about a token of knox.
pub(super) fn told(check: Check, held: Held, detail: String, next: Next) -> Finding {
    Finding {
        check,
        key: Some(KeyStart::of(&held.token_key)),
        detail,
        next,
        owner: Some(held.user),
    }
}

/// As knox itself would have made it.
fn end_it(held: &Held) -> Next {
    let which = which(held);
    Next::Sql(
        format!("UPDATE knox_authtoken SET expiry = now() + interval '10 hours' WHERE {which};")
            .into(),
    )
}

pub(super) fn delete_it(held: &Held) -> Next {
    let which = which(held);
    Next::Sql(format!("DELETE FROM knox_authtoken WHERE {which};").into())
}

/// By its owner and by what may be seen of it.
fn which(held: &Held) -> String {
    let start = KeyStart::of(&held.token_key);
    let start = start.as_str().replace('\'', "''");
    format!(
        "user_id = '{}' AND left(token_key, {}) = '{start}'",
        held.user.id,
        start.chars().count()
    )
}
