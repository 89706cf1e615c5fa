//! The keys of a longer text: whose they are, what is done about them, who was told. This file holds what is remembered
//! and what can happen, `reading.rs` where the text comes from, `plan.rs` what `R` and `D` are about, `report.rs` whom
//! it concerns; `update.rs` says what follows, `view.rs` draws.

mod plan;
mod reading;
mod report;
mod update;
pub mod view;

use std::collections::{HashMap, HashSet};

use crate::domain::token::Fingerprint;
use crate::domain::user::User;
use crate::ops::Error;
use crate::ops::leak::{Case, Finding, Format, Input, Read, Reading, Response, Saved, Sighting};
use crate::tui::effect::{Effect, Question, Slot, Ticket};
use crate::tui::modal::{Kind, Report};
use crate::tui::model::{Cx, Manner};
use crate::tui::moves::Step;
use crate::tui::text::grouped;
use crate::tui::widgets::browse::{Browse, Extent};

use crate::ops::leak::Deed as What;

pub use reading::{ask_file, read_file, read_text, reopen};
pub use update::update;

/// All that is remembered of a leak.
#[derive(Debug, Default)]
pub struct State {
    /// `None` before the first answer.
    case: Option<Case>,
    /// Where each key was found, masked.
    excerpts: HashMap<Fingerprint, String>,
    marks: HashSet<Fingerprint>,
    /// Keys that were changed since they were asked about: what was said of them holds no longer.
    changed: HashSet<Fingerprint>,
    browse: Browse,
    /// Lines read so far, and those of them that were pasted.
    lines: u64,
    pasted: u64,
    /// The number by which the case was opened: its file knows more keys than are here.
    opened: Option<i64>,
    /// How many look like keys and are none.
    others: usize,
    /// What was read, in words.
    source: String,
}

/// What can happen to it.
#[derive(Clone, Debug)]
pub enum Message {
    /// Show everything about the key under the cursor.
    Open,
    /// Mark it, or not.
    Mark,
    /// Open the plan of a change.
    Ask(What),
    /// Make it.
    Do(What),
    /// Note that the owners of the marked keys were told.
    Tell,
    /// The menu of formats.
    AskReport,
    /// A report in this one.
    Report(Format),
    /// Copy the owners' addresses.
    Addresses,
    /// The text was read and its keys asked about, or not.
    Read {
        /// Of the question.
        ticket: Ticket,
        /// What was found.
        outcome: Result<Read, Error>,
    },
    /// The keys were changed, all of them, or none.
    Responded {
        /// Of the change.
        ticket: Ticket,
        /// What was to be done.
        deed: What,
        /// What was.
        outcome: Result<(Box<Case>, Response), Error>,
    },
    /// It is noted that somebody was told, or not.
    NotedTold {
        /// Of the change.
        ticket: Ticket,
        /// The case.
        outcome: Result<Box<Case>, Error>,
    },
    /// The case is kept, and this is its report; or not.
    Reported {
        /// Of the change.
        ticket: Ticket,
        /// The report's format.
        format: Format,
        /// The case and the text.
        outcome: Result<(Box<Case>, String), Error>,
    },
}

impl State {
    /// Whether nothing is listed.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.findings().is_empty()
    }

    /// Whether there is anything to change.
    #[must_use]
    pub fn has_live(&self) -> bool {
        self.findings().iter().any(|finding| self.is_live(finding))
    }

    /// Whether a key opens doors, as far as is known.
    fn is_live(&self, finding: &Finding) -> bool {
        finding.verdict.is_live() && !self.changed.contains(&finding.key.fingerprint)
    }

    /// `leak 8, not saved`.
    #[must_use]
    pub fn badge(&self) -> String {
        match &self.case {
            None => "leak".to_owned(),
            Some(case) if case.saved == Saved::Yes => format!("leak {}", case.number),
            Some(case) => format!("leak {}, not saved", case.number),
        }
    }

    /// The user whose key is under the cursor, and the start of the key if it is one now.
    #[must_use]
    pub fn owner(&self) -> Option<(&User, Option<&str>)> {
        let finding = self.current()?;
        let user = finding.owner.as_ref()?;
        let is_key = finding.verdict.holder().is_some();
        Some((user, is_key.then(|| finding.key.prefix())))
    }

    fn findings(&self) -> &[Finding] {
        self.case
            .as_ref()
            .map_or(&[], |case| case.findings.as_slice())
    }

    fn current(&self) -> Option<&Finding> {
        self.findings().get(self.browse.cursor())
    }

    fn is_marked(&self, finding: &Finding) -> bool {
        self.marks.contains(&finding.key.fingerprint)
    }

    fn marked(&self) -> impl Iterator<Item = &Finding> {
        let marked = |finding: &&Finding| self.is_marked(finding);
        self.findings().iter().filter(marked)
    }

    /// The case with the marked live keys chosen.
    fn chosen(&self) -> Option<Box<Case>> {
        let mut case = Box::new(self.case.clone()?);
        for finding in &mut case.findings {
            finding.chosen = self.is_live(finding) && self.marks.contains(&finding.key.fingerprint);
        }
        Some(case)
    }

    fn extent(&self, cx: &Cx) -> Extent {
        Extent {
            rows: self.findings().len(),
            seen: view::rows(cx.size),
            columns: view::COLUMNS_MAX,
        }
    }

    /// Moves the cursor.
    pub fn step(&mut self, step: Step, cx: &Cx) {
        let extent = self.extent(cx);
        self.browse.step(step, extent);
    }

    /// Holds the cursor to what there is.
    pub fn keep_in_sight(&mut self, cx: &Cx) {
        let extent = self.extent(cx);
        self.browse.keep_in_sight(extent);
    }

    /// Asks about the keys again.
    pub fn ask_again(&mut self, manner: Manner, cx: &mut Cx) -> Vec<Effect> {
        if self.case.is_none() || cx.is_waiting(Slot::Leak) || cx.place.is_none() {
            return Vec::new();
        }
        self.ask(None, self.source.clone(), manner, cx)
    }

    fn ask(
        &mut self,
        input: Option<Input>,
        source: String,
        manner: Manner,
        cx: &mut Cx,
    ) -> Vec<Effect> {
        let known: Vec<Sighting> = self
            .findings()
            .iter()
            // Of the others there is no key to ask about.
            .filter(|finding| finding.kept.is_none())
            .map(|finding| finding.sighting.clone())
            .collect();
        let case = self.case.as_ref();
        let kept = case.filter(|case| case.saved == Saved::Yes);
        let reading = Reading {
            known,
            case: self.opened.or(kept.map(|case| case.number)),
            whole: self.opened.is_some(),
            lines: self.lines,
            pasted: self.pasted,
            source,
            input,
        };
        vec![cx.ask(Slot::Leak, manner, Question::Leak(reading))]
    }

    fn take_case(&mut self, case: Case, cx: &Cx) {
        let held = self.current().map(|finding| finding.key.fingerprint);
        self.case = Some(case);
        let at = held.and_then(|held| {
            let mut all = self.findings().iter();
            all.position(|finding| finding.key.fingerprint == held)
        });
        if let Some(at) = at {
            self.browse.follow(at);
        }
        self.keep_in_sight(cx);
    }
}

fn open(state: &State, cx: &mut Cx) -> Vec<Effect> {
    if let Some(finding) = state.current() {
        let lines = view::whole(state, finding, cx);
        cx.open(Kind::Report(Report {
            title: format!("{} {}", finding.key, finding.verdict),
            lines,
            scroll: 0,
        }));
    }
    Vec::new()
}

/// `1 key`, `1,204 keys`.
fn keys(many: u64) -> String {
    match many {
        1 => "1 key".to_owned(),
        many => format!("{} keys", grouped(many)),
    }
}

#[cfg(test)]
mod tests;
