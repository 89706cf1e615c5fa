//! The operations on a real Postgres, by duty.

mod audit;
mod backfill;
mod compat;
mod faults;
mod filters;
mod gate;
mod golden;
mod hooks;
mod knox;
mod leak;
mod many;
mod migrations;
mod obtain;
mod paging;
mod retired;
mod rights;
mod sites;
mod tokens;
mod undo;
mod users;
mod verify;

use std::time::Duration;

use tokenward::db::compat::UserTable;
use tokenward::domain::user::Username;
use tokenward::ops::{Aim, Ops};

use crate::support::place::{self, Place};

/// Longer than anything here takes on a slow machine; only a failing test waits so long.
const DEADLINE: Duration = Duration::from_mins(1);

/// Active users `user1` to `userN` without a token, with the ids 1 to N.
async fn with_users(count: u32) -> Place {
    let place = place::fresh().await;
    place.sql(&users(1, count)).await;
    place
}

/// What inserts the users of these numbers, both included.
fn users(from: u32, to: u32) -> String {
    format!(
        "INSERT INTO auth_user (username, email, first_name, last_name, password, is_superuser, is_staff, is_active, \
                                date_joined) \
         SELECT 'user' || i, '', '', '', '!', false, false, true, '2024-01-01' \
           FROM generate_series({from}, {to}) AS i ORDER BY i"
    )
}

/// A site's own table of users, with names that must be quoted.
fn my_people() -> UserTable {
    UserTable {
        table: "My People".to_owned(),
        username: "E mail".to_owned(),
    }
}

/// What gives the users of this condition a token, of a key that their id decides.
fn tokens_where(condition: &str) -> String {
    format!(
        "INSERT INTO authtoken_token (key, created, user_id) \
         SELECT left(encode(sha256(id::text::bytea), 'hex'), 40), '2024-06-01', id FROM auth_user WHERE {condition}"
    )
}

async fn aim(ops: &Ops, name: &str) -> Aim {
    ops.aim(&Username::new(name).unwrap()).await.unwrap()
}

/// Waits until `question`, asked of the database, is answered by yes.
async fn wait_until(place: &Place, question: &str) {
    let client = place.client().await;
    let wait = async {
        while !client
            .query_one(question, &[])
            .await
            .unwrap()
            .get::<_, bool>(0)
        {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    let ended = tokio::time::timeout(DEADLINE, wait).await;
    assert!(ended.is_ok(), "waited in vain for {question}");
}

/// That somebody waits for a lock in the database. Notices take one of the whole server when they are committed, which
/// other tests hold.
const SOMEBODY_WAITS: &str = "SELECT count(*) > 0 FROM pg_stat_activity \
     WHERE datname = current_database() AND wait_event_type = 'Lock' AND wait_event <> 'object'";

/// Cuts the connection of who waits for a lock, and sees him gone.
async fn cut_who_waits(place: &Place) {
    place
        .sql(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
              WHERE datname = current_database() AND wait_event_type = 'Lock' AND wait_event <> 'object'",
        )
        .await;
    wait_until(place, &format!("SELECT NOT ({SOMEBODY_WAITS})")).await;
}

/// The results in the audit, oldest first, each with its verb and whom it is about.
fn audit_lines(place: &Place) -> Vec<String> {
    let entries = place.audit().into_iter();
    entries
        .map(|entry| format!("{} {}: {}", entry.what, entry.whom, entry.result))
        .collect()
}
