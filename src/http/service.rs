//! Joins the two halves of the listener: what carries requests (`envelope` and below) and what answers them
//! (`dispatch`). Only shapes are translated here.

use std::borrow::Cow;

use hyper::http::request::Parts;

use super::dispatch::{self, App, Reason};
use super::envelope::{Answer, Peer, Record, Service};
use super::intake::{Body, Unreadable};
use super::stats::{Endpoint, Outcome};
use crate::domain::token::KeyStart;

impl Service for App {
    async fn answer(&self, head: &Parts, body: Body, peer: Peer) -> Answer {
        let read = async { body.collect().await.map_err(Unreadable::status) };
        let (response, record) = dispatch::answer(self, head, read, peer.client).await;
        let outcome = match record.reason {
            // A wrong password is 400 in Django.
            Reason::Denied(_) => Outcome::Denied,
            _ => Outcome::of(response.status()),
        };
        let record = Record {
            endpoint: record.endpoint.map_or(Endpoint::Other, Endpoint::Route),
            outcome,
            user: record
                .account
                .map(|account| account.username.as_str().into()),
            reason: reason(record.reason, record.key.as_ref().map(KeyStart::as_str)),
        };
        Answer { response, record }
    }
}

/// The words of the log, with the start of the key that was refused.
fn reason(reason: Reason, key: Option<&str>) -> Option<Cow<'static, str>> {
    match (reason, key) {
        (Reason::Done, _) => None,
        (reason, None) => Some(Cow::Borrowed(reason.words())),
        (reason, Some(key)) => Some(Cow::Owned(format!("{}: {key}…", reason.words()))),
    }
}
