//! Keys in, effects and pictures out; a file for each duty of the screen. Here are the rows and the steps they share.

mod accounts;
mod changes;
mod copy;
mod everywhere;
mod filter;
mod grace;
mod link;
mod list;
mod pictures;
mod undo;

use std::time::Duration;

use super::*;
use crate::domain::last_use::LastUse;
use crate::domain::moment::Moment;
use crate::domain::page::{Direction, Start};
use crate::domain::token::Origin;
use crate::ops::RowResult;
use crate::tui::effect::{Deed, HandOut, Order, Question, Use};
use crate::tui::message::Message as Top;
use crate::tui::model::{Link, Model};
use crate::tui::testing::{
    connected, dev, issued, press, prod, read_only, row, screen, send, send_after, ticket, used,
};

/// Made-up rows with what real ones hold: escapes, wide and right-to-left letters, every state.
fn rows() -> Vec<UserRow> {
    let mut rows = vec![
        row(17, "alice.w", "9944b091"),
        row(18, "bob\x1b[31m\u{202e}x", "62b46a15"),
        row(19, "ci-bot", "twd_7Hq2"),
        row(20, "dave", "5b25a0de"),
        row(21, "erin", ""),
        row(22, "山田太郎@例え.jp", "0a1b2c3d"),
        row(23, "محمد", "c0ffee11"),
        row(
            24,
            &format!("{}@example.com", "long".repeat(12)),
            "deadbeef",
        ),
    ];
    rows[0].user.is_superuser = true;
    rows[0].user.is_staff = true;
    rows[0].user.full_name = "Alice Wong".to_owned();
    rows[0].user.email = "alice@example.com".to_owned();
    rows[3].user.is_active = false;
    let since = Moment::parse("2025-01-01T00:00:00Z").unwrap();
    for (row, last_use) in rows.iter_mut().zip([
        used(2, 3),
        LastUse::Unknown,
        used(59, 1),
        LastUse::NeverSince(since),
    ]) {
        row.token.as_mut().unwrap().last_use = last_use;
    }
    rows
}

fn page(rows: Vec<UserRow>) -> Page<UserRow> {
    Page {
        rows,
        more_before: false,
        more_after: false,
    }
}

fn tell(model: &mut Model, slot: Slot, effects: &[Effect], page: Page<UserRow>) -> Vec<Effect> {
    let (ticket, outcome) = (ticket(effects, slot), Ok(page));
    send(
        model,
        Top::Users(Message::Paged {
            slot,
            ticket,
            outcome,
        }),
    )
}

fn loaded(width: u16, height: u16, place: crate::tui::model::Place) -> Model {
    let (mut model, effects) = connected(width, height, place);
    tell(&mut model, Slot::Page, &effects, page(rows()));
    let (ticket, outcome) = (ticket(&effects, Slot::Count), Ok(8));
    send(&mut model, Top::Users(Message::Counted { ticket, outcome }));
    model
}

fn current(model: &Model) -> String {
    model.users.window.current().unwrap().user.username.clone()
}
