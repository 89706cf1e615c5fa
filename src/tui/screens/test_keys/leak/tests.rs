//! A longer text: keys in, effects and pictures out.

mod changes;
mod listed;
mod opened;
mod reading;
mod report;

use std::time::Duration;

use super::*;
use crate::domain::last_use::LastUse;
use crate::domain::moment::Moment;
use crate::domain::retired::{KeyDigest, Kind as RetiredKind, Retired, Told};
use crate::domain::scan::{Checksum, Context, Kind as Shaped, Shape};
use crate::domain::secret::Secret;
use crate::domain::token::{CoveredKey, KeyStart, Origin};
use crate::domain::user::UserId;
use crate::ops::leak::{Beginning, Done, Held, Holder, Lines, RowDone, Verdict, Why};
use crate::tui::effect::{Deed, Sealed};
use crate::tui::message::Message as Top;
use crate::tui::model::Model;
use crate::tui::screens::ScreenId;
use crate::tui::testing::{dev, now, press, prod, read_only, row, screen, send, settled, ticket};

const PASTED: &str =
    "9944b09199c62bcf9418ad846dd0e4bbdfc6ee4b\n62b46a1599c62bcf9418ad846dd0e4bbdfc6ee4b\n";

fn user(id: i32, name: &str) -> User {
    row(id, name, "").user
}

fn finding(line: u64, start: &str, verdict: Verdict, owner: Option<User>) -> Finding {
    let key = Secret::new(format!("{start:0<40}"));
    Finding {
        key: CoveredKey::of(&key),
        sighting: Sighting {
            key,
            kind: Shaped::Drf,
            shape: Shape::Whole,
            context: Context::Header,
            lines: Lines::of(line.into()),
        },
        chosen: verdict.is_live(),
        verdict,
        owner,
        told: None,
        kept: None,
    }
}

fn holder(user: User) -> Holder {
    Holder {
        user,
        token: Held::Drf,
        made: Moment::parse("2022-03-01T09:14:00Z").unwrap(),
        groups: 0,
        permissions: 0,
        last_use: LastUse::Unknown,
    }
}

fn retired(key: &CoveredKey, name: &str) -> Retired {
    Retired {
        fingerprint: key.fingerprint,
        digest: KeyDigest::from_bytes([7; 32]),
        kind: RetiredKind::Drf,
        start: KeyStart::of(key.prefix()),
        user_id: "17".to_owned(),
        username: Some(name.to_owned()),
        retired: now().minus_days(40),
        by: "carol@ops1".to_owned(),
        verb: "regenerate".to_owned(),
        leak: Some(7),
        told: None,
        grace_until: None,
    }
}

/// The findings of the design's picture, and one that is cut short.
fn findings() -> Vec<Finding> {
    let mut alice = user(17, "alice.w");
    alice.is_superuser = true;
    alice.last_login = Some(now().minus_days(5));
    let bot = user(3, "ci-bot");
    let mut dave = user(9, "dave");
    dave.is_active = false;
    let mut live = finding(
        12,
        "9944b091",
        Verdict::Live(holder(alice.clone())),
        Some(alice.clone()),
    );
    live.sighting.lines.first.push(14.into());
    let mut of_bot = holder(bot.clone());
    of_bot.groups = 2;
    let mut checked = finding(14, "twd_7Hq2", Verdict::Live(of_bot), Some(bot));
    checked.sighting.kind = Shaped::Checksum(Checksum::Good);
    let off = Verdict::Inert(holder(dave.clone()), Why::Off);
    let mut past = finding(31, "c0ffee00", Verdict::Unknown, Some(alice));
    past.verdict = Verdict::Retired(retired(&past.key, "alice.w"));
    past.told = Some(Told {
        when: now().minus_days(39),
        by: "carol@ops1".to_owned(),
    });
    let mut cut = finding(
        40,
        "5b25a0de",
        Verdict::Partial(Beginning::Of(vec!["da\u{202e}ve".to_owned()])),
        None,
    );
    cut.sighting.shape = Shape::Cut;
    vec![
        live,
        checked,
        finding(20, "5b25a0de", off, Some(dave)),
        past,
        finding(33, "0a1b2c3d", Verdict::Unknown, None),
        cut,
    ]
}

fn case(findings: Vec<Finding>) -> Case {
    Case {
        number: 8,
        saved: Saved::No,
        source: "pasted text".to_owned(),
        opened: now(),
        by: "me@here".to_owned(),
        findings,
        done: HashMap::new(),
        others: Vec::new(),
        past: HashMap::new(),
    }
}

fn top(message: Message) -> Top {
    Top::TestKeys(super::super::Message::Leak(message))
}

fn paste(model: &mut Model, text: &str) -> Vec<Effect> {
    send(model, Top::Pasted(Sealed::new(text)))
}

fn tell_read(model: &mut Model, effects: &[Effect], findings: Vec<Finding>) -> Vec<Effect> {
    let ticket = ticket(effects, Slot::Leak);
    let excerpts = findings.iter().map(|finding| {
        let said = "GET /api/items 200 \"Authorization: Token ████████\"".to_owned();
        (finding.key.fingerprint, said)
    });
    let outcome = Ok(Read {
        excerpts: excerpts.collect(),
        case: case(findings),
        lines: 41,
        pasted: 41,
        others: 3,
    });
    send(model, top(Message::Read { ticket, outcome }))
}

/// Pasted on Users, read, answered.
fn listed(width: u16, height: u16) -> Model {
    let mut model = settled(width, height, dev());
    let effects = paste(&mut model, PASTED);
    tell_read(&mut model, &effects, findings());
    model
}

fn reading(effects: &[Effect]) -> Option<&Reading> {
    effects.iter().find_map(|effect| match effect {
        Effect::Ask {
            question: Question::Leak(reading),
            ..
        } => Some(reading),
        _ => None,
    })
}

fn deed(effects: &[Effect]) -> Option<(Ticket, &Deed)> {
    effects.iter().find_map(|effect| match effect {
        Effect::Do { ticket, deed } => Some((*ticket, deed)),
        _ => None,
    })
}
