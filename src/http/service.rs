//! Joins the two halves of the listener: what carries requests (`envelope` and below) and what answers them
//! (`dispatch`). Only shapes are translated here.

use std::borrow::Cow;
use std::pin::pin;

use hyper::http::request::Parts;

use super::dispatch::{self, App, Reason};
use super::envelope::{Answer, Peer, Record, Service};
use super::intake::{Body, Unreadable};
use super::stats::{Endpoint, Outcome};

impl Service for App {
    async fn answer(&self, head: &Parts, body: Body, peer: Peer) -> Answer {
        // Pinned here, so that what it is handed through holds a pointer and not the room to read a body.
        let read = pin!(async { body.collect().await.map_err(Unreadable::status) });
        let (response, record) = dispatch::answer(self, head, read, peer.client).await;
        let outcome = match record.reason {
            // A wrong password is 400 in Django.
            Reason::Denied(_) => Outcome::Denied,
            _ => Outcome::of(response.status()),
        };
        let reason = reason(&record);
        let retired_calls = record.retired.as_ref();
        let retired_calls = retired_calls.map(|name| self.note_caller(name, peer.client));
        let record = Record {
            endpoint: record.endpoint.map_or(Endpoint::Other, Endpoint::Route),
            outcome,
            user: record.account.map(|account| account.username.clone()),
            reason,
            retired_calls,
            in_grace: record.grace.is_some(),
        };
        Answer { response, record }
    }
}

/// The words of the log: whose key it was where we know, else how the key began that was refused.
fn reason(record: &dispatch::Record) -> Option<Cow<'static, str>> {
    let words = match record.reason {
        Reason::Done => {
            let until = record.grace?;
            return Some(Cow::Owned(format!("grace: until {}", until.minute_utc())));
        }
        reason => reason.words(),
    };
    Some(match (&record.retired, &record.key) {
        (Some(username), _) => Cow::Owned(format!("retired: {username}")),
        (None, Some(key)) => Cow::Owned(format!("{words}: {}…", key.as_str())),
        (None, None) => Cow::Borrowed(words),
    })
}
