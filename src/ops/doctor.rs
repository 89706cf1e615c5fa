//! What is unhealthy in a database: keys that can be guessed, that outlived their owners' work, that stand where others
//! read them, and an index that is missing. Looks only; each finding names what mends it. The command line's `doctor` asks.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};

use super::{Error, Ops, Reach, UsersQuery};
use crate::db::Stop;
use crate::db::doctor::{self, AdminLog, Logged};
use crate::domain::filter::{Filter, Test, Word};
use crate::domain::moment::Moment;
use crate::domain::page::{Sort, Start};
use crate::domain::token::{CoveredKey, Fingerprint, KeyStart};
use crate::domain::user::{User, UserId, UserRow};
use crate::domain::weak::weakness;

mod compare;
mod knox;

pub use compare::Comparison;

/// One thing that is looked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Check {
    /// Keys made by hand, and keys with a pattern.
    Weak,
    /// Keys of superusers who are off.
    SuperOff,
    /// Keys of other users who are off.
    Off,
    /// Keys of superusers, made more than a year ago.
    SuperOld,
    /// Keys that stand whole in the log of Django's admin.
    AdminLog,
    /// The index that finds keys by how they begin.
    Index,
    /// Knox tokens of superusers that never end, or outlived their owners' work.
    Knox,
    /// Keys that are keys of another database too.
    Shared,
}

impl Check {
    /// Those of one database, in the order in which they are made.
    pub const ALL: [Self; 7] = [
        Self::Weak,
        Self::SuperOff,
        Self::Off,
        Self::SuperOld,
        Self::AdminLog,
        Self::Index,
        Self::Knox,
    ];

    /// The word for it.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Weak => "weak",
            Self::SuperOff => "super-off",
            Self::Off => "off",
            Self::SuperOld => "super-old",
            Self::AdminLog => "admin-log",
            Self::Index => "index",
            Self::Knox => "knox",
            Self::Shared => "shared",
        }
    }

    /// The filter that finds the same, where there is one.
    #[must_use]
    pub const fn filter(self) -> Option<&'static str> {
        match self {
            Self::SuperOff => Some("is:super is:off"),
            Self::Off => Some("is:off -is:super"),
            Self::SuperOld => Some("is:super -is:off age:>1y"),
            Self::Weak | Self::AdminLog | Self::Index | Self::Knox | Self::Shared => None,
        }
    }
}

/// Something unhealthy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// Which check found it.
    pub check: Check,
    /// Whose key it is about, if it is about one.
    pub owner: Option<User>,
    /// How that key begins.
    pub key: Option<KeyStart>,
    /// What is the matter.
    pub detail: String,
    /// What to do next.
    pub next: Next,
}

impl Finding {
    /// Whether the key opens doors at this moment.
    #[must_use]
    pub fn is_live(&self) -> bool {
        self.owner.as_ref().is_some_and(|owner| owner.is_active)
    }
}

/// What mends it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Next {
    /// The owner needs another key.
    Regenerate,
    /// Nobody needs this key.
    Revoke,
    /// A statement, to be run by the owner of the tables.
    Sql(Cow<'static, str>),
}

/// So many rows are read at once.
const PAGE: usize = 1_000;
/// So many tokens are looked at by one statement.
const STEP: u32 = 20_000;
/// So many entries of the admin's log are.
const ENTRIES: u32 = 20_000;
/// So many keys that stand in that log are told.
const MOST_LOGGED: usize = 100_000;

/// The index as Django names and makes it.
const MAKE_INDEX: &str = "CREATE INDEX CONCURRENTLY authtoken_token_key_10f0b77e_like ON authtoken_token (key varchar_pattern_ops);";

/// One check on its way.
#[derive(Debug)]
pub struct Examination {
    check: Check,
    place: Place,
}

/// How far it came.
#[derive(Debug)]
enum Place {
    /// Nothing was looked at.
    Start,
    /// Everybody up to this row was.
    Row(Start),
    /// Every owner up to this one was.
    Owner(UserId),
    /// Every knox token up to the one of this digest was.
    Digest(String),
    /// All was.
    End,
}

impl Examination {
    /// Nothing is looked at yet.
    #[must_use]
    pub const fn new(check: Check) -> Self {
        Self {
            check,
            place: Place::Start,
        }
    }

    /// What is found next, perhaps nothing; `None` after all was looked at.
    ///
    /// # Errors
    /// [`Error::MissingRight`] where this role may not look; when the database is away, or the reading is cancelled.
    pub async fn next(&mut self, ops: &Ops) -> Result<Option<Vec<Finding>>, Error> {
        let place = std::mem::replace(&mut self.place, Place::End);
        let (found, place) = match (self.check, place) {
            (_, Place::End) | (Check::Shared, _) => return Ok(None),
            (Check::Weak, Place::Owner(after)) => ops.find_weak(Some(after)).await?,
            (Check::Weak, _) => ops.find_weak(None).await?,
            (Check::AdminLog, _) => (ops.find_logged().await?, Place::End),
            (Check::Index, _) => (ops.find_index().await?, Place::End),
            (Check::Knox, Place::Digest(after)) => ops.find_risky_knox(&after).await?,
            (Check::Knox, _) => ops.find_risky_knox("").await?,
            (Check::SuperOff | Check::Off | Check::SuperOld, Place::Row(start)) => {
                ops.find_by_filter(self.check, start).await?
            }
            (Check::SuperOff | Check::Off | Check::SuperOld, _) => {
                ops.find_by_filter(self.check, Start::First).await?
            }
        };
        self.place = place;
        Ok(Some(found))
    }
}

impl Ops {
    async fn find_weak(&self, after: Option<UserId>) -> Result<(Vec<Finding>, Place), Error> {
        let mut conn = self.db().conn().await?;
        let stop = Stop::of(&conn);
        let work = async {
            let part = doctor::find_step(&mut conn, after, STEP).await?;
            let suspects = doctor::load_suspects(&mut conn, self.db().site(), part).await?;
            Ok((suspects, part.upto))
        };
        let (suspects, upto) = self.db().obey(&self.cancel, stop, work).await?;
        let found = suspects.into_iter().filter_map(|suspect| {
            let weakness = weakness(&suspect.key)?;
            Some(Finding {
                check: Check::Weak,
                key: Some(CoveredKey::of(&suspect.key).start().clone()),
                detail: weakness.to_string(),
                next: for_owner(&suspect.user),
                owner: Some(suspect.user),
            })
        });
        let place = upto.map_or(Place::End, Place::Owner);
        Ok((found.collect(), place))
    }

    async fn find_by_filter(
        &self,
        check: Check,
        start: Start,
    ) -> Result<(Vec<Finding>, Place), Error> {
        let mut filter = Filter::parse(check.filter().unwrap_or_default())?;
        filter.words.push(Word {
            negated: false,
            test: Test::Drf,
        });
        let sort = Sort::default();
        let query = UsersQuery {
            filter,
            sort,
            start,
            limit: PAGE,
            reach: Reach::Far,
        };
        let page = self.page_users(&query).await?;
        let place = match (page.more_after, page.rows.last()) {
            (true, Some(last)) => Place::Row(Start::After(last.cursor(sort))),
            (_, _) => Place::End,
        };
        let now = Moment::now();
        let found = page.rows.into_iter().filter_map(|row| {
            let token = row.token?;
            let age = token.created.age(now);
            let detail = match check {
                Check::SuperOff => {
                    "superuser, off: one change makes it a key to everything".to_owned()
                }
                Check::SuperOld => format!("superuser, {age} old"),
                _ => format!("user is off, key {age} old"),
            };
            Some(Finding {
                check,
                key: Some(token.key.start().clone()),
                detail,
                next: for_owner(&row.user),
                owner: Some(row.user),
            })
        });
        Ok((found.collect(), place))
    }

    async fn find_logged(&self) -> Result<Vec<Finding>, Error> {
        let mut conn = self.db().conn().await?;
        let stop = Stop::of(&conn);
        let asked = self
            .db()
            .obey(&self.cancel, stop, doctor::find_admin_log(&mut conn))
            .await?;
        match asked {
            AdminLog::Absent => return Ok(Vec::new()),
            AdminLog::Closed => {
                return Err(Error::MissingRight(format!(
                    "Role {} may not select from django_admin_log.",
                    self.db().shape().access.role
                )));
            }
            AdminLog::Open => {}
        }
        let (mut seen, mut after) = (BTreeMap::new(), i64::MIN);
        loop {
            let stop = Stop::of(&conn);
            let asked = doctor::load_logged(&mut conn, after, ENTRIES);
            let Some((logged, last)) = self.db().obey(&self.cancel, stop, asked).await? else {
                break;
            };
            for entry in &logged {
                note(&mut seen, entry);
            }
            after = last;
        }
        drop(conn);
        self.tell_logged(&seen).await
    }

    async fn tell_logged(&self, seen: &Seen) -> Result<Vec<Finding>, Error> {
        if seen.is_empty() {
            return Ok(Vec::new());
        }
        let digests: Vec<Vec<u8>> = seen.keys().map(|digest| digest.to_vec()).collect();
        let rows = self.rows_of(&digests).await?;
        let found = rows.into_iter().filter_map(|row| {
            let token = row.token?;
            let entries = seen.get(token.key.fingerprint.as_bytes())?;
            Some(Finding {
                check: Check::AdminLog,
                key: Some(token.key.start().clone()),
                detail: entries.to_string(),
                next: for_owner(&row.user),
                owner: Some(row.user),
            })
        });
        Ok(found.collect())
    }

    async fn find_index(&self) -> Result<Vec<Finding>, Error> {
        let mut conn = self.db().conn().await?;
        let stop = Stop::of(&conn);
        let asked = doctor::has_like_index(&mut conn);
        if self.db().obey(&self.cancel, stop, asked).await? {
            return Ok(Vec::new());
        }
        Ok(vec![Finding {
            check: Check::Index,
            owner: None,
            key: None,
            detail: "authtoken_token.key has no index for how a key begins; searches for one read the whole table"
                .to_owned(),
            next: Next::Sql(MAKE_INDEX.into()),
        }])
    }

    /// The rows of the tokens whose keys have these digests.
    async fn rows_of(&self, digests: &[Vec<u8>]) -> Result<Vec<UserRow>, Error> {
        let mut conn = self.db().conn().await?;
        let stop = Stop::of(&conn);
        let asked = doctor::load_by_digests(&mut conn, self.db().site(), digests);
        Ok(self.db().obey(&self.cancel, stop, asked).await?)
    }
}

/// A key that stands in the log, by its digest.
type Seen = BTreeMap<[u8; 32], Entries>;

/// Where it stands.
#[derive(Debug)]
struct Entries {
    first: i64,
    last: i64,
    count: u64,
    place: String,
}

impl std::fmt::Display for Entries {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (first, place) = (self.first, &self.place);
        write!(f, "whole in django_admin_log, entry {first} ({place})")?;
        match self.count {
            ..=1 => Ok(()),
            2 => write!(f, " and 1 more"),
            more => write!(f, " and {} more", more - 1),
        }
    }
}

fn note(seen: &mut Seen, logged: &Logged) {
    let Some(digest) = logged.fingerprint().map(|key| *key.as_bytes()) else {
        return;
    };
    if let Some(entries) = seen.get_mut(&digest) {
        // An entry may name it in two places.
        entries.count += u64::from(entries.last != logged.entry);
        entries.last = logged.entry;
    } else if seen.len() < MOST_LOGGED {
        let entries = Entries {
            first: logged.entry,
            last: logged.entry,
            count: 1,
            place: logged.place.clone(),
        };
        seen.insert(digest, entries);
    }
}

/// What the owner of such a key needs: another one, or none.
const fn for_owner(owner: &User) -> Next {
    if owner.is_active {
        Next::Regenerate
    } else {
        Next::Revoke
    }
}

/// Rows by the digest of their keys.
fn by_digest(rows: Vec<UserRow>) -> HashMap<Fingerprint, UserRow> {
    let keyed = |row: UserRow| Some((row.token.as_ref()?.key.fingerprint, row));
    rows.into_iter().filter_map(keyed).collect()
}
