//! Token introspection (RFC 7662): another server shows its own secret and asks what a token is worth. The part that
//! routes requests calls [`answer`] with a way to look a token up; everything else of the endpoint is here.

use std::borrow::Cow;
use std::future::Future;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http_body_util::Full;
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE};
use hyper::http::request::Parts;
use hyper::{HeaderMap, Method, Response, StatusCode};
use serde::Serialize;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use super::envelope::{Answer, Record};
use super::intake::Body;
use super::stats::{Endpoint, Outcome};
use crate::domain::secret::Secret;

/// The secret of those who may ask. Kept and compared as a digest: that takes the same time whatever is shown, its
/// length included.
#[derive(Clone)]
pub struct Credential([u8; 32]);

impl Credential {
    /// Admits who shows `secret`.
    #[must_use]
    pub fn new(secret: &Secret<String>) -> Self {
        Self(Sha256::digest(secret.expose().as_bytes()).into())
    }

    /// Whether it is shown in `Authorization`: as `Bearer`, or as the password of `Basic` under any name (RFC 7662,
    /// section 2.1, leaves the way open; these two are what libraries send).
    #[must_use]
    pub fn is_in(&self, headers: &HeaderMap) -> bool {
        let Some(shown) = headers.get(AUTHORIZATION).and_then(shown) else {
            return false;
        };
        let digest: [u8; 32] = Sha256::digest(&*shown).into();
        digest.ct_eq(&self.0).into()
    }
}

/// The secret in `Authorization`.
fn shown(value: &HeaderValue) -> Option<Zeroizing<Vec<u8>>> {
    let (scheme, rest) = value.to_str().ok()?.split_once(' ')?;
    let rest = rest.trim();
    if scheme.eq_ignore_ascii_case("bearer") {
        return Some(Zeroizing::new(rest.as_bytes().to_vec()));
    }
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let pair = Zeroizing::new(STANDARD.decode(rest).ok()?);
    let colon = pair.iter().position(|byte| *byte == b':')?;
    Some(Zeroizing::new(pair[colon + 1..].to_vec()))
}

/// What a token that is good is worth.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Active {
    /// The user's name.
    pub username: String,
    /// The user's id.
    pub sub: String,
    /// `drf` or `knox`.
    pub token_type: &'static str,
    /// When the token was made, in seconds since 1970.
    pub iat: i64,
    /// When it ends; none for never.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exp: Option<i64>,
}

/// Why a token could not be looked up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Away;

/// Answers one question. `credential` is none where nobody may ask; `look_up` gives none for a token that is no good,
/// whatever is wrong with it: RFC 7662, section 2.2, tells no more than that.
pub async fn answer<F>(
    credential: Option<&Credential>,
    head: &Parts,
    body: Body,
    look_up: impl FnOnce(Secret<String>) -> F + Send,
) -> Answer
where
    F: Future<Output = Result<Option<Active>, Away>> + Send,
{
    if head.method != Method::POST {
        let mut answer = refuse(StatusCode::METHOD_NOT_ALLOWED, "invalid_request");
        let allow = HeaderValue::from_static("POST");
        let headers = answer.response.headers_mut();
        headers.insert(hyper::header::ALLOW, allow);
        return answer;
    }
    if !credential.is_some_and(|credential| credential.is_in(&head.headers)) {
        let mut answer = refuse(StatusCode::UNAUTHORIZED, "invalid_client");
        let how = HeaderValue::from_static("Bearer realm=\"introspection\"");
        answer.response.headers_mut().insert(WWW_AUTHENTICATE, how);
        return answer;
    }
    let body = match body.collect().await {
        Ok(body) => body,
        Err(error) => return refuse(error.status(), "invalid_request"),
    };
    let Some(token) = token(&body) else {
        return refuse(StatusCode::BAD_REQUEST, "invalid_request");
    };
    match look_up(token).await {
        Ok(Some(active)) => told(&active),
        Ok(None) => {
            let mut answer = json(StatusCode::OK, b"{\"active\":false}".as_slice().into());
            answer.record.outcome = Outcome::Denied;
            answer
        }
        Err(Away) => {
            let mut answer = refuse(StatusCode::SERVICE_UNAVAILABLE, "temporarily_unavailable");
            let soon = HeaderValue::from_static("1");
            answer.response.headers_mut().insert(RETRY_AFTER, soon);
            answer
        }
    }
}

/// The `token` of the form `body`; of several none, for which one was meant?
fn token(body: &[u8]) -> Option<Secret<String>> {
    let mut tokens = form_urlencoded::parse(body).filter(|(name, _)| name == "token");
    let (_, token) = tokens.next()?;
    let token = Secret::from(Cow::into_owned(token));
    (tokens.next().is_none() && !token.expose().is_empty()).then_some(token)
}

fn told(active: &Active) -> Answer {
    #[derive(Serialize)]
    struct Whole<'a> {
        active: bool,
        #[serde(flatten)]
        rest: &'a Active,
    }
    let whole = Whole {
        active: true,
        rest: active,
    };
    let Ok(text) = serde_json::to_vec(&whole) else {
        return refuse(StatusCode::INTERNAL_SERVER_ERROR, "server_error");
    };
    let mut answer = json(StatusCode::OK, text.into());
    answer.record.user = Some(active.username.as_str().into());
    answer
}

/// An error in the words of RFC 6749, section 5.2.
fn refuse(status: StatusCode, error: &'static str) -> Answer {
    let mut answer = json(status, format!("{{\"error\":\"{error}\"}}").into());
    answer.record.reason = Some(Cow::Borrowed(error));
    answer
}

fn json(status: StatusCode, text: Bytes) -> Answer {
    let mut response = Response::new(Full::new(text));
    *response.status_mut() = status;
    let json = HeaderValue::from_static("application/json");
    response.headers_mut().insert(CONTENT_TYPE, json);
    Answer {
        response,
        record: Record::new(Endpoint::Introspect, Outcome::of(status)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &str = "0123456789abcdef";

    fn admits(header: Option<&str>) -> bool {
        let credential = Credential::new(&Secret::from(SECRET));
        let mut headers = HeaderMap::new();
        if let Some(header) = header {
            headers.insert(AUTHORIZATION, header.parse().unwrap());
        }
        credential.is_in(&headers)
    }

    #[test]
    fn only_the_secret_opens() {
        let basic = |pair: &str| format!("Basic {}", STANDARD.encode(pair));
        assert!(admits(Some(&format!("Bearer {SECRET}"))));
        assert!(admits(Some(&format!("bearer  {SECRET} "))));
        assert!(admits(Some(&basic(&format!("gateway:{SECRET}")))));
        for wrong in [
            None,
            Some(String::new()),
            Some("Bearer".to_owned()),
            Some("Bearer 0123456789abcde".to_owned()),
            Some(format!("Bearer {SECRET}0")),
            Some(format!("Token {SECRET}")),
            Some(basic(SECRET)),
            Some(basic(&format!("{SECRET}:"))),
            Some("Basic %%%".to_owned()),
        ] {
            assert!(!admits(wrong.as_deref()), "{wrong:?}");
        }
    }

    #[test]
    fn one_token_is_asked_for() {
        let found = |body: &str| token(body.as_bytes()).map(|token| token.expose().clone());
        assert_eq!(
            found("token=a%20b&token_type_hint=x").as_deref(),
            Some("a b")
        );
        for none in ["", "token=", "tokens=a", "token=a&token=b"] {
            assert_eq!(found(none), None, "{none}");
        }
    }

    #[test]
    fn an_answer_tells_what_rfc_7662_names() {
        let mut active = Active {
            username: "alice".to_owned(),
            sub: "17".to_owned(),
            token_type: "drf",
            iat: 5,
            exp: None,
        };
        let text = |active: &Active| {
            let answer = told(active);
            assert_eq!(answer.record.user.as_deref(), Some("alice"));
            format!("{:?}", answer.response.body())
        };
        let said = text(&active);
        assert!(said.contains(r#"{\"active\":true,\"username\":\"alice\",\"sub\":\"17\",\"token_type\":\"drf\",\"iat\":5}"#), "{said}");
        active.exp = Some(9);
        assert!(text(&active).contains(r#"\"exp\":9}"#));
    }
}
