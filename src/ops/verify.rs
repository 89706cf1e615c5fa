//! Testing a key: whose is it, and what would a request with it get?

use super::leak::Past;
use super::users::{UserDetail, detail};
use super::{Error, Ops};
use crate::db::{Stop, retired_keys, users};
use crate::domain::moment::Moment;
use crate::domain::retired::Retired;
use crate::domain::token::{CoveredKey, DrfKey, checksum_of};

/// What a key is worth.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// A key of an active user: it opens doors.
    Live(UserDetail),
    /// A key of a user who is off: it opens none, until he is on again.
    Inert(UserDetail),
    /// It was a key, once. Our listener may take it still, in its grace.
    Retired(Box<Retired>),
    /// No key of this database.
    Unknown {
        /// What was tested.
        covered: CoveredKey,
        /// For a key of our checksummed format: whether it was ever one, or is mistyped.
        checksum: Option<bool>,
    },
}

/// What a request would get.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The header, its key covered.
    pub header: String,
    /// The status.
    pub status: u16,
    /// The body, its key covered.
    pub body: String,
}

impl Verdict {
    /// The word for it.
    #[must_use]
    pub const fn word(&self) -> &'static str {
        match self {
            Self::Live(_) => "LIVE",
            Self::Inert(_) => "INERT",
            Self::Retired(_) => "RETIRED",
            Self::Unknown { .. } => "UNKNOWN",
        }
    }

    /// What our listener answers to a request with `key`, by the keyword `Token` and by another one: what REST
    /// framework's `TokenAuthentication` would, and of a key in its grace what it did before.
    #[must_use]
    pub fn answers(&self, key: &DrfKey) -> [Answer; 2] {
        let covered = CoveredKey::of(key);
        let denied = |sentence: &str| serde_json::json!({ "detail": sentence }).to_string();
        let granted = |username: &str| {
            // Written in the order of REST framework's example, which a JSON map of ours would not keep.
            let user = serde_json::json!(username);
            let auth = serde_json::json!(covered);
            format!("{{\"user\":{user},\"auth\":{auth}}}")
        };
        let (status, body) = match self {
            Self::Live(detail) => (200, granted(&detail.row.user.username)),
            Self::Inert(_) => (401, denied("User inactive or deleted.")),
            Self::Retired(retired) => match (retired.grace(Moment::now()), &retired.username) {
                (Some(_), Some(username)) => (200, granted(username)),
                (Some(_), None) | (None, _) => (401, denied("Invalid token.")),
            },
            Self::Unknown { .. } => (401, denied("Invalid token.")),
        };
        let bearer = denied("Authentication credentials were not provided.");
        [
            Answer {
                header: format!("Authorization: Token {covered}"),
                status,
                body,
            },
            Answer {
                header: format!("Authorization: Bearer {covered}"),
                status: 401,
                body: bearer,
            },
        ]
    }
}

impl Ops {
    /// Tests `key` as REST framework would: the exact text, by case. One that is none now may have been one.
    ///
    /// # Errors
    /// When the database is away, or the reading is cancelled.
    pub async fn verify(&self, key: &DrfKey) -> Result<Verdict, Error> {
        self.verify_beside(&self.past().await, key).await
    }

    /// The same for whoever tests many keys: `past` is read once for all of them.
    ///
    /// # Errors
    /// As [`Ops::verify`].
    pub async fn verify_beside(&self, past: &Past, key: &DrfKey) -> Result<Verdict, Error> {
        let unknown = || Verdict::Unknown {
            covered: CoveredKey::of(key),
            checksum: checksum_of(key.expose()),
        };
        if key.expose().contains('\0') {
            return Ok(unknown());
        }
        let mut conn = self.db().conn().await?;
        let stop = Stop::of(&conn);
        let site = self.db().site();
        let work = async {
            let row = users::find_by_key(&mut conn, site, key.expose()).await?;
            let detail = detail(&mut conn, site, row).await?;
            let retired = match &detail {
                Some(_) => Vec::new(),
                None => retired_keys::load_retired(&mut conn, std::slice::from_ref(key)).await?,
            };
            Ok((detail, retired.into_iter().next()))
        };
        Ok(match self.db().obey(&self.cancel, stop, work).await? {
            (Some(detail), _) if detail.row.user.is_active => Verdict::Live(detail),
            (Some(detail), _) => Verdict::Inert(detail),
            (None, retired) => retired
                .or_else(|| past.find(key))
                .map_or_else(unknown, |retired| Verdict::Retired(Box::new(retired))),
        })
    }
}
