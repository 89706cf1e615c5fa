//! `/livez`, `/readyz` and `/healthz`, which is the same as `/readyz`: whether the process lives, and whether the database
//! can be asked. A pulse is taken once a second whatever is asked, so that nobody's probe becomes a query.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper::header::{CONTENT_TYPE, HeaderValue, RETRY_AFTER};
use hyper::{Method, Response, StatusCode};
use tokio::task::AbortHandle;

use crate::ops::Ops;

/// How often the database is asked.
const BEAT: Duration = Duration::from_secs(1);

/// An answer that takes longer is none.
const LATE: Duration = Duration::from_secs(3);

/// Whether the database answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pulse {
    /// It does.
    Up,
    /// It does not.
    Down,
}

/// What the probes are told; cheap to clone. The last clone to go ends the questions.
#[derive(Clone, Debug)]
pub struct Health(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    pulse: AtomicU8,
    asking: Option<AbortHandle>,
}

impl Drop for Inner {
    fn drop(&mut self) {
        if let Some(asking) = &self.asking {
            asking.abort();
        }
    }
}

impl Health {
    /// Asks the database of `ops`, which was just opened, from now on.
    #[must_use]
    pub fn of(ops: Ops) -> Self {
        Self(Arc::new_cyclic(|inner: &std::sync::Weak<Inner>| {
            let inner = inner.clone();
            let asking = tokio::spawn(async move {
                loop {
                    tokio::time::sleep(BEAT).await;
                    let asked = tokio::time::timeout(LATE, ops.ping()).await;
                    let pulse = match asked {
                        Ok(Ok(_)) => Pulse::Up,
                        Ok(Err(_)) | Err(_) => Pulse::Down,
                    };
                    let Some(inner) = inner.upgrade() else {
                        return;
                    };
                    inner.tell(pulse);
                }
            });
            Inner {
                pulse: AtomicU8::new(Pulse::Up as u8),
                asking: Some(asking.abort_handle()),
            }
        }))
    }

    /// Without a database to ask: what [`Health::tell`] says counts.
    #[must_use]
    pub fn told(pulse: Pulse) -> Self {
        Self(Arc::new(Inner {
            pulse: AtomicU8::new(pulse as u8),
            asking: None,
        }))
    }

    /// Whether the database answered last time.
    #[must_use]
    pub fn pulse(&self) -> Pulse {
        if self.0.pulse.load(Ordering::Relaxed) == Pulse::Up as u8 {
            Pulse::Up
        } else {
            Pulse::Down
        }
    }

    /// Somebody else found out.
    pub fn tell(&self, pulse: Pulse) {
        self.0.tell(pulse);
    }

    /// The answer, if `path` is a probe's. `closing` when the listener takes no more connections.
    pub(super) fn answer(
        &self,
        method: &Method,
        path: &str,
        closing: bool,
    ) -> Option<Response<Full<Bytes>>> {
        let down = match path {
            "/livez" => None,
            "/readyz" | "/healthz" if closing => Some("stopping\n"),
            "/readyz" | "/healthz" => match self.pulse() {
                Pulse::Up => None,
                Pulse::Down => Some("the database does not answer\n"),
            },
            _ => return None,
        };
        if !matches!(*method, Method::GET | Method::HEAD) {
            let mut response = text(StatusCode::METHOD_NOT_ALLOWED, "only GET and HEAD\n");
            let allow = HeaderValue::from_static("GET, HEAD");
            response.headers_mut().insert(hyper::header::ALLOW, allow);
            return Some(response);
        }
        let Some(why) = down else {
            return Some(text(StatusCode::OK, "ok\n"));
        };
        let mut response = text(StatusCode::SERVICE_UNAVAILABLE, why);
        let soon = HeaderValue::from_static("1");
        response.headers_mut().insert(RETRY_AFTER, soon);
        Some(response)
    }
}

impl Inner {
    fn tell(&self, pulse: Pulse) {
        let before = self.pulse.swap(pulse as u8, Ordering::Relaxed);
        if before != pulse as u8 {
            match pulse {
                Pulse::Up => tracing::warn!("the database answers again"),
                Pulse::Down => {
                    tracing::warn!("the database does not answer; /readyz says 503 until it does");
                }
            }
        }
    }
}

/// A small answer in words.
pub(super) fn text(status: StatusCode, body: &'static str) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from_static(body.as_bytes())));
    *response.status_mut() = status;
    let plain = HeaderValue::from_static("text/plain; charset=utf-8");
    response.headers_mut().insert(CONTENT_TYPE, plain);
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_probe_says_what_it_is_for() {
        let health = Health::told(Pulse::Up);
        let status = |health: &Health, path, closing| {
            health
                .answer(&Method::GET, path, closing)
                .map(|response| response.status().as_u16())
        };
        for path in ["/livez", "/readyz", "/healthz"] {
            assert_eq!(status(&health, path, false), Some(200), "{path}");
        }
        health.tell(Pulse::Down);
        assert_eq!(status(&health, "/livez", false), Some(200));
        assert_eq!(status(&health, "/readyz", false), Some(503));
        assert_eq!(status(&health, "/healthz", false), Some(503));
        health.tell(Pulse::Up);
        assert_eq!(status(&health, "/livez", true), Some(200));
        assert_eq!(status(&health, "/readyz", true), Some(503));
        assert_eq!(status(&health, "/", false), None);
        let posted = health.answer(&Method::POST, "/livez", false);
        assert_eq!(posted.map(|response| response.status().as_u16()), Some(405));
    }
}
