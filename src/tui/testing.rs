//! What the tests of every screen use: a model with made-up rows, `press`, and the screen as text.

use std::net::IpAddr;
use std::time::{Duration, Instant};

use jiff::tz::TimeZone;
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::layout::Size;

use crate::domain::last_use::{LastUse, Use};
use crate::domain::moment::Moment;
use crate::domain::page::Page;
use crate::domain::secret::Secret;
use crate::domain::token::{CoveredKey, Issued, Origin};
use crate::domain::user::{TokenInfo, User, UserId, UserRow};
use crate::ops::{Change, PlaceInfo};
use crate::tui::effect::{Effect, Slot, Ticket};
use crate::tui::keys::Key;
use crate::tui::look::Look;
use crate::tui::message::Message;
use crate::tui::model::{Clock, Cx, Model, Place};
use crate::tui::screens::users;
use crate::tui::update::update;
use crate::tui::view::view;
use crate::tui::{Clipboard, ProfileInfo, Settings, TimeStyle};

/// The present of all tests.
pub fn now() -> Moment {
    Moment::parse("2026-03-01T14:02:00Z").unwrap()
}

/// A model that is connected to nothing yet.
pub fn unconnected(width: u16, height: u16) -> Model {
    let clock = Clock {
        at: Instant::now(),
        now: now(),
    };
    let settings = Settings {
        time: TimeStyle::Relative,
        clipboard: Clipboard::Off,
        clipboard_clear: Duration::from_secs(45),
        reveal: Duration::from_secs(10),
        look: Look::default(),
        folder: std::env::temp_dir(),
    };
    let mut cx = Cx::new(clock, TimeZone::UTC, Size::new(width, height), settings);
    cx.profiles = ["dev", "prod"]
        .map(|name| ProfileInfo {
            name: name.to_owned(),
            color: None,
            protected: name == "prod",
            read_only: false,
            // `dev` is what the command line takes by itself.
            command: Some(match name {
                "dev" => "tokenward".to_owned(),
                _ => format!("tokenward -p {name}"),
            }),
        })
        .into();
    Model::new(cx)
}

/// The place `dev`, where everything may be done.
pub fn dev() -> Place {
    let info = PlaceInfo {
        name: "dev".to_owned(),
        target: "app@db1.internal".to_owned(),
        ..PlaceInfo::default()
    };
    Place {
        info,
        users: "auth_user".to_owned(),
        refusals: Vec::new(),
        takes_grace: false,
    }
}

/// The place `prod`, whose changes are confirmed by its name.
pub fn prod() -> Place {
    let mut place = dev();
    place.info.name = "prod".to_owned();
    place.info.protected = true;
    place.info.color = Some("red".to_owned());
    place
}

/// A place where nothing may be changed.
pub fn read_only() -> Place {
    let mut place = dev();
    place.info.read_only = true;
    place.refusals = [
        Change::Generate,
        Change::Regenerate,
        Change::Revoke,
        Change::UserCreate,
        Change::UserPassword,
        Change::UserOn,
        Change::UserOff,
    ]
    .map(|change| {
        let why = "READ ONLY: this session on dev may not change anything.";
        (change, why.to_owned())
    })
    .into();
    place
}

/// A model connected to `place`, and what it asks for then.
pub fn connected(width: u16, height: u16, place: Place) -> (Model, Vec<Effect>) {
    let mut model = unconnected(width, height);
    let name = place.info.name.clone();
    let effects = send(&mut model, Message::Connect(name));
    let ticket = effects
        .iter()
        .find_map(|effect| match effect {
            Effect::Connect { ticket, .. } => Some(*ticket),
            _ => None,
        })
        .unwrap();
    let outcome = Ok(place);
    let effects = send(&mut model, Message::Connected { ticket, outcome });
    (model, effects)
}

/// A model connected to `place` whose Users screen has its rows and waits for nothing.
pub fn settled(width: u16, height: u16, place: Place) -> Model {
    let (mut model, effects) = connected(width, height, place);
    let page = Page {
        rows: vec![row(17, "alice.w", "9944b091")],
        more_before: false,
        more_after: false,
    };
    let slot = Slot::Page;
    let paged = users::Message::Paged {
        slot,
        ticket: ticket(&effects, slot),
        outcome: Ok(page),
    };
    send(&mut model, Message::Users(paged));
    let counted = users::Message::Counted {
        ticket: ticket(&effects, Slot::Count),
        outcome: Ok(1),
    };
    send(&mut model, Message::Users(counted));
    model
}

/// Takes in one message a moment later.
pub fn send(model: &mut Model, message: Message) -> Vec<Effect> {
    send_after(model, Duration::from_millis(1), message)
}

/// Takes in one message after some time.
pub fn send_after(model: &mut Model, time: Duration, message: Message) -> Vec<Effect> {
    let clock = Clock {
        at: model.cx.clock.at + time,
        ..model.cx.clock
    };
    update(model, clock, message)
}

/// Presses keys, one a second: `R y`, `Ctrl-r`, `Space`; a word that names no key is typed letter by letter.
/// Gives all effects.
pub fn press(model: &mut Model, keys: &str) -> Vec<Effect> {
    let second = Duration::from_secs(1);
    let mut effects = Vec::new();
    for word in keys.split_whitespace() {
        let keys = match Key::parse(word) {
            Some(key) => vec![key],
            None => word.chars().map(Key::char).collect(),
        };
        for key in keys {
            effects.extend(send_after(model, second, Message::Pressed(key)));
        }
    }
    effects
}

/// The ticket of the question in `slot` among `effects`.
pub fn ticket(effects: &[Effect], slot: Slot) -> Ticket {
    let found = effects.iter().rev().find_map(|effect| match effect {
        Effect::Ask {
            slot: asked,
            ticket,
            ..
        } if *asked == slot => Some(*ticket),
        _ => None,
    });
    found.unwrap_or_else(|| panic!("nothing asked in {slot:?}: {effects:?}"))
}

/// A user with a token whose key begins with `key`; none if it is empty.
pub fn row(id: i32, name: &str, key: &str) -> UserRow {
    let whole = Secret::new(format!("{key:0<40}"));
    UserRow {
        user: User {
            id: UserId::Int4(id),
            username: name.to_owned(),
            email: format!("u{id}@example.com"),
            full_name: String::new(),
            is_active: true,
            is_staff: false,
            is_superuser: false,
            last_login: None,
            date_joined: Moment::parse("2020-05-17T08:00:00Z"),
        },
        token: (!key.is_empty()).then(|| TokenInfo {
            key: CoveredKey::of(&whole),
            created: Moment::parse("2022-03-01T09:14:00Z").unwrap(),
            last_use: LastUse::Unknown,
            unused_since: None,
        }),
    }
}

/// A use so many minutes ago, the last one from 10.2.0.7.
pub fn used(minutes: i64, addresses: u8) -> LastUse {
    let at = Moment::from_unix_micros(now().unix_micros() - minutes * 60_000_000);
    let addresses = (0..addresses).map(|n| IpAddr::from([10, 2, 0, 7 + n]));
    LastUse::Used(Use {
        at,
        addresses: addresses.collect(),
    })
}

/// The token of `row` in clear.
pub fn issued(row: &UserRow, key: &str, origin: Origin) -> Issued {
    Issued {
        user_id: row.user.id,
        username: row.user.username.clone(),
        key: Secret::new(format!("{key:0<40}")),
        created: now(),
        origin,
    }
}

/// The screen as text, without the spaces at the ends of lines.
pub fn screen(model: &Model) -> String {
    let size = model.cx.size;
    let mut terminal = Terminal::new(TestBackend::new(size.width, size.height)).unwrap();
    terminal.draw(|frame| view(model, frame)).unwrap();
    let buffer = terminal.backend().buffer().clone();
    let mut out = String::new();
    for y in 0..size.height {
        let mut line = String::new();
        let mut skip = 0;
        for x in 0..size.width {
            let symbol = buffer[(x, y)].symbol();
            if skip > 0 {
                skip -= 1;
                continue;
            }
            skip = crate::text::width(symbol).saturating_sub(1);
            line.push_str(symbol);
        }
        out.push_str(line.trim_end());
        out.push('\n');
    }
    out
}
