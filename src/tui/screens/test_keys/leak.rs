//! The keys of a longer text: whose they are, what is done about them, who was told. This file holds what is remembered
//! and what can happen, `plan.rs` what `R` and `D` are about, `view.rs` draws.

mod plan;
pub mod view;

use std::collections::{HashMap, HashSet};

use crate::domain::token::{Fingerprint, Issued};
use crate::domain::user::User;
use crate::ops::Error;
use crate::ops::leak::{
    Case, Finding, Format, Input, Read, Reading, Response, Saved, Sighting, holds_key, join_sources,
};
use crate::text;
use crate::tui::effect::{Deed, Effect, Keep, Question, Sealed, Slot, Ticket};
use crate::tui::message::Message as Top;
use crate::tui::modal::{Choose, Item, Keys, KeysOf, Kind, Prompt, Report};
use crate::tui::model::{Cx, Manner, Tone};
use crate::tui::moves::Step;
use crate::tui::text::grouped;
use crate::tui::widgets::browse::{Browse, Extent};
use crate::tui::widgets::field::Field;

use crate::ops::leak::Deed as What;

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

/// Reads a text that was pasted, beside what is listed already.
pub fn read_text(leak: &mut Option<Box<State>>, text: Sealed, cx: &mut Cx) -> Vec<Effect> {
    read(leak, "pasted text", Input::Pasted(text.into_secret()), cx)
}

/// Opens the case of this number, whose keys are not there any more.
pub fn reopen(leak: &mut Option<Box<State>>, number: i64, cx: &mut Cx) -> Vec<Effect> {
    if cx.place.is_none() {
        cx.say(Tone::Bad, "Not connected yet; no case can be opened.");
        return Vec::new();
    }
    if let Some(state) = leak {
        let badge = state.badge();
        cx.say(
            Tone::Bad,
            format!("Here is {badge}; Esc clears it, then :leak {number} opens the other."),
        );
        return Vec::new();
    }
    cx.notice = None;
    let state = leak.get_or_insert_default();
    state.opened = Some(number);
    state.ask(None, String::new(), Manner::Loud, cx)
}

/// Asks which file.
pub fn ask_file(cx: &mut Cx) -> Vec<Effect> {
    cx.open(Kind::Prompt(Prompt {
        title: "Whose keys are in a file?".to_owned(),
        about: vec!["Its path. It is only read, and no key is kept.".to_owned()],
        field: Field::default(),
        then: |path| Top::TestKeys(super::Message::File(path)),
    }));
    Vec::new()
}

/// Reads a file, beside what is listed already.
pub fn read_file(leak: &mut Option<Box<State>>, path: &Sealed, cx: &mut Cx) -> Vec<Effect> {
    if holds_key(path.expose().as_bytes()) {
        cx.say(
            Tone::Bad,
            "That holds a key, and here only a path is asked for; Esc, then paste the key into the screen itself.",
        );
        return Vec::new();
    }
    let path = cx.settings.folder.join(path.expose().trim());
    let name = path
        .file_name()
        .map_or_else(|| "a file".to_owned(), |name| name.display().to_string());
    read(leak, &text::safe(&name), Input::File(path), cx)
}

fn read(leak: &mut Option<Box<State>>, source: &str, input: Input, cx: &mut Cx) -> Vec<Effect> {
    if cx.place.is_none() {
        cx.say(Tone::Bad, "Not connected yet; no key can be looked up.");
        return Vec::new();
    }
    if cx.is_waiting(Slot::Leak) {
        cx.say(
            Tone::Bad,
            "Still reading the last text; paste again when it is done, or Esc cancels it.",
        );
        return Vec::new();
    }
    cx.notice = None;
    let state = leak.get_or_insert_default();
    // What was not read after all is no part of the case.
    let source = join_sources(&state.source, source);
    state.ask(Some(input), source, Manner::Loud, cx)
}

/// Takes in what happened.
pub fn update(leak: &mut Option<Box<State>>, message: Message, cx: &mut Cx) -> Vec<Effect> {
    // What comes when the leak was cleared is about nothing any more; a change is still to be told.
    let Some(state) = leak else {
        return late(message, cx);
    };
    match message {
        Message::Open => open(state, cx),
        Message::Mark => {
            if let Some(key) = state.current().map(|finding| finding.key.fingerprint)
                && !state.marks.remove(&key)
            {
                state.marks.insert(key);
            }
            state.step(Step::Down, cx);
            Vec::new()
        }
        Message::Ask(deed) => plan::ask(state, deed, cx),
        Message::Do(deed) => plan::begin(state, deed, cx),
        Message::Tell => tell(state, cx),
        Message::AskReport => ask_report(cx),
        Message::Report(format) => match state.chosen() {
            Some(case) => cx.begin(Deed::Report(case, format)),
            None => Vec::new(),
        },
        Message::Addresses => addresses(state, cx),
        Message::Read { ticket, outcome } => {
            match cx.settle(Slot::Leak, ticket, outcome) {
                Some(Ok(read)) => take(state, read, cx),
                Some(Err(error)) => {
                    cx.fail(&error);
                    // Nothing is listed that the message could be about.
                    if state.case.is_none() {
                        *leak = None;
                    }
                }
                None => {}
            }
            Vec::new()
        }
        Message::Responded {
            ticket,
            deed,
            outcome,
        } => responded(state, ticket, deed, outcome, cx),
        Message::NotedTold { ticket, outcome } => {
            match cx.done(ticket, outcome) {
                Some(Ok(case)) => {
                    let told = state.marked_or_current().len() as u64;
                    state.take_case(*case, cx);
                    let said = format!("Noted: the owners of {} were told.", keys(told));
                    cx.say(Tone::Good, said);
                }
                Some(Err(error)) => cx.fail(&error),
                None => {}
            }
            Vec::new()
        }
        Message::Reported {
            ticket,
            format,
            outcome,
        } => match cx.done(ticket, outcome) {
            Some(Ok((case, text))) => {
                state.take_case(*case, cx);
                vec![Effect::Write {
                    stem: "leak",
                    extension: format.extension(),
                    text: Sealed::new(text),
                }]
            }
            Some(Err(error)) => {
                cx.fail(&error);
                Vec::new()
            }
            None => Vec::new(),
        },
    }
}

/// An answer about a leak that was cleared meanwhile.
fn late(message: Message, cx: &mut Cx) -> Vec<Effect> {
    match message {
        Message::Responded {
            ticket,
            deed,
            outcome,
        } => match cx.done(ticket, outcome) {
            Some(Ok((_, response))) => {
                say_done(deed, &response, cx);
                show_issued(response, cx);
            }
            Some(Err(error)) => cx.fail(&error),
            None => {}
        },
        Message::NotedTold { ticket, outcome } => {
            cx.done(ticket, outcome);
        }
        Message::Reported {
            ticket, outcome, ..
        } => {
            cx.done(ticket, outcome);
        }
        Message::Read { ticket, outcome } => {
            cx.settle(Slot::Leak, ticket, outcome);
        }
        Message::Open
        | Message::Mark
        | Message::Ask(_)
        | Message::Do(_)
        | Message::Tell
        | Message::AskReport
        | Message::Report(_)
        | Message::Addresses => {
            cx.say(Tone::Plain, "Paste text with several keys first.");
        }
    }
    Vec::new()
}

/// The keys came. A live one is marked when it is new; what was unmarked stays so.
fn take(state: &mut State, read: Read, cx: &mut Cx) {
    let Read {
        case,
        excerpts,
        lines,
        pasted,
        others,
    } = read;
    let known: HashSet<Fingerprint> = state
        .findings()
        .iter()
        .map(|finding| finding.key.fingerprint)
        .collect();
    let first = state.case.is_none();
    let read_now = lines > state.lines;
    state.lines = lines;
    state.pasted = pasted;
    state.source.clone_from(&case.source);
    state.changed.clear();
    if read_now {
        state.others = others + if first { 0 } else { state.others };
    }
    for (key, line) in excerpts {
        state.excerpts.entry(key).or_insert(line);
    }
    for finding in &case.findings {
        let key = finding.key.fingerprint;
        if finding.verdict.is_live() && !known.contains(&key) {
            state.marks.insert(key);
        }
    }
    let found = case.findings.len();
    state.take_case(case, cx);
    if read_now && found == known.len() {
        let said = if found == 0 {
            "No key in that text is or was one."
        } else {
            "No other key in that text."
        };
        cx.say(Tone::Plain, said);
    }
}

fn responded(
    state: &mut State,
    ticket: Ticket,
    deed: What,
    outcome: Result<(Box<Case>, Response), Error>,
    cx: &mut Cx,
) -> Vec<Effect> {
    match cx.done(ticket, outcome) {
        Some(Ok((case, response))) => {
            state.take_case(*case, cx);
            let changed = response.rows.iter().map(|row| row.key);
            state.changed.extend(changed);
            say_done(deed, &response, cx);
            show_issued(response, cx);
        }
        Some(Err(error)) => cx.fail(&error),
        None => return Vec::new(),
    }
    // Whether it was done or not: what the keys are worth now.
    state.ask_again(Manner::Quiet, cx)
}

/// What was done, and what went wrong after it.
fn say_done(deed: What, response: &Response, cx: &mut Cx) {
    let done = plan::done(deed, response);
    match &response.warning {
        None => cx.say(Tone::Good, done),
        Some(warning) => cx.say(Tone::Bad, format!("{done} But {}", text::safe(warning))),
    }
}

/// The new keys, covered: they can be copied, shown or written from the dialog, which the audit is told of.
fn show_issued(response: Response, cx: &mut Cx) {
    let issued: Vec<Issued> = response.issued;
    if issued.is_empty() {
        return;
    }
    let title = match issued.as_slice() {
        [one] => format!("The new key of {}", text::fit(&one.username, 40)),
        many => format!("{} new keys, leak {}", many.len(), response.leak),
    };
    cx.open(Kind::Keys(Keys {
        title,
        issued,
        notes: Vec::new(),
        until: None,
        origin: KeysOf::Made,
        scroll: 0,
    }));
}

impl State {
    /// The marked keys that somebody can be told of, else the one under the cursor.
    fn marked_or_current(&self) -> Vec<&Finding> {
        let owned = |finding: &&Finding| finding.owner.is_some() || finding.whose().is_some();
        let marked: Vec<&Finding> = self.marked().filter(owned).collect();
        if marked.is_empty() {
            self.current().into_iter().filter(owned).collect()
        } else {
            marked
        }
    }
}

fn tell(state: &State, cx: &mut Cx) -> Vec<Effect> {
    let told: Vec<Fingerprint> = state
        .marked_or_current()
        .iter()
        .map(|finding| finding.key.fingerprint)
        .collect();
    if told.is_empty() {
        cx.say(Tone::Plain, "Nobody to tell: that key has no owner.");
        return Vec::new();
    }
    match state.chosen() {
        Some(case) => cx.begin(Deed::Told(case, told)),
        None => Vec::new(),
    }
}

fn ask_report(cx: &mut Cx) -> Vec<Effect> {
    let item = |letter, label: &str, format| Item {
        letter: Some(letter),
        label: label.to_owned(),
        then: Top::TestKeys(super::Message::Leak(Message::Report(format))),
    };
    cx.open(Kind::Choose(Choose {
        title: "A report of this leak as".to_owned(),
        about: "It has the first 8 characters of each key, and no more.".to_owned(),
        items: vec![
            item('m', "Markdown", Format::Markdown),
            item('j', "JSON", Format::Json),
        ],
        cursor: 0,
    }));
    Vec::new()
}

/// One address an owner, in the order of the keys.
fn addresses(state: &State, cx: &mut Cx) -> Vec<Effect> {
    let mut seen = HashSet::new();
    let marked: Vec<&Finding> = state.marked().collect();
    let all = if marked.is_empty() {
        state.findings().iter().collect()
    } else {
        marked
    };
    let addresses: Vec<&str> = all
        .into_iter()
        .filter_map(|finding| Some(finding.owner.as_ref()?.email.as_str()))
        .filter(|email| !email.is_empty() && seen.insert(*email))
        .collect();
    let label = match addresses.len() {
        0 => {
            cx.say(Tone::Plain, "None of these users has an address.");
            return Vec::new();
        }
        1 => "1 address".to_owned(),
        many => format!("{} addresses", grouped(many as u64)),
    };
    vec![Effect::Copy {
        label,
        text: Sealed::new(addresses.join(", ")),
        keep: Keep::Forever,
    }]
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
