//! The gate: what it remembers, and that it forgets in time whatever happens.

mod changes;
mod holders;
mod load;
mod trouble;
mod uses;

use std::time::{Duration, Instant};

use tokenward::db::compat::UserTable;
use tokenward::db::connect::Settings;
use tokenward::domain::moment::Moment;
use tokenward::domain::principal::{Denied, Presented, Principal};
use tokenward::domain::secret::Secret;
use tokenward::domain::token::KnoxKey;
use tokenward::domain::user::UserId;
use tokenward::ops::gate::{Gate, GateSettings, Sure};
use tokenward::ops::{Error, Mode};
use tokio_postgres::{AsyncMessage, Client, NoTls};

use super::{DEADLINE, aim, with_users};
use crate::support::place::{self, Place};

/// No key that was revoked is answered longer than this, whatever breaks.
const BOUND: Duration = Duration::from_secs(1);

/// `knox_authtoken` as knox 5.1 makes it, for keys of this type, where there is none yet.
fn knox_table(key: &str) -> String {
    format!(
        "CREATE TABLE IF NOT EXISTS knox_authtoken (digest varchar(128) PRIMARY KEY, created timestamptz NOT NULL, \
             user_id {key} NOT NULL, expiry timestamptz, token_key varchar(25) NOT NULL); \
         CREATE INDEX IF NOT EXISTS knox_by_start ON knox_authtoken (token_key)"
    )
}

const ATTACH: &str = "SELECT tokenward.attach_notices('\"auth_user\"', 'username')";

/// Thirty users; each has the token `key<id>`, and the knox token `knox-key-of-user-<id>`.
async fn place_with_tokens() -> Place {
    let place = with_users(30).await;
    place
        .sql("INSERT INTO authtoken_token SELECT 'key' || id, '2024-06-01', id FROM auth_user")
        .await;
    place.sql(&knox_table("integer")).await;
    place.sql(ATTACH).await;
    place
        .sql(
            "INSERT INTO knox_authtoken (digest, created, user_id, expiry, token_key) \
             SELECT encode(sha512(('knox-key-of-user-' || id)::bytea), 'hex'), now(), id, now() + '1 hour', \
                    left('knox-key-of-user-' || id, 15) FROM auth_user",
        )
        .await;
    place
}

async fn gate_of(place: &Place) -> Gate {
    let gate = Gate::open(&place.ops().await, GateSettings::default());
    until_sure(&gate).await;
    gate
}

async fn until_sure(gate: &Gate) {
    until(gate, |sure| *sure == Sure::Sure).await;
}

/// Waits until what the gate says of itself is right.
async fn until(gate: &Gate, right: impl Fn(&Sure) -> bool) -> Sure {
    let begun = Instant::now();
    loop {
        let sure = gate.sure();
        if right(&sure) {
            return sure;
        }
        assert!(begun.elapsed() < DEADLINE, "still {sure:?}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

fn drf(key: &str) -> Presented {
    Presented::Drf(Secret::from(key))
}

fn knox(id: u32) -> Presented {
    Presented::Knox(KnoxKey::new(Secret::new(format!("knox-key-of-user-{id}"))))
}

/// Verifies `key` until it is answered from memory.
async fn remembered(gate: &Gate, key: &Presented) -> Principal {
    let begun = Instant::now();
    loop {
        let before = gate.stats().hits;
        let principal = gate.verify(key).await.unwrap();
        if gate.stats().hits > before {
            return principal;
        }
        assert!(begun.elapsed() < DEADLINE, "never remembered");
    }
}

/// Asks for `key` until the answer is `right`, and that within the bound.
async fn seen(gate: &Gate, key: &Presented, right: impl Fn(&Result<Principal, Error>) -> bool) {
    let begun = Instant::now();
    loop {
        let asked = begun.elapsed();
        let answer = gate.verify(key).await;
        if right(&answer) {
            return;
        }
        assert!(asked < BOUND, "{asked:?} after the change still {answer:?}");
        tokio::task::yield_now().await;
    }
}

fn is_denied(denied: Denied) -> impl Fn(&Result<Principal, Error>) -> bool {
    move |answer| *answer == Err(Error::Denied(denied))
}

/// A connection that hears what the notices say.
async fn second_listener(place: &Place) -> (Client, tokio::sync::mpsc::UnboundedReceiver<String>) {
    let (client, mut link) = tokio_postgres::connect(place.url().expose(), NoTls)
        .await
        .unwrap();
    let (send, heard) = tokio::sync::mpsc::unbounded_channel();
    tokio::spawn(async move {
        while let Some(Ok(message)) = std::future::poll_fn(|cx| link.poll_message(cx)).await {
            if let AsyncMessage::Notification(notice) = message {
                let _ = send.send(notice.payload().to_owned());
            }
        }
    });
    client.batch_execute("LISTEN tokenward").await.unwrap();
    (client, heard)
}
