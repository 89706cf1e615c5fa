//! The dialog before a change: whom it hits, what it means, how else it could be said, and how long an old key may go on.

use std::time::Duration;

use crate::domain::user::UserRow;
use crate::ops::{Aim, Change};
use crate::text;
use crate::tui::message::Message as Top;
use crate::tui::modal::{Confirm, Need, Way, Ways};
use crate::tui::model::Cx;
use crate::tui::screens::users::Message;
use crate::tui::shell::quoted;

/// More names than this are not repeated in the equal command.
const NAMED: usize = 3;

/// How a change is spoken of.
pub struct Words {
    /// Begins the question about one: `Regenerate the key of`.
    pub one: &'static str,
    /// Begins the question about several.
    pub verb: &'static str,
    /// What is changed.
    pub what: &'static str,
    /// What it means.
    pub means: &'static str,
    /// The equal command.
    pub command: &'static str,
    /// `regenerated`.
    pub past: &'static str,
}

pub const fn words(change: Change) -> Words {
    match change {
        Change::Generate => Words {
            one: "Generate a token for",
            verb: "Generate",
            what: "tokens",
            means: "A token that is there already is left alone.",
            command: "token generate",
            past: "generated",
        },
        Change::Regenerate => Words {
            one: "Regenerate the key of",
            verb: "Regenerate",
            what: "keys",
            means: "The old key stops working at once; its clients will get 401.",
            command: "token regenerate",
            past: "regenerated",
        },
        Change::Revoke => Words {
            one: "Revoke the key of",
            verb: "Revoke",
            what: "keys",
            means: "The key stops working at once; its clients will get 401.",
            command: "token revoke",
            past: "revoked",
        },
        Change::UserOn => Words {
            one: "Switch on",
            verb: "Switch on",
            what: "users",
            means: "The user's key and password work again.",
            command: "user on",
            past: "switched on",
        },
        Change::UserOff => Words {
            one: "Switch off",
            verb: "Switch off",
            what: "users",
            means: "Every request with the user's key will get 401, and the user cannot log in.",
            command: "user off",
            past: "switched off",
        },
        Change::UserPassword => Words {
            one: "Set the new password of",
            verb: "Set",
            what: "passwords",
            means: "The old password stops working; sessions that depend on it end.",
            command: "user password",
            past: "given a new password",
        },
        Change::UserCreate => Words {
            one: "Create the user",
            verb: "Create",
            what: "users",
            means: "The user has no token and no usable password yet.",
            command: "user create",
            past: "created",
        },
    }
}

/// The dialog that says whom `change` hits.
pub fn plan(change: Change, hit: &[&UserRow], left_out: usize, cx: &Cx) -> Confirm {
    let words = words(change);
    let place = text::safe(cx.place_name()).into_owned();
    let aims: Vec<Aim> = hit.iter().map(|row| Aim::from(*row)).collect();
    let title = match hit {
        [row] => format!(
            "{} {} on {place}?",
            words.one,
            text::fit(&row.user.username, 40)
        ),
        _ => format!("{} {} {} on {place}?", words.verb, hit.len(), words.what),
    };
    let mut about = Vec::new();
    if let [row] = hit {
        about.push(told_of(row, cx));
    } else {
        let supers = hit.iter().filter(|row| row.user.is_superuser).count();
        let supers = match supers {
            0 => String::new(),
            1 => ", 1 superuser".to_owned(),
            many => format!(", {many} superusers"),
        };
        about.push(format!("{} users{supers}{}", hit.len(), in_use(hit, cx)));
    }
    if left_out > 0 {
        let why = if change == Change::Generate {
            "have a token already"
        } else {
            "have no token"
        };
        about.push(format!("{left_out} more are marked but {why}."));
    }
    let ways = match hit {
        [row] if change == Change::Regenerate => graces(row, cx),
        _ => None,
    };
    // Else each of them has its own.
    if ways.is_none() {
        about.push(words.means.to_owned());
    }
    let whom = if hit.len() > 1 {
        hit.iter().map(|row| line_of(row, cx)).collect()
    } else {
        Vec::new()
    };
    Confirm {
        title,
        about,
        whom,
        same_as: cx.same_as(&names(words.command, hit)),
        ways,
        verb: change.verb().word(),
        need: Need::of(cx, hit.len()),
        scroll: 0,
        then: Box::new(Top::Users(Message::Change(change, aims))),
    }
}

/// `, 5 used in the last hour`; nothing where that is known of none, for what Django served meanwhile nobody knows.
fn in_use(rows: &[&UserRow], cx: &Cx) -> String {
    let tokens = rows.iter().filter_map(|row| row.token.as_ref());
    let used = tokens.filter(|token| token.last_use.is_within_hour(cx.clock.now));
    match used.count() {
        0 => String::new(),
        many => format!(", {many} used in the last hour"),
    }
}

/// So long an old key can go on at our listener, as a person and as the command line call it.
const GRACES: [(&str, &str, Duration); 3] = [
    ("1 h", "1h", Duration::from_hours(1)),
    ("24 h", "24h", Duration::from_hours(24)),
    ("7 d", "7d", Duration::from_hours(7 * 24)),
];

/// Without a grace or with one, where there can be one.
fn graces(row: &UserRow, cx: &Cx) -> Option<Ways> {
    if !cx.place.as_ref().is_some_and(|place| place.takes_grace) {
        return None;
    }
    let words = words(Change::Regenerate);
    let command = names(words.command, &[row]);
    let aim = Aim::from(row);
    let none = Way {
        label: "none",
        means: words.means.to_owned(),
        same_as: cx.same_as(&command),
        then: Top::Users(Message::Change(Change::Regenerate, vec![aim.clone()])),
    };
    let some = GRACES.map(|(label, flag, grace)| Way {
        label,
        means: format!(
            "Callers of our listener can use the old key for {label} more. Django itself takes the new key only: to it \
             the old one is gone at once."
        ),
        same_as: cx.same_as(&format!("{command} --grace {flag}")),
        then: Top::Users(Message::Grace(aim.clone(), grace)),
    });
    Some(Ways {
        name: "Grace",
        all: std::iter::once(none).chain(some).collect(),
        at: 0,
    })
}

/// `drf 9944b091…   SUPERUSER   staff   used 2 min ago from 3 addresses`.
fn told_of(row: &UserRow, cx: &Cx) -> String {
    let key = match &row.token {
        Some(token) => format!("drf {}", text::safe(&token.key.to_string())),
        None => "no token".to_owned(),
    };
    let user = &row.user;
    let parts = [
        Some(key),
        user.is_superuser.then(|| "SUPERUSER".to_owned()),
        user.is_staff.then(|| "staff".to_owned()),
        (!user.is_active).then(|| "OFF".to_owned()),
        row.token
            .as_ref()
            .and_then(|token| token.last_use.with_addresses(cx.clock.now)),
    ];
    let parts: Vec<String> = parts.into_iter().flatten().collect();
    parts.join("   ")
}

fn line_of(row: &UserRow, cx: &Cx) -> String {
    let name = text::fit(&row.user.username, 40);
    format!("{name}  {}", told_of(row, cx))
}

/// The command with the names that it is for.
fn names(command: &str, rows: &[&UserRow]) -> String {
    let names = rows
        .iter()
        .take(NAMED)
        .map(|row| quoted(&row.user.username));
    let names: Vec<String> = names.collect();
    let more = if rows.len() > NAMED { " …" } else { "" };
    format!("{command} {}{more}", names.join(" "))
}
