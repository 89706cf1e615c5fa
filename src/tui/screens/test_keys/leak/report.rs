//! Those whom a leak concerns: that they were told, their addresses, and the report for everybody else.

use std::collections::HashSet;

use super::{Message, State};
use crate::domain::token::Fingerprint;
use crate::ops::leak::{Finding, Format};
use crate::tui::effect::{Deed, Effect, Keep, Sealed};
use crate::tui::message::Message as Top;
use crate::tui::modal::{Choose, Item, Kind};
use crate::tui::model::{Cx, Tone};
use crate::tui::screens::test_keys;
use crate::tui::text::grouped;

impl State {
    /// The marked keys that somebody can be told of, else the one under the cursor.
    pub(super) fn marked_or_current(&self) -> Vec<&Finding> {
        let owned = |finding: &&Finding| finding.owner.is_some() || finding.whose().is_some();
        let marked: Vec<&Finding> = self.marked().filter(owned).collect();
        if marked.is_empty() {
            self.current().into_iter().filter(owned).collect()
        } else {
            marked
        }
    }
}

pub(super) fn tell(state: &State, cx: &mut Cx) -> Vec<Effect> {
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

pub(super) fn ask_report(cx: &mut Cx) -> Vec<Effect> {
    let item = |letter, label: &str, format| Item {
        letter: Some(letter),
        label: label.to_owned(),
        then: Top::TestKeys(test_keys::Message::Leak(Message::Report(format))),
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
pub(super) fn addresses(state: &State, cx: &mut Cx) -> Vec<Effect> {
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
