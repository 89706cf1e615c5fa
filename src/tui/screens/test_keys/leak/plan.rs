//! What `R` and `D` are about: the line that says it, the dialog that asks, and what came of it in a sentence.

use std::collections::HashSet;

use crate::domain::moment::Moment;
use crate::domain::user::UserId;
use crate::ops::leak::{Deed as What, Finding, Held, Holder, MOST_LIVE, Response};
use crate::text;
use crate::tui::effect::{Deed, Effect};
use crate::tui::message::Message as Top;
use crate::tui::modal::{Confirm, Kind, Need};
use crate::tui::model::{Cx, Tone};
use crate::tui::screens::test_keys;
use crate::tui::text::grouped;

use super::{Message, State, keys};

/// Whom a change would hit.
struct Hit<'a> {
    rows: Vec<(&'a Finding, &'a Holder)>,
}

impl<'a> Hit<'a> {
    fn of(state: &'a State) -> Self {
        let rows = state.marked().filter(|finding| state.is_live(finding));
        Self {
            rows: rows
                .filter_map(|finding| Some((finding, finding.verdict.holder()?)))
                .collect(),
        }
    }

    fn len(&self) -> usize {
        self.rows.len()
    }

    fn knox(&self) -> u64 {
        let knox = self
            .rows
            .iter()
            .filter(|(_, holder)| holder.token != Held::Drf);
        knox.count() as u64
    }

    /// `2 users, 1 superuser`.
    fn users(&self) -> String {
        let ids: HashSet<UserId> = self.rows.iter().map(|(_, holder)| holder.user.id).collect();
        let supers: HashSet<UserId> = self
            .rows
            .iter()
            .filter(|(_, holder)| holder.user.is_superuser)
            .map(|(_, holder)| holder.user.id)
            .collect();
        let users = match ids.len() {
            1 => "1 user".to_owned(),
            many => format!("{} users", grouped(many as u64)),
        };
        match supers.len() {
            0 => users,
            1 => format!("{users}, 1 superuser"),
            many => format!("{users}, {} superusers", grouped(many as u64)),
        }
    }
}

/// What would be done, or that there is nothing to do.
pub fn line(state: &State, now: Moment) -> String {
    let Some(case) = &state.case else {
        return String::new();
    };
    let hit = Hit::of(state);
    if hit.len() > MOST_LIVE {
        return format!(
            "Plan: {} live keys are marked, and one transaction takes {}; Space unmarks.",
            grouped(hit.len() as u64),
            grouped(MOST_LIVE as u64)
        );
    }
    if hit.len() > 0 {
        let changed = if case.done.is_empty() {
            "Nothing changed yet."
        } else {
            "What was done before stays done."
        };
        return format!(
            "Plan: regenerate {} of {}, in one transaction. {changed}",
            live(hit.len()),
            hit.users()
        );
    }
    if state.has_live() {
        return "Plan: nothing, since no live key is marked; Space marks.".to_owned();
    }
    let count = |word: &str| {
        let all = state.findings().iter();
        all.filter(|finding| super::view::worth(state, finding, now, "").0 == word)
            .count() as u64
    };
    let parts = [
        ("retired", "RETIRED"),
        ("inert", "INERT"),
        ("unknown", "UNKNOWN"),
        ("cut short", "PARTIAL"),
    ]
    .into_iter()
    .filter_map(|(said, word)| match count(word) {
        0 => None,
        many => Some(format!("{} {said}", grouped(many))),
    });
    let parts: Vec<String> = parts.collect();
    match parts.as_slice() {
        [] => "No key in it is or was one.".to_owned(),
        parts => format!("Nothing live: {}.", parts.join(", ")),
    }
}

fn live(many: usize) -> String {
    match many {
        1 => "1 live key".to_owned(),
        many => format!("{} live keys", grouped(many as u64)),
    }
}

/// Opens the dialog that says whom it hits.
pub fn ask(state: &State, deed: What, cx: &mut Cx) -> Vec<Effect> {
    if let Some(why) = cx.refusal(deed.change()) {
        cx.say(Tone::Bad, why);
        return Vec::new();
    }
    let hit = Hit::of(state);
    match hit.len() {
        0 => {
            let said = if state.has_live() {
                "No live key is marked; Space marks the one under the cursor."
            } else {
                "No live key here; nothing to do."
            };
            cx.say(Tone::Plain, said);
        }
        many if many > MOST_LIVE => cx.say(Tone::Bad, line(state, cx.clock.now)),
        _ => {
            let confirm = confirm(&hit, deed, cx);
            cx.open(Kind::Confirm(confirm));
        }
    }
    Vec::new()
}

fn confirm(hit: &Hit, deed: What, cx: &Cx) -> Confirm {
    let place = text::safe(cx.place_name()).into_owned();
    let many = hit.len();
    let (verb, means, flag) = match deed {
        What::Regenerate => (
            "Regenerate",
            "The old keys stop working at once; their clients will get 401.",
            "--regenerate",
        ),
        What::Revoke => (
            "Revoke",
            "The keys stop working at once; their clients will get 401.",
            "--revoke",
        ),
    };
    let title = match hit.rows.as_slice() {
        [(_, holder)] => format!(
            "{verb} the key of {} on {place}?",
            text::fit(&holder.user.username, 40)
        ),
        _ => format!("{verb} {many} keys on {place}?"),
    };
    let mut about = vec![format!("{}, all or none", hit.users()), means.to_owned()];
    if deed == What::Regenerate && hit.knox() > 0 {
        about.push(format!(
            "{} of knox are revoked: their users log in again.",
            tokens(hit.knox())
        ));
    }
    Confirm {
        title,
        about,
        whom: hit
            .rows
            .iter()
            .map(|(finding, holder)| {
                format!(
                    "{}  {} {}   {}",
                    text::fit(&holder.user.username, 40),
                    holder.token.word(),
                    text::safe(&finding.key.to_string()),
                    holder.reach()
                )
            })
            .collect(),
        same_as: cx.same_as(&format!("leak scan {flag}")),
        ways: None,
        verb: deed.verb().word(),
        need: Need::of(cx, many),
        scroll: 0,
        then: Box::new(Top::TestKeys(test_keys::Message::Leak(Message::Do(deed)))),
    }
}

fn tokens(many: u64) -> String {
    match many {
        1 => "1 token".to_owned(),
        many => format!("{} tokens", grouped(many)),
    }
}

/// Begins what the dialog was about.
pub fn begin(state: &State, deed: What, cx: &mut Cx) -> Vec<Effect> {
    // The connection may have gone while the dialog stood.
    if let Some(why) = cx.refusal(deed.change()) {
        cx.say(Tone::Bad, why);
        return Vec::new();
    }
    match state.chosen() {
        Some(case) => cx.begin(Deed::Leak(case, deed)),
        None => Vec::new(),
    }
}

/// What was done.
pub fn done(deed: What, response: &Response) -> String {
    let past = match deed {
        What::Regenerate => "regenerated",
        What::Revoke => "revoked",
    };
    let many = response.rows.len() as u64;
    format!(
        "{} {past} in one transaction, leak {}.",
        keys(many),
        response.leak
    )
}
