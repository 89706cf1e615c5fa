//! Where the text comes from: pasted, from a file, or from a case that was kept; and its keys when they came.

use std::collections::HashSet;

use super::State;
use crate::domain::token::Fingerprint;
use crate::ops::leak::{Input, Read, holds_key, join_sources};
use crate::text;
use crate::tui::effect::{Effect, Sealed, Slot};
use crate::tui::message::Message as Top;
use crate::tui::modal::{Kind, Prompt};
use crate::tui::model::{Cx, Manner, Tone};
use crate::tui::screens::test_keys;
use crate::tui::widgets::field::Field;

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
        then: |path| Top::TestKeys(test_keys::Message::File(path)),
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

/// The keys came. A live one is marked when it is new; what was unmarked stays so.
pub(super) fn take(state: &mut State, read: Read, cx: &mut Cx) {
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
