//! The audit in our schema: who may write it, what holds its lines together, and how each harm done to it is found.

mod accounts;
mod harm;
mod rights;
mod sessions;
mod together;
mod triggers;

use tokenward::domain::audit::chain::{Checked, Hash};
use tokenward::ops::{AuditQuery, Mode, Ops, Purpose};

use super::{aim, audit_lines, tokens_where, with_users};
use crate::support::place::Place;

/// A database where so many lines were written, about `user1` to `userN`.
async fn with_lines(count: u32) -> (Place, Ops) {
    let place = with_users(count).await;
    let ops = place.ops().await;
    for number in 1..=count {
        let aim = aim(&ops, &format!("user{number}")).await;
        ops.generate(&aim, Mode::Apply).await.unwrap();
    }
    (place, ops)
}

async fn check(ops: &Ops) -> Checked {
    let check = ops.check_audit(None).await.unwrap();
    assert!(check.place.starts_with("tokenward.audit on "));
    check.checked
}

/// What a superuser does who goes round the triggers.
async fn past_the_triggers(place: &Place, harm: &str) {
    place
        .sql(&format!(
            "BEGIN; ALTER TABLE tokenward.audit DISABLE TRIGGER ALL; {harm}; \
             ALTER TABLE tokenward.audit ENABLE TRIGGER ALL; COMMIT"
        ))
        .await;
}
