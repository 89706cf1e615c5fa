//! A case: what was found in one text, what was done about it and who was told. In memory it has the keys, to ask again
//! with; what is kept of it has none.

use std::collections::{HashMap, HashSet};

use super::folder::{Folder, Kept, KeptDone, KeptKey, KeptTold, Past, read_told};
use super::respond::Deed;
use super::sight::Line;
use super::{Finding, Verdict};
use crate::db::{leaks, retired_keys};
use crate::domain::audit::Verb;
use crate::domain::moment::Moment;
use crate::domain::retired::{KeyDigest, Kind as KeyKind, Salt, Told};
use crate::domain::scan::{Kind, Shape};
use crate::domain::token::Fingerprint;
use crate::ops::{Error, Ops};
use crate::text;

/// More keys than this are in no case: the file stays one that can be read.
const MOST_KEYS: usize = 20_000;

/// A case.
#[derive(Clone, Debug)]
pub struct Case {
    /// Its number; what it will be, as far as one can tell, before it is saved.
    pub number: i64,
    /// Whether it is kept.
    pub saved: Saved,
    /// What the keys were found in: `pasted text, 41 lines`.
    pub source: String,
    /// When it was opened.
    pub opened: Moment,
    /// By whom.
    pub by: String,
    /// What was found.
    pub findings: Vec<Finding>,
    /// What was done about each key.
    pub done: HashMap<Fingerprint, Done>,
    /// What was done about keys that live again when the case was opened: it holds no longer.
    pub past: HashMap<Fingerprint, Done>,
    /// What its file has of keys that are not among the findings: a part of its text was read again.
    pub others: Vec<KeptKey>,
}

/// Whether a case is kept in its file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Saved {
    /// It is.
    Yes,
    /// Not yet.
    No,
}

/// What was done about a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Done {
    /// What.
    pub what: Deed,
    /// When.
    pub when: Moment,
    /// By whom.
    pub by: String,
}

/// The same case with the same keys to be changed: what an effect is compared by.
impl PartialEq for Case {
    fn eq(&self, other: &Self) -> bool {
        let chosen = |case: &Self| -> Vec<Fingerprint> {
            case.chosen()
                .map(|finding| finding.key.fingerprint)
                .collect()
        };
        (self.number, self.saved) == (other.number, other.saved) && chosen(self) == chosen(other)
    }
}

impl Case {
    /// The live keys that are among those to be changed.
    pub fn chosen(&self) -> impl Iterator<Item = &Finding> {
        let chosen = |finding: &&Finding| finding.chosen && finding.verdict.is_live();
        self.findings.iter().filter(chosen)
    }

    /// As it is kept.
    pub(super) fn kept(&self, salt: &Salt, database: &str, now: Moment) -> Kept {
        let matters = self.findings.iter().filter(|finding| finding.matters());
        let mut keys: Vec<KeptKey> = matters
            .take(MOST_KEYS)
            .map(|finding| self.kept_key(finding, salt, database, now))
            .collect();
        keys.extend(self.others.iter().cloned());
        Kept {
            leak: match self.saved {
                Saved::Yes => self.number,
                Saved::No => 0,
            },
            database: database.to_owned(),
            opened: self.opened.rfc3339(),
            by: self.by.clone(),
            source: self.source.clone(),
            keys,
        }
    }

    fn kept_key(&self, finding: &Finding, salt: &Salt, database: &str, now: Moment) -> KeptKey {
        let holder = finding.verdict.holder();
        let user = finding.owner.as_ref();
        let (kind, user_id) = match (&finding.verdict, holder) {
            (_, Some(holder)) => (holder.token.word(), Some(holder.user.id.to_string())),
            (Verdict::Retired(retired), None) => {
                (retired.kind.word(), Some(retired.user_id.clone()))
            }
            // What an opened case knew of it.
            (_, None) => match (finding.kept, finding.sighting.kind) {
                (Some(_), Kind::Drf) => (KeyKind::Drf.word(), user.map(|user| user.id.to_string())),
                (Some(_), Kind::Knox) => {
                    (KeyKind::Knox.word(), user.map(|user| user.id.to_string()))
                }
                _ => ("", None),
            },
        };
        let done = self.done.get(&finding.key.fingerprint);
        let lines = &finding.sighting.lines.first;
        KeptKey {
            start: finding.key.prefix().to_owned(),
            digest: finding.digest(salt).to_string(),
            kind: kind.to_owned(),
            verdict: finding.verdict.word().to_owned(),
            detail: finding.detail(now, database),
            lines: lines.iter().map(|line| line.number).collect(),
            files: files_of(lines),
            times: finding.sighting.lines.times,
            username: finding.whose().map(str::to_owned),
            user_id,
            email: user
                .map(|user| user.email.clone())
                .filter(|email| !email.is_empty()),
            reach: holder.map(super::Holder::reach),
            made: holder.map(|holder| holder.made.rfc3339()),
            last_login: user.and_then(|user| Some(user.last_login?.rfc3339())),
            done: done.map(|done| KeptDone {
                what: done.what.verb().word().to_owned(),
                when: done.when.rfc3339(),
                by: done.by.clone(),
            }),
            told: finding.told.as_ref().map(|told| KeptTold {
                when: told.when.rfc3339(),
                by: told.by.clone(),
            }),
        }
    }

    /// Takes in what the file says was done about a key that it alone knows, which is `finding` now.
    pub(super) fn note_kept(&mut self, key: &KeptKey, finding: &Finding) {
        if let Some(done) = key.done.as_ref().and_then(read_done) {
            let noted = if finding.verdict.is_live() {
                &mut self.past
            } else {
                &mut self.done
            };
            noted.insert(finding.key.fingerprint, done);
        }
    }

    /// A key that was asked about just now and lives was put back after whatever `kept` says was done about it.
    fn find_past(&mut self, kept: &Kept, salt: &Salt) {
        let done = |key: &KeptKey| Some((key.digest.clone(), read_done(key.done.as_ref()?)?));
        let mut done: HashMap<String, Done> = kept.keys.iter().filter_map(done).collect();
        let live = self.findings.iter().filter(|one| one.verdict.is_live());
        self.past = live
            .filter_map(|finding| {
                let digest = finding.digest(salt).to_string();
                Some((finding.key.fingerprint, done.remove(&digest)?))
            })
            .collect();
    }

    /// Takes over what `kept`, an earlier state of the same case, knows and this one does not.
    fn take_over(&mut self, kept: &Kept, salt: &Salt) {
        let mut known: HashMap<&str, &KeptKey> = HashMap::new();
        for key in &kept.keys {
            known.insert(&key.digest, key);
        }
        for finding in &mut self.findings {
            let digest = finding.digest(salt).to_string();
            let Some(key) = known.get(digest.as_str()) else {
                continue;
            };
            let fingerprint = finding.key.fingerprint;
            let past = self.past.get(&fingerprint);
            let done = key.done.as_ref().and_then(read_done);
            if let Some(done) = done.filter(|done| Some(done) != past) {
                self.done.entry(fingerprint).or_insert(done);
            }
            if finding.told.is_none() {
                finding.told = key.told.as_ref().and_then(read_told);
            }
        }
        let matters = self.findings.iter().filter(|finding| finding.matters());
        let here: HashSet<String> = matters
            .take(MOST_KEYS)
            .map(|finding| finding.digest(salt).to_string())
            .collect();
        let others = kept.keys.iter().filter(|key| !here.contains(&key.digest));
        self.others = others.cloned().collect();
        self.source = join_sources(&kept.source, &self.source);
    }
}

impl Case {
    /// What is not known now for want of the key alone, `kept` has as it was known `before`, besides what was done about it
    /// and who was told.
    fn put_back(&self, before: Kept, kept: &mut Kept) {
        let lacking = self.findings.iter().filter(|finding| {
            matches!(finding.verdict, Verdict::Partial(_)) && finding.sighting.shape == Shape::Whole
        });
        let lacking = lacking.filter_map(|finding| Some(finding.kept?.to_string()));
        let lacking: HashSet<String> = lacking.collect();
        let known = before.keys.into_iter();
        let mut known: HashMap<String, KeptKey> = known
            .filter(|key| lacking.contains(&key.digest))
            .map(|key| (key.digest.clone(), key))
            .collect();
        for key in &mut kept.keys {
            if let Some(before) = known.remove(&key.digest) {
                let (done, told) = (key.done.take(), key.told.take());
                *key = KeptKey {
                    done,
                    told,
                    ..before
                };
            }
        }
    }
}

/// The file of each line, where any has one.
fn files_of(lines: &[Line]) -> Vec<String> {
    if lines.iter().all(|line| line.file.is_none()) {
        return Vec::new();
    }
    let file = |line: &Line| line.file.as_deref().unwrap_or_default().to_owned();
    lines.iter().map(file).collect()
}

fn read_done(done: &KeptDone) -> Option<Done> {
    let what = [Deed::Regenerate, Deed::Revoke]
        .into_iter()
        .find(|deed| deed.verb().word() == done.what)?;
    Some(Done {
        what,
        when: Moment::parse(&done.when)?,
        by: done.by.clone(),
    })
}

/// What was read before and what was read now, each once. No long list is kept.
#[must_use]
pub fn join_sources(before: &str, now: &str) -> String {
    const MOST: usize = 500;
    let mut all: Vec<&str> = before.split(", ").filter(|one| !one.is_empty()).collect();
    for one in now.split(", ").filter(|one| !one.is_empty()) {
        let length: usize = all.iter().map(|one| one.len() + 2).sum();
        if !all.contains(&one) && (all.is_empty() || length + one.len() <= MOST) {
            all.push(one);
        }
    }
    all.join(", ")
}

/// Keys of a case are kept under what the case keeps of them.
fn holds_all(kept: &Kept, digests: &[String]) -> bool {
    let known: HashSet<&str> = kept.keys.iter().map(|key| key.digest.as_str()).collect();
    digests.iter().all(|digest| known.contains(digest.as_str()))
}

impl Ops {
    /// The case of these findings: the newest one that is kept and has every key among them, else a new one, which
    /// nothing keeps yet.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn open_case(&self, findings: Vec<Finding>, source: String) -> Result<Case, Error> {
        self.go_on_with_case(None, findings, source).await
    }

    /// The same for keys that belong to the case `number`, which is kept already.
    ///
    /// # Errors
    /// As [`Ops::open_case`].
    pub async fn go_on_with_case(
        &self,
        number: Option<i64>,
        findings: Vec<Finding>,
        source: String,
    ) -> Result<Case, Error> {
        let mut case = Case {
            number: 0,
            saved: Saved::No,
            source,
            opened: Moment::now(),
            by: self.inner.actor.to_string(),
            past: HashMap::new(),
            findings,
            done: HashMap::new(),
            others: Vec::new(),
        };
        if let Some(kept) = self.kept_case_of(number, &mut case).await? {
            case.number = kept.leak;
            case.saved = Saved::Yes;
            case.opened = Moment::parse(&kept.opened).unwrap_or(case.opened);
            case.by = kept.by;
            return Ok(case);
        }
        case.number = self.next_number().await?;
        Ok(case)
    }

    async fn kept_case_of(
        &self,
        number: Option<i64>,
        case: &mut Case,
    ) -> Result<Option<Kept>, Error> {
        let folder = self.folder();
        let database = self.place().name.clone();
        let keys: Vec<_> = case
            .findings
            .iter()
            .filter(|finding| finding.verdict.holder().is_some() || finding.is_retired())
            .map(|finding| finding.sighting.key.clone())
            .collect();
        if (keys.is_empty() && number.is_none()) || folder.highest() == 0 {
            return Ok(None);
        }
        let found = blocking(move || {
            let salt = folder.salt()?;
            if let Some(number) = number {
                return Ok(Some((salt, folder.read(number)?)));
            }
            let digests: Vec<String> = keys.iter().map(|key| salt.drf(key).to_string()).collect();
            let cases = folder.cases(&database).into_iter();
            let found = cases.into_iter().find(|kept| holds_all(kept, &digests));
            Ok(found.map(|kept| (salt, kept)))
        });
        Ok(found.await?.map(|(salt, kept)| {
            case.find_past(&kept, &salt);
            case.take_over(&kept, &salt);
            kept
        }))
    }

    /// Keeps `case`, under a number that is its own from then on. What another console kept of the same case meanwhile
    /// is not lost.
    ///
    /// # Errors
    /// When its file cannot be written.
    pub async fn save_case(&self, case: &mut Case) -> Result<(), Error> {
        if case.saved == Saved::No {
            case.number = self.take_number().await?;
            case.saved = Saved::Yes;
        }
        let (folder, database) = (self.folder(), self.place().name.clone());
        let mut kept_case = case.clone();
        let saved = blocking(move || {
            let salt = folder.salt()?;
            folder.alone(|| {
                let before = folder.read_if_written(kept_case.number)?;
                if let Some(before) = &before {
                    kept_case.take_over(before, &salt);
                }
                let mut kept = kept_case.kept(&salt, &database, Moment::now());
                if let Some(before) = before {
                    kept_case.put_back(before, &mut kept);
                }
                folder.write(&kept)
            })?;
            Ok(kept_case)
        });
        *case = saved.await?;
        Ok(())
    }

    /// The case of this number as it is kept: for a report, without asking for its keys again.
    ///
    /// # Errors
    /// [`Error::NotFound`] when there is none.
    pub async fn kept_case(&self, number: i64) -> Result<Kept, Error> {
        let folder = self.folder();
        blocking(move || folder.read(number)).await
    }

    /// The case `number` as far as its file knows it, and what each of its keys is worth now. `findings` are those of its
    /// keys that are there, and others that came to them.
    ///
    /// # Errors
    /// [`Error::NotFound`] when there is none, [`Error::Invalid`] for one about another database; when the database is
    /// away.
    pub async fn open_whole_case(
        &self,
        number: i64,
        findings: Vec<Finding>,
        source: String,
    ) -> Result<Case, Error> {
        let kept = self.kept_case(number).await?;
        if kept.database != self.place().name {
            return Err(Error::Invalid(format!(
                "leak {number} is about {}, and this is {}; open it there",
                text::safe(&kept.database),
                text::safe(&self.place().name)
            )));
        }
        let mut case = self.go_on_with_case(Some(number), findings, source).await?;
        let folder = self.folder();
        let salt = blocking(move || folder.salt()).await?;
        self.open_kept(&mut case, &salt).await?;
        Ok(case)
    }

    /// Notes that the owners of these keys of `case` were told, here and, where our schema is, for everybody; and keeps
    /// the case.
    ///
    /// # Errors
    /// When its file cannot be written, or the database is away.
    pub async fn note_told(&self, case: &mut Case, keys: &[Fingerprint]) -> Result<(), Error> {
        let told = Told {
            when: Moment::now(),
            by: self.inner.actor.to_string(),
        };
        let mut retired: Vec<KeyDigest> = Vec::new();
        for finding in &mut case.findings {
            if !keys.contains(&finding.key.fingerprint) {
                continue;
            }
            finding.told = Some(told.clone());
            if let Verdict::Retired(known) = &mut finding.verdict {
                known.told = Some(told.clone());
                retired.push(known.digest);
            }
        }
        self.save_case(case).await?;
        let mut conn = self.db().conn().await?;
        if self.place().read_only
            || retired.is_empty()
            || retired_keys::find_salt(&mut conn).await?.is_none()
        {
            return Ok(());
        }
        retired_keys::note_told(&mut conn, &retired, &told).await?;
        Ok(())
    }

    /// What the cases that are kept here say of keys.
    pub async fn past(&self) -> Past {
        let (folder, database) = (self.folder(), self.place().name.clone());
        let read = blocking(move || {
            if folder.highest() == 0 {
                return Ok(Past::default());
            }
            Ok(Past::of(folder.salt()?, folder.cases(&database)))
        });
        read.await.unwrap_or_else(|error| {
            tracing::warn!("the cases kept here tell nothing of these keys: {error}");
            Past::default()
        })
    }

    fn folder(&self) -> Folder {
        Folder::beside(self.inner.audit.path())
    }

    /// The number that the next case will have, unless somebody is faster.
    async fn next_number(&self) -> Result<i64, Error> {
        let here = self.folder().highest() + 1;
        let mut conn = self.db().conn().await?;
        if !leaks::numbers_leaks(&mut conn).await? {
            return Ok(here);
        }
        Ok(leaks::peek_number(&mut conn).await?.max(here))
    }

    /// A number for good: from the database, so that the numbers of all who work on it differ, else from the folder.
    async fn take_number(&self) -> Result<i64, Error> {
        let folder = self.folder();
        let mut conn = self.db().conn().await?;
        let shared = !self.place().read_only && leaks::numbers_leaks(&mut conn).await?;
        loop {
            let highest = folder.highest();
            let number = if shared {
                leaks::take_number(&mut conn, highest).await?
            } else {
                highest + 1
            };
            if folder.take(number)? {
                return Ok(number);
            }
        }
    }
}

impl Deed {
    /// The word for it in the audit.
    #[must_use]
    pub const fn verb(self) -> Verb {
        match self {
            Self::Regenerate => Verb::Regenerate,
            Self::Revoke => Verb::Revoke,
        }
    }
}

impl Finding {
    /// Whether it is a key no more.
    #[must_use]
    pub const fn is_retired(&self) -> bool {
        matches!(self.verdict, Verdict::Retired(_))
    }
}

/// Work on files, away from the threads that wait for sockets.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Error> + Send + 'static,
) -> Result<T, Error> {
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(|error| Error::Internal(format!("reading or writing a case failed: {error}")))?
}
