//! A case that is opened by its number: of each of its keys it has a digest, and the database is asked which key of its
//! owner has that digest now. What cannot be told apart so is never changed.

use std::collections::HashMap;

use super::case::Case;
use super::folder::{KeptKey, Past};
use super::sight::{Line, Lines, Sighting};
use super::{Finding, Held, Holder, Verdict, judge};
use crate::db::{Stop, retired_keys, users, uses};
use crate::domain::retired::{KeyDigest, Kind as KeyKind, Retired, Salt};
use crate::domain::scan::{Context, Kind, Shape};
use crate::domain::secret::Secret;
use crate::domain::token::{CoveredKey, Fingerprint, KeyStart};
use crate::domain::user::{User, UserId};
use crate::ops::{Error, Ops};

/// So many are asked about at a time.
const BATCH: usize = 5_000;
/// So many retired keys that begin alike are looked at.
const MOST_ALIKE: i64 = 20_000;

impl Ops {
    /// Makes findings of the keys that only the case's file knows: what each is worth now.
    ///
    /// # Errors
    /// When the database is away, or the reading is cancelled.
    pub(super) async fn open_kept(&self, case: &mut Case, salt: &Salt) -> Result<(), Error> {
        let kept = std::mem::take(&mut case.others);
        let past = self.past().await;
        let mut held = self.held_now(&kept, salt).await?;
        let alike = self.retired_alike(&kept).await?;
        let mut cut = 0;
        let mut findings = Vec::with_capacity(kept.len());
        let mut ids = Vec::with_capacity(kept.len());
        for key in kept {
            let Some(digest) = KeyDigest::parse(&key.digest) else {
                case.others.push(key);
                continue;
            };
            let start = KeyStart::of(&key.start);
            let (verdict, covered) = if let Some((holder, covered)) = held.remove(&digest) {
                (judge::worth(holder), covered)
            } else {
                let verdict = self
                    .kept_verdict(&key, &digest, &past, &alike, &mut cut)
                    .await?;
                let stands_for = Fingerprint::from_bytes(*digest.as_bytes());
                (verdict, CoveredKey::new(start.as_str(), stands_for))
            };
            ids.push(self.kept_owner(&key));
            let finding = finding(&key, digest, covered, verdict);
            case.note_kept(&key, &finding);
            findings.push(finding);
        }
        self.add_past_owners(&mut findings).await?;
        self.add_kept_owners(&mut findings, &ids).await?;
        case.findings.extend(findings);
        Ok(())
    }

    fn kept_owner(&self, key: &KeptKey) -> Option<UserId> {
        // An id of another type is one of another user table than today's.
        UserId::parse(key.user_id.as_deref()?)?.of_type(&self.db().site().id_type)
    }

    /// Of the keys of these owners those with one of the digests, each with its fingerprint, by which it is changed.
    async fn held_now(
        &self,
        kept: &[KeptKey],
        salt: &Salt,
    ) -> Result<HashMap<KeyDigest, (Holder, CoveredKey)>, Error> {
        let owner = |key: &KeptKey| self.kept_owner(key);
        let mut ids: Vec<UserId> = kept.iter().filter_map(owner).collect();
        ids.sort_unstable();
        ids.dedup();
        let mut held = HashMap::new();
        for batch in ids.chunks(BATCH) {
            let mut conn = self.db().conn().await?;
            let stop = Stop::of(&conn);
            let site = self.db().site();
            let work = async {
                let loaded = users::load_with_digests(&mut conn, site, batch, salt).await?;
                let (mut rows, digests): (Vec<_>, Vec<_>) = loaded.into_iter().unzip();
                uses::add_last_uses(&mut conn, site, &mut rows).await?;
                let mut found = HashMap::with_capacity(rows.len());
                let mut holders = HashMap::with_capacity(rows.len());
                for (row, digest) in rows.into_iter().zip(digests) {
                    let Some(token) = row.token else { continue };
                    holders.insert(
                        token.key.fingerprint,
                        Holder {
                            user: row.user,
                            token: Held::Drf,
                            made: token.created,
                            groups: 0,
                            permissions: 0,
                            last_use: token.last_use,
                        },
                    );
                    found.insert(digest, token.key);
                }
                judge::add_reach(&mut conn, site, &mut holders).await?;
                Ok((found, holders))
            };
            let (found, mut holders) = self.db().obey(&self.cancel, stop, work).await?;
            held.extend(found.into_iter().filter_map(|(digest, key)| {
                let holder = holders.remove(&key.fingerprint)?;
                Some((digest, (holder, key)))
            }));
        }
        Ok(held)
    }

    /// What a key is worth that is no key of REST framework now, as far as can be told without it.
    async fn kept_verdict(
        &self,
        key: &KeptKey,
        digest: &KeyDigest,
        past: &Past,
        alike: &[Retired],
        cut: &mut usize,
    ) -> Result<Verdict, Error> {
        let start = KeyStart::of(&key.start);
        // First our schema, by whose digest everybody sees who was told.
        let of_owner = alike.iter().find(|retired| {
            retired.start == start && Some(&retired.user_id) == key.user_id.as_ref()
        });
        if let Some(retired) = of_owner.cloned().or_else(|| past.find_digest(digest)) {
            return Ok(Verdict::Retired(retired));
        }
        // Of a token of knox the database has another digest, and of a cut key only this much was ever known.
        let is_knox = KeyKind::of(&key.kind) == Some(KeyKind::Knox);
        if is_knox || key.verdict == "PARTIAL" {
            *cut += 1;
            let beginning = self.beginning(start.as_str(), *cut, past).await?;
            return Ok(Verdict::Partial(beginning));
        }
        Ok(Verdict::Unknown)
    }

    /// What was retired and began as one of these keys.
    async fn retired_alike(&self, kept: &[KeptKey]) -> Result<Vec<Retired>, Error> {
        let mut alike = Vec::new();
        for batch in kept.chunks(BATCH) {
            let starts: Vec<KeyStart> = batch.iter().map(|key| KeyStart::of(&key.start)).collect();
            let mut conn = self.db().conn().await?;
            let stop = Stop::of(&conn);
            let work = retired_keys::load_by_starts(&mut conn, &starts, MOST_ALIKE);
            alike.extend(self.db().obey(&self.cancel, stop, work).await?);
        }
        Ok(alike)
    }

    /// Whose those were that are nothing now.
    async fn add_kept_owners(
        &self,
        findings: &mut [Finding],
        ids: &[Option<UserId>],
    ) -> Result<(), Error> {
        let lacking = findings
            .iter()
            .zip(ids)
            .filter(|(finding, _)| finding.owner.is_none());
        let known = self
            .users_by_id(lacking.filter_map(|(_, id)| *id).collect())
            .await?;
        for (finding, id) in findings.iter_mut().zip(ids) {
            if finding.owner.is_none() {
                finding.owner = id.and_then(|id| known.get(&id).cloned());
            }
        }
        Ok(())
    }
}

fn finding(key: &KeptKey, digest: KeyDigest, covered: CoveredKey, verdict: Verdict) -> Finding {
    let lines = key.lines.iter().enumerate().map(|(at, number)| Line {
        file: key
            .files
            .get(at)
            .filter(|file| !file.is_empty())
            .map(|file| file.as_str().into()),
        number: *number,
    });
    let told = match &verdict {
        Verdict::Retired(retired) => retired.told.clone(),
        Verdict::Live(_) | Verdict::Inert(..) | Verdict::Unknown | Verdict::Partial(_) => None,
    };
    let owner: Option<User> = verdict.holder().map(|holder| holder.user.clone());
    Finding {
        sighting: Sighting {
            // It is not there.
            key: Secret::new(String::new()),
            kind: match KeyKind::of(&key.kind) {
                Some(KeyKind::Drf) => Kind::Drf,
                Some(KeyKind::Knox) => Kind::Knox,
                None => Kind::Other,
            },
            shape: if key.verdict == "PARTIAL" {
                Shape::Cut
            } else {
                Shape::Whole
            },
            // It mattered.
            context: Context::Header,
            lines: Lines {
                first: lines.collect(),
                times: key.times,
            },
        },
        key: covered,
        chosen: verdict.is_live(),
        owner,
        told: told.or_else(|| key.told.as_ref().and_then(super::folder::read_told)),
        verdict,
        kept: Some(digest),
    }
}
