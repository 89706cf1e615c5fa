//! Forward authentication: a proxy shows us the headers of a request and asks whether to let it through. It is told 200
//! with who it is, 401, or 503 while the database cannot be asked, whatever the method, body or `Accept` are; proxies
//! take anything else for an error of their own.

use std::net::IpAddr;

use hyper::StatusCode;
use hyper::header::{AUTHORIZATION, HeaderName, HeaderValue};
use hyper::http::request::Parts;

use super::super::auth::{self, Shown, joined};
use super::super::negotiate::Indent;
use super::super::reply::{Answer, Style};
use super::super::route::Route;
use super::{App, Done, RETRY_SECS, Reason, Record};
use crate::domain::principal::{Account, Principal};
use crate::ops::Error;

const STYLE: Style = Style {
    allow: "",
    indent: Indent(0),
};

pub(super) async fn answer(app: &App, route: &Route, head: &Parts, client: IpAddr) -> Done {
    let header = joined(&head.headers, &AUTHORIZATION);
    let done = |answer, reason| (answer, Record::of(Some(route.answers), reason));
    let unauthorized = |sentence| STYLE.unauthorized(&route.challenge, sentence);
    match auth::token(header.as_deref().unwrap_or_default(), &route.keyword) {
        Shown::Nothing => {
            let answer = unauthorized("Authentication credentials were not provided.");
            done(answer, Reason::NoCredentials)
        }
        Shown::Malformed(fault) => done(unauthorized(fault.sentence()), Reason::Malformed(fault)),
        Shown::Given(key) => match app.verify(route.tokens, key, Some(client)).await {
            Ok(principal) => {
                let (answer, record) = done(welcome(&principal), Reason::Done);
                (
                    answer,
                    record
                        .by(Some(&principal.account))
                        .in_grace(principal.grace()),
                )
            }
            Err(Error::Denied(denied)) => {
                let answer = unauthorized(super::view::sentence(denied));
                let (answer, record) = done(answer, Reason::Denied(denied));
                (answer, record.with_key(key, &app.gate).await)
            }
            Err(_) => {
                let sentence = "The database cannot be asked at this moment. Try again later.";
                let answer = STYLE.later(StatusCode::SERVICE_UNAVAILABLE, sentence, RETRY_SECS);
                done(answer, Reason::Unavailable)
            }
        },
    }
}

/// Who it is, in UTF-8. The headers are always there, so that a proxy which copies them overwrites a client's own.
fn welcome(principal: &Principal) -> Answer {
    let account: &Account = &principal.account;
    let mut answer = STYLE.empty(StatusCode::OK);
    let headers = answer.headers_mut();
    let groups: Vec<&str> = account
        .groups
        .iter()
        .map(String::as_str)
        .filter(|group| is_listable(group))
        .collect();
    for (name, value) in [
        ("remote-user", account.username.as_str()),
        ("remote-email", account.email.as_str()),
        ("remote-name", account.full_name.as_str()),
        ("remote-groups", groups.join(",").as_str()),
        ("x-auth-user-id", account.id.to_string().as_str()),
    ] {
        headers.insert(HeaderName::from_static(name), carried(value));
    }
    answer
}

/// Whether a group can stand in a list with commas: one named `a,admins` would pass for two.
fn is_listable(group: &str) -> bool {
    !group.contains(',') && is_carriable(group)
}

/// Whether a header brings `text` over unchanged. Control characters would end or break it, and blanks at its ends are
/// cut off by whoever reads it.
fn is_carriable(text: &str) -> bool {
    !text.bytes().any(|byte| byte < b' ' || byte == 0x7f)
        && !text.starts_with(' ')
        && !text.ends_with(' ')
}

/// The header's value; empty, which is to say unknown, for a text that would come over as another one. Written another
/// way it could be somebody else's name. The id tells who it is in any case.
fn carried(text: &str) -> HeaderValue {
    let value = Some(text).filter(|text| is_carriable(text));
    let value = value.and_then(|text| HeaderValue::from_bytes(text.as_bytes()).ok());
    value.unwrap_or(HeaderValue::from_static(""))
}

#[cfg(test)]
mod tests;
