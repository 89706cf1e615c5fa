//! What is listed of a text that is read part by part: keys that matter, each once. What does not matter is remembered by
//! a number of a few bytes, and forgotten when there is too much of it.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;

use super::Finding;
use super::judge::Judging;
use super::memory::{Known, Mark, Memory};
use super::near::Near;
use super::sight::{Line, Sighting, Sightings};
use crate::domain::scan::{Candidate, Context};
use crate::domain::token::Fingerprint;
use crate::ops::{Error, Ops};

/// So many findings are listed.
const MOST_LISTED: usize = 10_000;

/// What is listed of one text, with what was listed before.
#[derive(Debug)]
pub(super) struct Listing {
    judging: Judging,
    memory: Memory,
    pub(super) findings: Vec<Finding>,
    /// Where each was found first in this text.
    pub(super) first: HashMap<Fingerprint, Range<u64>>,
    pub(super) near: Near,
    pub(super) others: usize,
    /// What the lines of this text are of, and what is before the first one.
    pub(super) file: Option<Arc<str>>,
    pub(super) before: u64,
}

impl Listing {
    /// Begins with what was listed before: it stays, also when it is none any more.
    pub(super) async fn begin(ops: &Ops, known: Vec<Sighting>) -> Result<Self, Error> {
        let mut listing = Self {
            judging: ops.judging().await,
            memory: Memory::default(),
            findings: Vec::new(),
            first: HashMap::new(),
            near: Near::default(),
            others: 0,
            file: None,
            before: 0,
        };
        for finding in listing.judging.judge(known).await? {
            let sighting = &finding.sighting;
            let mark = listing.memory.mark(&sighting.key, sighting.shape);
            listing.list(mark, finding);
        }
        Ok(listing)
    }

    fn list(&mut self, mark: Mark, finding: Finding) {
        let finding_at = Some(self.findings.len());
        self.memory.set(
            mark,
            Known::Yes {
                file: 0,
                finding: finding_at,
            },
        );
        self.findings.push(finding);
    }

    /// Asks about what is new of a part of the text, and lists what matters.
    pub(super) async fn take(&mut self, part: Vec<Candidate>) -> Result<(), Error> {
        let mut asked = Sightings::default();
        let mut new: Vec<(Mark, Range<u64>)> = Vec::new();
        let mut listed = Vec::new();
        for mut candidate in part {
            candidate.line += self.before;
            let place = candidate.place.clone();
            self.near.add(place.clone());
            let mark = self.memory.mark(&candidate.key, candidate.shape);
            match self.memory.get(mark) {
                // Where a key is expected one that is none matters.
                Some(Known::No) if candidate.context == Context::Bare => {}
                Some(Known::Yes {
                    finding: Some(at), ..
                }) => listed.extend(self.again(at, &candidate)),
                Some(Known::No | Known::Yes { finding: None, .. }) | None => {
                    let nth = asked.add_of(candidate, self.file.as_ref());
                    if nth == new.len() {
                        new.push((mark, place));
                    }
                }
            }
        }
        let findings = self.judging.judge(asked.into_vec()).await?;
        for (finding, (mark, place)) in findings.into_iter().zip(new) {
            if finding.matters() {
                self.first
                    .entry(finding.key.fingerprint)
                    .or_insert_with(|| place.clone());
                listed.push(place);
                self.list(mark, finding);
            } else if self.memory.get(mark).is_none() {
                self.others += 1;
                self.memory.set(mark, Known::No);
            }
        }
        self.near.settle(listed);
        if self.findings.len() > MOST_LISTED {
            return Err(Error::Invalid(format!(
                "more than {MOST_LISTED} keys there matter, and no more can be listed; give it in parts, or use: \
                 tokenward leak scan"
            )));
        }
        Ok(())
    }

    /// One that is listed, at one more place; gives that if it is the first one in this text.
    fn again(&mut self, at: usize, candidate: &Candidate) -> Option<Range<u64>> {
        let finding = self.findings.get_mut(at)?;
        let line = Line {
            file: self.file.clone(),
            number: candidate.line,
        };
        finding.sighting.again(line, candidate.context);
        let key = finding.key.fingerprint;
        if self.first.contains_key(&key) {
            return None;
        }
        self.first.insert(key, candidate.place.clone());
        Some(candidate.place.clone())
    }
}
