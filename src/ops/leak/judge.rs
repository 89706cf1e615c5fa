//! Whose keys are these? Every distinct one is asked of the database, in batches: Git's hashes look like keys, and a log
//! may have a million of them.

use std::collections::HashMap;

use super::folder::Past;
use super::sight::{Sighting, Sightings};
use super::{Beginning, Finding, Held, Holder, Verdict, Was, Why};
use crate::db::{Conn, Stop, knox_tokens, leaks, retired_keys, site::Site, users, uses};
use crate::domain::moment::Moment;
use crate::domain::retired::Retired;
use crate::domain::scan::{Candidate, Kind, Shape};
use crate::domain::token::{CoveredKey, DrfKey, Fingerprint, KeyStart, KnoxDigest, KnoxKey};
use crate::domain::user::{User, UserId};
use crate::ops::{Error, Ops};

/// So many keys are asked about at a time.
const BATCH: usize = 5_000;
/// So many cut keys are looked up, one by one; more of them tell nothing but that something cuts keys.
const MOST_CUT: usize = 1_000;
/// No key is longer. Django's column has 40 characters, a site's own may have more.
const LONGEST: usize = 255;

/// What the database says of one batch.
#[derive(Default)]
struct Answers {
    holders: HashMap<Fingerprint, Holder>,
    retired: HashMap<Fingerprint, Retired>,
}

/// Asks about keys, a part of them after the other: what is told once for all of them is asked for once.
#[derive(Debug)]
pub struct Judging {
    ops: Ops,
    /// What the cases that are kept here say.
    past: Past,
    /// How many cut keys there were.
    cut: usize,
}

impl Ops {
    /// What each of `candidates` is worth: one finding a distinct key, in the order in which they were found.
    ///
    /// # Errors
    /// When the database is away, or the reading is cancelled.
    pub async fn judge(&self, candidates: Vec<Candidate>) -> Result<Vec<Finding>, Error> {
        let sightings: Sightings = candidates.into_iter().collect();
        self.judging().await.judge(sightings.into_vec()).await
    }

    /// For keys that come in parts.
    pub async fn judging(&self) -> Judging {
        Judging {
            ops: self.clone(),
            past: self.past().await,
            cut: 0,
        }
    }
}

impl Judging {
    /// What each of `sightings`, which are distinct, is worth.
    ///
    /// # Errors
    /// As [`Ops::judge`].
    pub async fn judge(&mut self, sightings: Vec<Sighting>) -> Result<Vec<Finding>, Error> {
        let ops = self.ops.clone();
        let mut findings = Vec::with_capacity(sightings.len());
        let mut sightings = sightings.into_iter().peekable();
        while sightings.peek().is_some() {
            let batch: Vec<Sighting> = sightings.by_ref().take(BATCH).collect();
            let mut answers = ops.look_up(&batch).await?;
            for sighting in batch {
                let key = covered(&sighting);
                let verdict = if sighting.shape == Shape::Cut {
                    self.cut += 1;
                    let start = sighting.key.expose();
                    Verdict::Partial(ops.beginning(start, self.cut, &self.past).await?)
                } else if let Some(holder) = answers.holders.remove(&key.fingerprint) {
                    worth(holder)
                } else if let Some(retired) = answers.retired.remove(&key.fingerprint) {
                    Verdict::Retired(retired)
                } else if let Some(retired) = self.past.find(&sighting.key) {
                    Verdict::Retired(retired)
                } else {
                    Verdict::Unknown
                };
                let told = match &verdict {
                    Verdict::Retired(retired) => retired.told.clone(),
                    Verdict::Live(_)
                    | Verdict::Inert(..)
                    | Verdict::Unknown
                    | Verdict::Partial(_) => None,
                };
                let told = told.or_else(|| self.past.find_told(&sighting.key));
                findings.push(Finding {
                    chosen: verdict.is_live(),
                    owner: verdict.holder().map(|holder| holder.user.clone()),
                    sighting,
                    key,
                    verdict,
                    told,
                    kept: None,
                });
            }
        }
        ops.add_past_owners(&mut findings).await?;
        Ok(findings)
    }
}

impl Ops {
    /// The users with these ids, as far as they are still there.
    pub(super) async fn users_by_id(
        &self,
        mut ids: Vec<UserId>,
    ) -> Result<HashMap<UserId, User>, Error> {
        ids.sort_unstable();
        ids.dedup();
        let mut known = HashMap::with_capacity(ids.len());
        for batch in ids.chunks(BATCH) {
            let mut conn = self.db().conn().await?;
            let stop = Stop::of(&conn);
            let work = users::load_by_ids(&mut conn, self.db().site(), batch);
            let found = self.db().obey(&self.cancel, stop, work).await?;
            known.extend(found.into_iter().map(|user| (user.id, user)));
        }
        Ok(known)
    }

    /// Those whose keys these were: their names may be others by now, and who is to be told has an address.
    pub(super) async fn add_past_owners(&self, findings: &mut [Finding]) -> Result<(), Error> {
        // An id of another type is one of another user table than today's.
        let id_type = &self.db().site().id_type;
        let past_owner = |finding: &Finding| past_owner(finding)?.of_type(id_type);
        let ids = findings.iter().filter_map(past_owner).collect();
        let known = self.users_by_id(ids).await?;
        for finding in findings {
            if let Some(id) = past_owner(finding) {
                finding.owner = known.get(&id).cloned();
            }
        }
        Ok(())
    }

    async fn look_up(&self, batch: &[Sighting]) -> Result<Answers, Error> {
        let whole = || {
            batch.iter().filter(|sighting| {
                let key = sighting.key.expose();
                // Postgres holds no NUL, and so no key with one.
                sighting.shape == Shape::Whole && key.len() <= LONGEST && !key.contains('\0')
            })
        };
        let drf: Vec<&DrfKey> = whole()
            .filter(|sighting| sighting.kind != Kind::Knox)
            .map(|sighting| &sighting.key)
            .collect();
        let knox: Vec<&DrfKey> = whole()
            .filter(|sighting| matches!(sighting.kind, Kind::Knox | Kind::Other))
            .map(|sighting| &sighting.key)
            .collect();
        let mut conn = self.db().conn().await?;
        let stop = Stop::of(&conn);
        let site = self.db().site();
        let has_knox = self.has_knox();
        let work = async {
            let mut holders = load_drf(&mut conn, site, &drf).await?;
            if has_knox {
                holders.extend(load_knox(&mut conn, site, &knox).await?);
            }
            add_reach(&mut conn, site, &mut holders).await?;
            let rest: Vec<DrfKey> = whole()
                .map(|sighting| &sighting.key)
                .filter(|key| !holders.contains_key(&Fingerprint::of(key)))
                .cloned()
                .collect();
            let retired = retired_keys::load_retired(&mut conn, &rest).await?;
            let retired = retired
                .into_iter()
                .map(|retired| (retired.fingerprint, retired))
                .collect();
            Ok(Answers { holders, retired })
        };
        Ok(self.db().obey(&self.cancel, stop, work).await?)
    }

    /// Whose keys begin as `start`, the `nth` that is cut; if none does, whose did.
    pub(super) async fn beginning(
        &self,
        start: &str,
        nth: usize,
        past: &Past,
    ) -> Result<Beginning, Error> {
        if nth > MOST_CUT {
            return Ok(Beginning::NotAsked);
        }
        if start.contains('\0') || start.chars().count() < Shape::SHORTEST_CUT {
            return Ok(Beginning::Of(Vec::new()));
        }
        let most = i64::try_from(Beginning::MOST).unwrap_or(i64::MAX);
        let kept = KeyStart::of(start);
        let mut conn = self.db().conn().await?;
        let stop = Stop::of(&conn);
        let site = self.db().site();
        let has_knox = self.has_knox();
        let work = async {
            let rows = users::load_by_key_start(&mut conn, site, start, most).await?;
            let mut owners: Vec<String> = rows.into_iter().map(|row| row.user.username).collect();
            if has_knox && owners.len() < Beginning::MOST {
                let held = knox_tokens::load_by_key_start(&mut conn, site, start, most).await?;
                owners.extend(held.into_iter().map(|held| held.user.username));
                owners.truncate(Beginning::MOST);
            }
            let retired = if owners.is_empty() {
                retired_keys::load_by_starts(&mut conn, std::slice::from_ref(&kept), most).await?
            } else {
                Vec::new()
            };
            Ok((owners, retired))
        };
        let (owners, mut retired) = self.db().obey(&self.cancel, stop, work).await?;
        if owners.is_empty() && retired.is_empty() {
            retired = past.find_by_start(&kept, Beginning::MOST);
        }
        if retired.is_empty() {
            return Ok(Beginning::Of(owners));
        }
        let was = retired.into_iter().map(|retired| Was {
            whose: retired
                .username
                .unwrap_or_else(|| format!("id {}", retired.user_id)),
            leak: retired.leak,
        });
        Ok(Beginning::Was(was.collect()))
    }
}

/// What may be shown of it. Of a cut key all of its first characters, by which it is looked for; unless it looks made by
/// hand, for then little may be missing.
fn covered(sighting: &Sighting) -> CoveredKey {
    match (sighting.shape, sighting.kind) {
        (Shape::Whole, _) | (Shape::Cut, Kind::Other) => CoveredKey::of(&sighting.key),
        (Shape::Cut, Kind::Drf | Kind::Knox | Kind::Checksum(_)) => {
            CoveredKey::of_beginning(&sighting.key)
        }
    }
}

/// Whose a retired key was.
fn past_owner(finding: &Finding) -> Option<UserId> {
    match &finding.verdict {
        Verdict::Retired(retired) => UserId::parse(&retired.user_id),
        Verdict::Live(_) | Verdict::Inert(..) | Verdict::Unknown | Verdict::Partial(_) => None,
    }
}

pub(super) fn worth(holder: Holder) -> Verdict {
    let expired = match holder.token {
        Held::Drf => false,
        Held::Knox(_, expiry) => expiry.is_some_and(|expiry| expiry < Moment::now()),
    };
    match (holder.user.is_active, expired) {
        (true, false) => Verdict::Live(holder),
        (_, true) => Verdict::Inert(holder, Why::Expired),
        (false, false) => Verdict::Inert(holder, Why::Off),
    }
}

async fn load_drf(
    conn: &mut Conn,
    site: &Site,
    keys: &[&DrfKey],
) -> Result<HashMap<Fingerprint, Holder>, crate::db::Error> {
    if keys.is_empty() {
        return Ok(HashMap::new());
    }
    let keys: Vec<&str> = keys.iter().map(|key| key.expose().as_str()).collect();
    let mut rows = users::load_by_keys(conn, site, &keys).await?;
    uses::add_last_uses(conn, site, &mut rows).await?;
    Ok(rows
        .into_iter()
        .filter_map(|row| {
            let token = row.token?;
            let holder = Holder {
                user: row.user,
                token: Held::Drf,
                made: token.created,
                groups: 0,
                permissions: 0,
                last_use: token.last_use,
            };
            Some((token.key.fingerprint, holder))
        })
        .collect())
}

async fn load_knox(
    conn: &mut Conn,
    site: &Site,
    keys: &[&DrfKey],
) -> Result<HashMap<Fingerprint, Holder>, crate::db::Error> {
    let digest = |key: &DrfKey| KnoxKey::new(key.clone()).digest();
    let known: HashMap<KnoxDigest, Fingerprint> = keys
        .iter()
        .map(|key| (digest(key), Fingerprint::of(key)))
        .collect();
    if known.is_empty() {
        return Ok(HashMap::new());
    }
    let digests: Vec<KnoxDigest> = known.keys().copied().collect();
    let tokens = knox_tokens::load_by_digests(conn, site, &digests).await?;
    let made = tokens
        .iter()
        .map(|token| Some((token.digest?, token.created)));
    // Each was found by its digest, so each has one.
    let made: Vec<(KnoxDigest, Moment)> = made.flatten().collect();
    let last_uses = uses::load_of_knox(conn, site, &made).await?;
    Ok(tokens
        .into_iter()
        .zip(last_uses)
        .filter_map(|(token, last_use)| {
            let digest = token.digest?;
            let fingerprint = known.get(&digest)?;
            let holder = Holder {
                user: token.user,
                token: Held::Knox(digest, token.expiry),
                made: token.created,
                groups: 0,
                permissions: 0,
                last_use,
            };
            Some((*fingerprint, holder))
        })
        .collect())
}

pub(super) async fn add_reach(
    conn: &mut Conn,
    site: &Site,
    holders: &mut HashMap<Fingerprint, Holder>,
) -> Result<(), crate::db::Error> {
    let mut ids: Vec<UserId> = holders.values().map(|holder| holder.user.id).collect();
    ids.sort_unstable();
    ids.dedup();
    let counted = leaks::count_reach(conn, site, &ids).await?;
    for holder in holders.values_mut() {
        if let Some(&(groups, permissions)) = counted.get(&holder.user.id) {
            holder.groups = groups;
            holder.permissions = permissions;
        }
    }
    Ok(())
}
