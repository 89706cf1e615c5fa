//! Answers in Django REST framework's words: status, headers, and bodies written as its JSON renderer writes them.
//! `dispatch` decides what to say; here it is put into bytes, the same way for every endpoint.

pub mod json;

use bytes::Bytes;
use http_body_util::Full;
use hyper::header::{
    ALLOW, CONTENT_TYPE, HeaderValue, LOCATION, RETRY_AFTER, WWW_AUTHENTICATE,
    X_CONTENT_TYPE_OPTIONS,
};
use hyper::{Response, StatusCode};

use super::negotiate::Indent;
use super::throttle::Wait;

/// How `?format=`, an unknown path and the like are refused: Django's own pages, in short.
const NOT_FOUND: &str = "<!doctype html><html lang=\"en\"><head><title>Not Found</title></head><body><h1>Not Found</h1>\
                         <p>The requested resource was not found on this server.</p></body></html>\n";
const BAD_REQUEST: &str = "<!doctype html><html lang=\"en\"><head><title>Bad Request (400)</title></head><body>\
                           <h1>Bad Request (400)</h1></body></html>\n";

/// The response type of the listener: every answer is whole in memory.
pub type Answer = Response<Full<Bytes>>;

/// How a view's answers are written: what they have in common.
#[derive(Clone, Copy, Debug)]
pub struct Style {
    /// The view's methods, for `Allow`; empty where it sends none.
    pub allow: &'static str,
    /// What the client asked for.
    pub indent: Indent,
}

impl Style {
    /// JSON, given compact.
    #[must_use]
    pub fn json(self, status: StatusCode, compact: String) -> Answer {
        let body = json::indented(compact, self.indent);
        let mut answer = self.empty(status);
        *answer.body_mut() = Full::new(Bytes::from(body));
        let json = HeaderValue::from_static("application/json");
        answer.headers_mut().insert(CONTENT_TYPE, json);
        answer
    }

    /// `{"detail":"…"}`.
    #[must_use]
    pub fn detail(self, status: StatusCode, sentence: &str) -> Answer {
        self.json(status, json::pair("detail", sentence))
    }

    /// No body, and no type of it.
    #[must_use]
    pub fn empty(self, status: StatusCode) -> Answer {
        let mut answer = bare(status, Bytes::new());
        if !self.allow.is_empty() {
            let allow = HeaderValue::from_static(self.allow);
            answer.headers_mut().insert(ALLOW, allow);
        }
        answer
    }

    /// 401 with the scheme to use.
    #[must_use]
    pub fn unauthorized(self, challenge: &HeaderValue, sentence: &str) -> Answer {
        let mut answer = self.detail(StatusCode::UNAUTHORIZED, sentence);
        let challenge = challenge.clone();
        answer.headers_mut().insert(WWW_AUTHENTICATE, challenge);
        answer
    }

    /// 405; `method` is any token of HTTP, so none of it needs escaping.
    #[must_use]
    pub fn not_allowed(self, method: &str) -> Answer {
        let sentence = format!("Method \"{method}\" not allowed.");
        self.detail(StatusCode::METHOD_NOT_ALLOWED, &sentence)
    }

    /// 429: REST framework's `Throttled`.
    #[must_use]
    pub fn throttled(self, wait: Wait) -> Answer {
        let Wait(secs) = wait;
        let unit = if secs == 1 { "second" } else { "seconds" };
        let sentence = format!("Request was throttled. Expected available in {secs} {unit}.");
        self.later(StatusCode::TOO_MANY_REQUESTS, &sentence, secs)
    }

    /// An answer that says when to come again, in seconds.
    #[must_use]
    pub fn later(self, status: StatusCode, sentence: &str, secs: u64) -> Answer {
        let mut answer = self.detail(status, sentence);
        let secs = HeaderValue::from(secs);
        answer.headers_mut().insert(RETRY_AFTER, secs);
        answer
    }
}

/// Django's page for a path that leads nowhere.
#[must_use]
pub fn not_found() -> Answer {
    page(StatusCode::NOT_FOUND, NOT_FOUND)
}

/// Django's page for a request that it will not read.
#[must_use]
pub fn bad_request() -> Answer {
    page(StatusCode::BAD_REQUEST, BAD_REQUEST)
}

/// Django's redirect to the path with a slash: permanent, without a body.
#[must_use]
pub fn moved(to: HeaderValue) -> Answer {
    let mut answer = page(StatusCode::MOVED_PERMANENTLY, "");
    answer.headers_mut().insert(LOCATION, to);
    answer
}

fn page(status: StatusCode, body: &'static str) -> Answer {
    let mut answer = bare(status, Bytes::from_static(body.as_bytes()));
    let html = HeaderValue::from_static("text/html; charset=utf-8");
    answer.headers_mut().insert(CONTENT_TYPE, html);
    answer
}

/// What Django's `SecurityMiddleware` adds for browsers that guess at types. `Cache-Control: no-store` and the request's id
/// are the server's to add, since it also answers where no route is reached.
fn bare(status: StatusCode, body: Bytes) -> Answer {
    let mut answer = Response::new(Full::new(body));
    *answer.status_mut() = status;
    let headers = answer.headers_mut();
    headers.reserve(8);
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    answer
}

#[cfg(test)]
mod tests;
