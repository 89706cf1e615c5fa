//! From a request's head to its answer: the order of checks of REST framework's views (`rest_framework.views.APIView`),
//! for every endpoint. The server calls [`answer`] and adds what concerns the connection; the rules themselves stand in
//! the modules beside this one, where they are functions of their arguments.

mod forward;
mod introspection;
mod record;
mod view;

use std::net::IpAddr;
use std::sync::Arc;

use bytes::Bytes;
use hyper::header::{ACCEPT, AUTHORIZATION};
use hyper::http::request::Parts;
use hyper::{Method, StatusCode};

pub use record::{Reason, Record};

use super::auth::joined;
use super::negotiate::{Indent, accepted};
use super::reply::{self, Answer, Style};
use super::route::{Answers, Credential, Format, Found, Rate, Route, Routes, Tokens, format_of};
use super::throttle::Throttles;
use crate::domain::principal::{Denied, Presented, Principal};
use crate::domain::secret::Secret;
use crate::domain::token::KnoxKey;
use crate::ops::gate::Gate;
use crate::ops::hashing::Hashing;
use crate::ops::{Error, Ops};

/// When a caller may come again after the database was away or too many passwords waited.
const RETRY_SECS: u64 = 1;

/// What all requests of a listener share.
#[derive(Debug)]
pub struct App {
    routes: Routes,
    ops: Ops,
    gate: Gate,
    hashing: Hashing,
    throttles: Throttles,
    credential: Option<Credential>,
}

/// An answer, and what the request log may know of it.
pub type Done = (Answer, Record);

impl App {
    /// Keys are verified by `gate`, passwords by `ops` on the threads of `hashing`. `failed_logins` is how often logins
    /// by one user name may fail; `credential` opens the introspection.
    #[must_use]
    pub fn new(
        routes: Routes,
        (ops, gate, hashing): (Ops, Gate, Hashing),
        failed_logins: Option<Rate>,
        credential: Option<Credential>,
    ) -> Self {
        let rates = routes.all().iter().map(|route| route.rate);
        let throttles = Throttles::new(rates, failed_logins);
        Self {
            routes,
            ops,
            gate,
            hashing,
            throttles,
            credential,
        }
    }

    /// The routes.
    #[must_use]
    pub const fn routes(&self) -> &Routes {
        &self.routes
    }

    /// The paths that answer 404 because the database has no tokens of knox; the reason is for the log at start.
    pub fn without_knox(&self) -> impl Iterator<Item = &str> {
        let all = self.routes.all().iter();
        let lost = all.filter(|route| !self.has_knox() && needs_knox(route));
        lost.map(|route| route.path.as_str())
    }

    /// Notes that somebody at `client` called with a retired key of `username`, and gives how often that was.
    pub(super) fn note_caller(&self, username: &Arc<str>, client: IpAddr) -> u64 {
        self.gate.note_caller(username, client)
    }

    fn has_knox(&self) -> bool {
        self.ops.has_knox()
    }

    /// Who holds `key`, looked for among the kinds of token that the route takes. With the address of whoever is let in by
    /// it, it is a use of the token; without one, a question about it.
    async fn verify(
        &self,
        tokens: Tokens,
        key: &str,
        client: Option<IpAddr>,
    ) -> Result<Principal, Error> {
        let knox = tokens.knox() && self.has_knox();
        if tokens.drf() {
            let shown = Presented::Drf(Secret::from(key));
            match self.ask(&shown, client).await {
                Err(Error::Denied(Denied::InvalidToken)) if knox => {}
                verdict => return verdict,
            }
        }
        if knox {
            let shown = Presented::Knox(KnoxKey::new(Secret::from(key)));
            return self.ask(&shown, client).await;
        }
        Err(Error::Denied(Denied::InvalidToken))
    }

    async fn ask(&self, shown: &Presented, client: Option<IpAddr>) -> Result<Principal, Error> {
        match client {
            Some(client) => self.gate.admit(shown, client).await,
            None => self.gate.verify(shown).await,
        }
    }
}

const fn needs_knox(route: &Route) -> bool {
    match route.answers {
        Answers::KnoxLogin | Answers::KnoxLogout | Answers::KnoxLogoutAll => true,
        Answers::Whoami | Answers::Auth | Answers::Introspect => {
            matches!(route.tokens, Tokens::Knox)
        }
        Answers::Obtain | Answers::ObtainEx => false,
    }
}

/// Answers one request. `body` is read, by polling it, only when everything before it has been passed; what keeps it
/// from being read is told as the status to refuse with. `client` is who is counted by the throttle.
///
/// `Cache-Control: no-store`, `X-Request-Id` and what concerns the connection are the caller's to add.
pub async fn answer<B>(app: &App, head: &Parts, body: B, client: IpAddr) -> Done
where
    B: Future<Output = Result<Bytes, StatusCode>>,
{
    let (place, route) = match app.routes.find(head.uri.path(), head.uri.query()) {
        Found::Route(_, route) if route.answers == Answers::Auth => {
            return forward::answer(app, route, head, client).await;
        }
        Found::Route(..) | Found::Slash(_) | Found::Nothing if !is_conventional(&head.method) => {
            return (reply::bad_request(), Record::of(None, Reason::Method));
        }
        Found::Slash(to) => return (reply::moved(to), Record::of(None, Reason::Redirected)),
        Found::Route(place, route) if app.has_knox() || !needs_knox(route) => (place, route),
        Found::Route(..) | Found::Nothing => {
            return (reply::not_found(), Record::of(None, Reason::NoRoute));
        }
    };
    if route.answers == Answers::Introspect {
        return Box::pin(introspection::answer(app, route, head, body)).await;
    }
    match negotiated(route, head) {
        Ok(style) => {
            let call = view::Call {
                app,
                route,
                place,
                style,
                method: &head.method,
                authorization: joined(&head.headers, &AUTHORIZATION),
                headers: &head.headers,
                client,
            };
            call.answer(body).await
        }
        Err(why) => unwanted(route, why),
    }
}

/// The methods that Gunicorn lets through to Django: 3 to 20 characters, none of them in lower case or `#`. Methods
/// differ by case (RFC 9110, section 9.1), so `get` is none that anybody should mean.
fn is_conventional(method: &Method) -> bool {
    let name = method.as_str();
    (3..=20).contains(&name.len())
        && !name
            .bytes()
            .any(|byte| byte.is_ascii_lowercase() || byte == b'#')
}

/// Why a view is not even asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Unwanted {
    /// `?format=` of something that we do not have.
    Format,
    /// A query of more fields than Django reads.
    Query,
    /// `Accept` leaves nothing.
    Accept,
}

/// How the client wants to be answered.
fn negotiated(route: &Route, head: &Parts) -> Result<Style, Unwanted> {
    match head.uri.query().map_or(Format::Json, format_of) {
        Format::Json => {}
        Format::Unknown => return Err(Unwanted::Format),
        Format::TooMany => return Err(Unwanted::Query),
    }
    let indent = accepted(joined(&head.headers, &ACCEPT).as_deref()).ok_or(Unwanted::Accept)?;
    let allow = route.answers.allow();
    Ok(Style { allow, indent })
}

/// The refusal, which is never indented.
fn unwanted(route: &Route, why: Unwanted) -> Done {
    let style = Style {
        allow: route.answers.allow(),
        indent: Indent(0),
    };
    let (answer, reason) = match why {
        Unwanted::Format => (
            style.detail(StatusCode::NOT_FOUND, "Not found."),
            Reason::Format,
        ),
        // It escapes REST framework and is answered by Django.
        Unwanted::Query => (reply::bad_request(), Reason::Format),
        Unwanted::Accept => {
            let sentence = "Could not satisfy the request Accept header.";
            let answer = style.detail(StatusCode::NOT_ACCEPTABLE, sentence);
            (answer, Reason::Accept)
        }
    };
    (answer, Record::of(Some(route.answers), reason))
}

/// The answer to an operation that failed for another reason than who called; nothing of the cause is told.
fn trouble(style: Style, endpoint: Answers, error: &Error) -> Done {
    let (answer, reason) = match error {
        Error::Busy => (
            style.later(
                StatusCode::SERVICE_UNAVAILABLE,
                "Too many logins at this moment. Try again later.",
                RETRY_SECS,
            ),
            Reason::Busy,
        ),
        Error::Unavailable(_)
        | Error::ReadOnly(_)
        | Error::MissingRight(_)
        | Error::Cancelled
        // A row that changed or went away while it was worked on is there, or gone for good, at the next try.
        | Error::Conflict(_)
        | Error::NotFound(_) => (
            style.later(
                StatusCode::SERVICE_UNAVAILABLE,
                "The database cannot be asked at this moment. Try again later.",
                RETRY_SECS,
            ),
            Reason::Unavailable,
        ),
        Error::Denied(_) | Error::Invalid(_) | Error::Internal(_) => (
            style.detail(StatusCode::INTERNAL_SERVER_ERROR, "Internal error."),
            Reason::Failed,
        ),
    };
    (answer, Record::of(Some(endpoint), reason))
}

#[cfg(test)]
mod tests;
