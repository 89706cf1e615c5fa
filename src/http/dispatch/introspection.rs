//! Token introspection (RFC 7662): a service that was shown a token asks whose it is. It shows a credential of its own
//! first; nothing is told to who has none, not even whether his request was well formed.

use std::fmt::Write;

use bytes::Bytes;
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderValue};
use hyper::http::request::Parts;
use hyper::{Method, StatusCode};

use super::super::auth::joined;
use super::super::negotiate::Indent;
use super::super::reply::{Style, json};
use super::super::route::Route;
use super::{App, Done, Reason, Record, trouble};
use crate::domain::principal::Principal;
use crate::domain::secret::Secret;
use crate::ops::Error;

const FORM: &str = "application/x-www-form-urlencoded";

pub(super) async fn answer<B>(app: &App, route: &Route, head: &Parts, body: B) -> Done
where
    B: Future<Output = Result<Bytes, StatusCode>>,
{
    let style = Style {
        allow: route.answers.allow(),
        indent: Indent(0),
    };
    let done = |answer, reason| (answer, Record::of(Some(route.answers), reason));
    let header = joined(&head.headers, &AUTHORIZATION);
    let shown = app
        .credential
        .as_ref()
        .is_some_and(|own| own.is_shown(header.as_deref()));
    if !shown {
        let challenge = app
            .credential
            .as_ref()
            .map_or("Bearer", |own| own.challenge());
        let challenge = HeaderValue::from_static(challenge);
        let answer = style.unauthorized(&challenge, "Invalid credential.");
        return done(answer, Reason::NoCredentials);
    }
    if head.method != Method::POST {
        return done(style.not_allowed(head.method.as_str()), Reason::Method);
    }
    if !is_form(&head.headers) {
        return done(
            invalid(
                style,
                "The body must be a form (application/x-www-form-urlencoded).",
            ),
            Reason::Body,
        );
    }
    let bytes = match body.await {
        Ok(bytes) => bytes,
        Err(status) => {
            let sentence = "The body of the request was not read to its end.";
            return done(style.detail(status, sentence), Reason::Body);
        }
    };
    let token = match one_token(&bytes) {
        Ok(token) => token,
        Err(sentence) => return done(invalid(style, sentence), Reason::Fields),
    };
    // Postgres holds no U+0000, so no key has one.
    if token.expose().contains('\0') {
        return done(inactive(style), Reason::Done);
    }
    match app.verify(route.tokens, token.expose(), None).await {
        Ok(principal) => {
            let body = active(&principal, &route.keyword);
            let (answer, record) = done(style.json(StatusCode::OK, body), Reason::Done);
            (
                answer,
                record
                    .by(Some(&principal.account))
                    .in_grace(principal.grace()),
            )
        }
        // A token that is not good is no error of the asker (section 2.2).
        Err(Error::Denied(denied)) => {
            let (answer, record) = done(inactive(style), Reason::Denied(denied));
            (answer, record.with_key(token.expose(), &app.gate).await)
        }
        Err(error) => trouble(style, route.answers, &error),
    }
}

fn is_form(headers: &HeaderMap) -> bool {
    let value = headers.get(CONTENT_TYPE).map(HeaderValue::as_bytes);
    let kind = value.and_then(|value| value.split(|byte| *byte == b';').next());
    kind.is_some_and(|kind| kind.trim_ascii().eq_ignore_ascii_case(FORM.as_bytes()))
}

/// The form's one `token` (section 2.1); one given twice is refused, as OAuth has it (RFC 6749, section 3.2).
fn one_token(form: &[u8]) -> Result<Secret<String>, &'static str> {
    let mut tokens = form_urlencoded::parse(form)
        .filter(|(name, _)| name == "token")
        .map(|(_, value)| Secret::new(value.into_owned()));
    match (tokens.next(), tokens.next()) {
        (Some(token), None) if !token.expose().is_empty() => Ok(token),
        (None, _) | (Some(_), None) => Err("The form must have a field token."),
        (Some(_), Some(_)) => Err("The form has more than one field token."),
    }
}

fn invalid(style: Style, sentence: &str) -> super::Answer {
    let mut body = r#"{"error":"invalid_request","error_description":"#.to_owned();
    json::push_string(&mut body, sentence);
    body.push('}');
    style.json(StatusCode::BAD_REQUEST, body)
}

fn inactive(style: Style) -> super::Answer {
    style.json(StatusCode::OK, r#"{"active":false}"#.to_owned())
}

/// `token_type` is the word that stands before the token in an Authorization header; times are seconds since 1970.
fn active(principal: &Principal, keyword: &str) -> String {
    const MICROS: i64 = 1_000_000;
    let account = &principal.account;
    let mut out = r#"{"active":true"#.to_owned();
    for (name, value) in [
        ("username", account.username.as_str()),
        ("sub", account.id.to_string().as_str()),
        ("token_type", keyword),
    ] {
        out.push(',');
        json::push_string(&mut out, name);
        out.push(':');
        json::push_string(&mut out, value);
    }
    let times = [("iat", Some(principal.created)), ("exp", principal.expiry)];
    for (name, moment) in times {
        if let Some(moment) = moment {
            // Writing to a string cannot fail.
            let _ = write!(
                out,
                r#","{name}":{}"#,
                moment.unix_micros().div_euclid(MICROS)
            );
        }
    }
    out.push('}');
    out
}

#[cfg(test)]
mod tests;
