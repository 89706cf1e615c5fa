//! The answer to a leak: its live keys replaced or revoked in one transaction, all or none, each only while it is still
//! the one that was found. Where the answer to COMMIT is lost, the server is asked what became of the transaction.

use super::case::{Case, Done, Saved};
use super::{Finding, Held};
use crate::db::{self, knox_tokens, leaks};
use crate::domain::moment::Moment;
use crate::domain::secret::Secret;
use crate::domain::token::{DrfKey, Fingerprint, Issued, KnoxDigest, Origin};
use crate::domain::user::UserId;
use crate::ops::work::Work;
use crate::ops::{Aim, Change, Error, Mode, Ops};
use crate::text;

/// So many keys are changed in one transaction.
pub const MOST_LIVE: usize = 1_000;

/// More names than this are not said.
const NAMED: usize = 5;

/// What is done about a leaked key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Deed {
    /// It is replaced. A token of knox, whose new key nobody would see, is revoked: its user logs in again.
    Regenerate,
    /// It is deleted.
    Revoke,
}

impl Deed {
    /// As a change of tokens, for asking whether it may be.
    #[must_use]
    pub const fn change(self) -> Change {
        match self {
            Self::Regenerate => Change::Regenerate,
            Self::Revoke => Change::Revoke,
        }
    }
}

/// What became of one key.
#[derive(Clone, Debug)]
pub struct RowDone {
    /// Which key.
    pub key: Fingerprint,
    /// Whose it was.
    pub username: String,
    /// What was done.
    pub done: Done,
}

/// What an answer to a leak did: everything that it was to do.
#[derive(Clone, Debug)]
pub struct Response {
    /// The leak's number; 0 for a dry run, which takes none.
    pub leak: i64,
    /// Every key.
    pub rows: Vec<RowDone>,
    /// The new keys. Nobody sees them unless he asks.
    pub issued: Vec<Issued>,
    /// What went wrong after it.
    pub warning: Option<String>,
}

/// What is to be changed.
struct Plan<'a> {
    deed: Deed,
    drf: Vec<(&'a Finding, leaks::Seen)>,
    knox: Vec<(&'a Finding, KnoxDigest)>,
    now: Moment,
}

impl<'a> Plan<'a> {
    fn of(case: &'a Case, deed: Deed) -> Self {
        let mut plan = Self {
            deed,
            drf: Vec::new(),
            knox: Vec::new(),
            now: Moment::now(),
        };
        for finding in case.chosen() {
            let Some(holder) = finding.verdict.holder() else {
                continue;
            };
            match holder.token {
                Held::Drf => plan.drf.push((
                    finding,
                    leaks::Seen {
                        user: holder.user.id,
                        key: finding.key.fingerprint,
                    },
                )),
                Held::Knox(digest, _) => plan.knox.push((finding, digest)),
            }
        }
        plan
    }

    fn findings(&self) -> impl Iterator<Item = (&'a Finding, Deed)> {
        let drf = self.drf.iter().map(|(finding, _)| (*finding, self.deed));
        drf.chain(
            self.knox
                .iter()
                .map(|(finding, _)| (*finding, Deed::Revoke)),
        )
    }

    fn len(&self) -> usize {
        self.drf.len() + self.knox.len()
    }
}

impl Ops {
    /// Makes `deed` to every chosen live key of `case` in one transaction, all or none, and keeps the case with what was
    /// done. A dry run tries it, takes it back and keeps nothing.
    ///
    /// # Errors
    /// [`Error::Conflict`] with the names of those whose keys are no longer what was found, [`Error::Invalid`] for none
    /// or too many; nothing was changed then.
    pub async fn respond(
        &self,
        case: &mut Case,
        deed: Deed,
        mode: Mode,
    ) -> Result<Response, Error> {
        let plan = Plan::of(case, deed);
        self.allow_plan(&plan)?;
        let keys = self.new_keys(&plan)?;
        let (plan_users, leak) = (users_of(&plan), self.number_for(case, mode).await?);
        let plan = Plan::of(case, deed);
        let changed = self.change_all(&plan, &keys, leak, mode).await;
        for user in plan_users {
            self.forget(user);
        }
        changed?;
        let mut response = self.response(&plan, keys, leak);
        if mode == Mode::DryRun {
            return Ok(response);
        }
        // A key that leaked is never given back, nor one before it: who answers a leak does not undo by mistake.
        self.forget_last();
        let ops = self.for_leak(leak);
        for (finding, deed) in plan.findings() {
            if let Some(aim) = aim(finding) {
                self.retire(&aim);
                let mut issued = response.issued.iter();
                let new =
                    issued.find(|issued| deed == Deed::Regenerate && issued.user_id == aim.id);
                ops.run_hook(deed.verb(), &aim, new.map(|new| &new.key));
            }
        }
        for row in &response.rows {
            case.done.insert(row.key, row.done.clone());
        }
        // What was done is done, and the audit has it; that the case could not be kept is told beside it.
        if let Err(error) = self.save_case(case).await {
            tracing::error!("leak {leak} was handled, but its case is not up to date: {error}");
            response.warning = Some(format!(
                "leak {leak} was handled, and the audit has it, but its case is not up to date: {error}; then ask for \
                 the keys again and write a report"
            ));
        }
        Ok(response)
    }

    fn allow_plan(&self, plan: &Plan) -> Result<(), Error> {
        let many = plan.len();
        if many == 0 {
            return Err(Error::Invalid(
                "no live key is chosen; nothing was changed".to_owned(),
            ));
        }
        if many > MOST_LIVE {
            return Err(Error::Invalid(format!(
                "{many} live keys are more than one transaction takes ({MOST_LIVE}); choose fewer, and do the rest \
                 after them. Nothing was changed"
            )));
        }
        if !plan.drf.is_empty() {
            self.allow(plan.deed.change())?;
        }
        if !plan.knox.is_empty() {
            self.allow_knox_delete()?;
        }
        Ok(())
    }

    /// The number that everything about this leak is written under. The case is kept before anything is changed: who
    /// cannot write it down may not do it, and a program that is killed leaves it.
    async fn number_for(&self, case: &mut Case, mode: Mode) -> Result<i64, Error> {
        if mode == Mode::DryRun {
            return Ok(if case.saved == Saved::Yes {
                case.number
            } else {
                0
            });
        }
        self.save_case(case).await?;
        Ok(case.number)
    }

    fn new_keys(&self, plan: &Plan) -> Result<Vec<DrfKey>, Error> {
        if plan.deed == Deed::Revoke {
            return Ok(Vec::new());
        }
        let keys = self.inner.format.make_many(plan.drf.len())?;
        Ok(keys.into_iter().map(Secret::new).collect())
    }

    async fn change_all(
        &self,
        plan: &Plan<'_>,
        keys: &[DrfKey],
        leak: i64,
        mode: Mode,
    ) -> Result<(), Error> {
        let ops = match mode {
            Mode::Apply => self.for_leak(leak),
            Mode::DryRun => self.clone(),
        };
        let mut work = ops.begin(mode, plan.deed.verb()).await?;
        let missing = ops.change_in(&mut work, plan, keys).await;
        let missing = self.db().explain(missing).await?;
        if !missing.is_empty() {
            work.cancel().await?;
            return Err(missed(&missing));
        }
        for (finding, deed) in plan.findings() {
            let name = finding.whose().unwrap_or_default();
            ops.note_as(&mut work, deed.verb(), name, Some(finding.key.start()));
        }
        work.number().await?;
        ops.commit(work, "these keys").await
    }

    /// Makes the changes, and gives the names of those whose keys are no longer what was found.
    async fn change_in(
        &self,
        work: &mut Work,
        plan: &Plan<'_>,
        keys: &[DrfKey],
    ) -> Result<Vec<String>, db::Error> {
        let site = self.db().site();
        let seen: Vec<leaks::Seen> = plan.drf.iter().map(|(_, seen)| *seen).collect();
        let mut missing = Vec::new();
        if !seen.is_empty() {
            let conn = work.conn();
            let hit = match plan.deed {
                Deed::Regenerate => {
                    let users: Vec<UserId> = seen.iter().map(|seen| seen.user).collect();
                    leaks::lock_tokens(conn, site, &users).await?;
                    leaks::replace_tokens(conn, site, &seen, keys, plan.now).await?
                }
                Deed::Revoke => leaks::delete_tokens(conn, site, &seen).await?,
            };
            let missed = plan
                .drf
                .iter()
                .filter(|(_, seen)| !hit.contains(&seen.user));
            missing.extend(missed.map(|(finding, _)| name(finding)));
        }
        if !plan.knox.is_empty() {
            self.tell_of(work, Deed::Revoke.verb()).await?;
            let digests: Vec<KnoxDigest> = plan.knox.iter().map(|(_, digest)| *digest).collect();
            let hit = knox_tokens::delete_tokens(work.conn(), &digests).await?;
            let missed = plan.knox.iter().filter(|(_, digest)| !hit.contains(digest));
            missing.extend(missed.map(|(finding, _)| name(finding)));
        }
        Ok(missing)
    }

    fn response(&self, plan: &Plan<'_>, keys: Vec<DrfKey>, leak: i64) -> Response {
        let by = self.inner.actor.to_string();
        let rows = plan.findings().map(|(finding, what)| RowDone {
            key: finding.key.fingerprint,
            username: finding.whose().unwrap_or_default().to_owned(),
            done: Done {
                what,
                when: plan.now,
                by: by.clone(),
            },
        });
        let issued = plan
            .drf
            .iter()
            .zip(keys)
            .map(|((finding, seen), key)| Issued {
                user_id: seen.user,
                username: finding.whose().unwrap_or_default().to_owned(),
                key,
                created: plan.now,
                origin: Origin::New,
            });
        Response {
            leak,
            rows: rows.collect(),
            issued: issued.collect(),
            warning: None,
        }
    }
}

fn users_of(plan: &Plan) -> Vec<UserId> {
    let holders = plan
        .findings()
        .filter_map(|(finding, _)| finding.verdict.holder());
    holders.map(|holder| holder.user.id).collect()
}

fn aim(finding: &Finding) -> Option<Aim> {
    let holder = finding.verdict.holder()?;
    Some(Aim {
        id: holder.user.id,
        username: holder.user.username.clone(),
        seen: Some(finding.key.clone()),
    })
}

fn name(finding: &Finding) -> String {
    text::safe(finding.whose().unwrap_or("?")).into_owned()
}

fn missed(names: &[String]) -> Error {
    let mut said = names
        .iter()
        .take(NAMED)
        .cloned()
        .collect::<Vec<_>>()
        .join(", ");
    if names.len() > NAMED {
        said = format!("{said} and {} more", names.len() - NAMED);
    }
    Error::Conflict(format!(
        "{said}: changed meanwhile; it is all or none, so nothing was changed. Ask for the keys again"
    ))
}
