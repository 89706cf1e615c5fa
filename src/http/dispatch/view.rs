//! The views of REST framework and of knox: authentication, permission, throttle, method, body, fields, credentials, in
//! this order.

use std::borrow::Cow;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::{HeaderMap, Method, StatusCode};

use super::super::auth::{self, Fault, Login, Shown};
use super::super::body;
use super::super::options;
use super::super::reply::{self, Style, json};
use super::super::route::{Answers, Route};
use super::super::throttle::Wait;
use super::{App, Done, Reason, Record, trouble};
use crate::domain::moment::Moment;
use crate::domain::principal::{Account, Denied, Holds, Principal};
use crate::ops::Error;

/// One request to a view.
pub(super) struct Call<'a> {
    pub(super) app: &'a App,
    pub(super) route: &'a Route,
    /// The route's place, by which it is throttled.
    pub(super) place: usize,
    pub(super) style: Style,
    pub(super) method: &'a Method,
    pub(super) authorization: Option<Cow<'a, [u8]>>,
    pub(super) headers: &'a HeaderMap,
    pub(super) client: IpAddr,
}

/// Who calls, after authentication.
enum Caller<'a> {
    /// Nobody in particular.
    Nobody,
    /// Somebody with a password.
    Person(Arc<Account>),
    /// Somebody with a token, and the key that he showed.
    Holder(Principal, &'a str),
}

/// Why authentication ended the request.
enum Refused {
    Malformed(Fault),
    Wait(Wait),
    Failed(Error),
}

impl From<Error> for Refused {
    fn from(error: Error) -> Self {
        Self::Failed(error)
    }
}

/// What a view does once it is let in.
enum Act {
    Options,
    Whoami,
    Obtain,
    KnoxLogin,
    KnoxLogout,
    KnoxLogoutAll,
    NotAllowed,
}

impl Caller<'_> {
    const fn account(&self) -> Option<&Arc<Account>> {
        match self {
            Self::Nobody => None,
            Self::Person(account) => Some(account),
            Self::Holder(principal, _) => Some(&principal.account),
        }
    }

    /// Until when his key is taken, if it is one that was replaced.
    const fn grace(&self) -> Option<Moment> {
        match self {
            Self::Nobody | Self::Person(_) => None,
            Self::Holder(principal, _) => principal.grace(),
        }
    }
}

impl Call<'_> {
    pub(super) async fn answer<B>(&self, body: B) -> Done
    where
        B: Future<Output = Result<Bytes, StatusCode>>,
    {
        let caller = match self.authenticate().await {
            Ok(caller) => caller,
            Err(refused) => return Box::pin(self.refuse(refused)).await,
        };
        if self.is_public() {
            // The throttle is for callers who are not known (`AnonRateThrottle`).
            if let Caller::Nobody = caller
                && let Err(wait) = self
                    .app
                    .throttles
                    .admit(self.place, self.client, Instant::now())
            {
                return self.done(self.style.throttled(wait), Reason::Throttled);
            }
        } else if matches!(caller, Caller::Nobody) {
            let sentence = "Authentication credentials were not provided.";
            let answer = self.style.unauthorized(&self.route.challenge, sentence);
            return self.done(answer, Reason::NoCredentials);
        }
        // What writes or reads a body is on the heap: a request that only shows a key is moved with all the room it has.
        match (self.act(), &caller) {
            (Act::Options, _) => {
                let metadata = options::metadata(self.route);
                self.well(&caller, self.style.json(StatusCode::OK, metadata))
            }
            (Act::Whoami, Caller::Holder(principal, key)) => {
                let body = whoami(principal, key);
                self.well(&caller, self.style.json(StatusCode::OK, body))
            }
            (Act::Obtain, _) => Box::pin(self.obtain(body)).await,
            (Act::KnoxLogin, Caller::Person(account)) => {
                Box::pin(self.knox_login(&caller, account)).await
            }
            (Act::KnoxLogout, Caller::Holder(principal, _)) => {
                Box::pin(self.knox_logout(&caller, &principal.token)).await
            }
            (Act::KnoxLogoutAll, Caller::Holder(principal, _)) => {
                let logout = self.app.ops.knox_logout_all(principal.account.id);
                let ended = Box::pin(logout).await;
                self.ended(&caller, ended)
            }
            // What is left besides a wrong method cannot be: each view's authentication gives the caller it needs.
            (
                Act::NotAllowed
                | Act::Whoami
                | Act::KnoxLogin
                | Act::KnoxLogout
                | Act::KnoxLogoutAll,
                _,
            ) => {
                let answer = self.style.not_allowed(self.method.as_str());
                let (answer, record) = self.done(answer, Reason::Method);
                (answer, record.by(caller.account()))
            }
        }
    }

    const fn is_public(&self) -> bool {
        matches!(self.route.answers, Answers::Obtain | Answers::ObtainEx)
    }

    /// What the method asks of this view. A HEAD is a GET whose body the server leaves out.
    fn act(&self) -> Act {
        let (get, post) = match self.route.answers {
            Answers::Obtain | Answers::ObtainEx => (Act::NotAllowed, Act::Obtain),
            Answers::Whoami => (Act::Whoami, Act::NotAllowed),
            Answers::KnoxLogin => (Act::NotAllowed, Act::KnoxLogin),
            Answers::KnoxLogout => (Act::NotAllowed, Act::KnoxLogout),
            Answers::KnoxLogoutAll => (Act::NotAllowed, Act::KnoxLogoutAll),
            Answers::Auth | Answers::Introspect => (Act::NotAllowed, Act::NotAllowed),
        };
        match *self.method {
            Method::OPTIONS => Act::Options,
            Method::GET | Method::HEAD => get,
            Method::POST => post,
            _ => Act::NotAllowed,
        }
    }

    async fn authenticate(&self) -> Result<Caller<'_>, Refused> {
        let header = self.authorization.as_deref().unwrap_or_default();
        match self.route.answers {
            Answers::Obtain | Answers::ObtainEx | Answers::KnoxLogin => match auth::basic(header) {
                Shown::Nothing => Ok(Caller::Nobody),
                Shown::Malformed(fault) => Err(Refused::Malformed(fault)),
                Shown::Given(login) => self.log_in(&login).await.map(Caller::Person),
            },
            Answers::Whoami
            | Answers::KnoxLogout
            | Answers::KnoxLogoutAll
            | Answers::Auth
            | Answers::Introspect => match auth::token(header, &self.route.keyword) {
                Shown::Nothing => Ok(Caller::Nobody),
                Shown::Malformed(fault) => Err(Refused::Malformed(fault)),
                Shown::Given(key) => {
                    let holder = self
                        .app
                        .verify(self.route.tokens, key, Some(self.client))
                        .await?;
                    Ok(Caller::Holder(holder, key))
                }
            },
        }
    }

    /// A name with U+0000 in it is nobody's: Postgres holds none, and Django fails on it.
    async fn log_in(&self, login: &Login) -> Result<Arc<Account>, Refused> {
        if login.username.contains('\0') {
            return Err(Refused::Failed(Error::Denied(Denied::Credentials)));
        }
        let App { ops, hashing, .. } = self.app;
        // On the heap, for a request that only shows a key shall not carry the room for a login.
        let check = Box::pin(ops.check_password(hashing, &login.username, &login.password));
        self.counted(&login.username, check).await.map(Arc::new)
    }

    /// Tries a login unless too many by this name have failed; counts it when it fails.
    async fn counted<T>(
        &self,
        username: &str,
        login: impl Future<Output = Result<T, Error>>,
    ) -> Result<T, Refused> {
        let throttles = &self.app.throttles;
        throttles
            .login(username, Instant::now())
            .map_err(Refused::Wait)?;
        let outcome = login.await;
        if let Err(Error::Denied(_)) = &outcome {
            throttles.login_failed(username, Instant::now());
        }
        Ok(outcome?)
    }

    async fn refuse(&self, refused: Refused) -> Done {
        let (sentence, reason) = match refused {
            Refused::Malformed(fault) => (fault.sentence(), Reason::Malformed(fault)),
            Refused::Wait(wait) => {
                return self.done(self.style.throttled(wait), Reason::LoginsThrottled);
            }
            Refused::Failed(Error::Denied(denied)) => (sentence(denied), Reason::Denied(denied)),
            Refused::Failed(error) => return trouble(self.style, self.route.answers, &error),
        };
        // The first authenticator of the obtain views is the session's, which has no scheme to ask for: so 403.
        let answer = if self.is_public() {
            self.style.detail(StatusCode::FORBIDDEN, sentence)
        } else {
            self.style.unauthorized(&self.route.challenge, sentence)
        };
        let header = self.authorization.as_deref().unwrap_or_default();
        let (answer, record) = self.done(answer, reason);
        match auth::token(header, &self.route.keyword) {
            Shown::Given(key) => (answer, record.with_key(key, &self.app.gate).await),
            Shown::Nothing | Shown::Malformed(_) => (answer, record),
        }
    }

    async fn obtain<B>(&self, body: B) -> Done
    where
        B: Future<Output = Result<Bytes, StatusCode>>,
    {
        let bytes = match body.await {
            Ok(bytes) => bytes,
            Err(status) => {
                let sentence = "The body of the request was not read to its end.";
                return self.done(self.style.detail(status, sentence), Reason::Body);
            }
        };
        // Of several the last one counts, as in a WSGI environment.
        let content_type = self.headers.get_all(CONTENT_TYPE).iter().next_back();
        let credentials = match body::fields(content_type.map(HeaderValue::as_bytes), &bytes) {
            Ok(credentials) => credentials,
            Err(error) => return self.unusable(&error),
        };
        let body::Credentials { username, password } = credentials;
        let App { ops, hashing, .. } = self.app;
        let obtain = Box::pin(ops.obtain(hashing, &username, &password));
        match self.counted(&username, obtain).await {
            Ok(obtained) => {
                let body = self.obtained(obtained.key.expose(), &obtained.account);
                let account = Arc::new(obtained.account);
                let answer = self.style.json(StatusCode::OK, body);
                self.well(&Caller::Person(account), answer)
            }
            Err(Refused::Failed(Error::Denied(denied))) => {
                let body =
                    r#"{"non_field_errors":["Unable to log in with provided credentials."]}"#;
                let answer = self.style.json(StatusCode::BAD_REQUEST, body.to_owned());
                self.done(answer, Reason::Denied(denied))
            }
            Err(refused) => self.refuse(refused).await,
        }
    }

    fn unusable(&self, error: &body::BodyError) -> Done {
        let status = StatusCode::from_u16(error.status()).unwrap_or(StatusCode::BAD_REQUEST);
        let reason = if status == StatusCode::UNSUPPORTED_MEDIA_TYPE {
            Reason::Body
        } else {
            Reason::Fields
        };
        let answer = match error.json() {
            Some(json) => self.style.json(status, json),
            None => reply::bad_request(),
        };
        self.done(answer, reason)
    }

    /// `{"token":…}`, for `obtain_ex` with `user_id` and `email`.
    fn obtained(&self, key: &str, account: &Account) -> String {
        let mut out = String::with_capacity(96 + account.email.len());
        out.push_str(r#"{"token":"#);
        json::push_string(&mut out, key);
        if self.route.answers == Answers::ObtainEx {
            out.push_str(r#","user_id":"#);
            // A number, or a UUID as REST framework writes it: serde knows which.
            out.push_str(&serde_json::to_string(&account.id).unwrap_or_default());
            out.push_str(r#","email":"#);
            json::push_string(&mut out, &account.email);
        }
        out.push('}');
        out
    }

    async fn knox_login(&self, caller: &Caller<'_>, account: &Account) -> Done {
        match self.app.ops.knox_login(account).await {
            Ok(issued) => {
                let mut body = r#"{"expiry":"#.to_owned();
                json::push_string(&mut body, &issued.expiry.isoformat());
                body.push_str(r#","token":"#);
                json::push_string(&mut body, issued.key.expose());
                body.push('}');
                self.well(caller, self.style.json(StatusCode::OK, body))
            }
            Err(error) => trouble(self.style, self.route.answers, &error),
        }
    }

    async fn knox_logout(&self, caller: &Caller<'_>, token: &Holds) -> Done {
        let ended = match token {
            Holds::Knox(digest) => self.app.ops.knox_logout(digest).await,
            Holds::Drf => Err(Error::Denied(Denied::InvalidToken)),
        };
        self.ended(caller, ended)
    }

    fn ended(&self, caller: &Caller<'_>, ended: Result<(), Error>) -> Done {
        match ended {
            Ok(()) => self.well(caller, self.style.empty(StatusCode::NO_CONTENT)),
            Err(error) => trouble(self.style, self.route.answers, &error),
        }
    }

    fn well(&self, caller: &Caller<'_>, answer: reply::Answer) -> Done {
        let (answer, record) = self.done(answer, Reason::Done);
        let record = record.by(caller.account());
        (answer, record.in_grace(caller.grace()))
    }

    const fn done(&self, answer: reply::Answer, reason: Reason) -> Done {
        (answer, Record::of(Some(self.route.answers), reason))
    }
}

/// What REST framework says to who is refused after his header was read.
pub(super) const fn sentence(denied: Denied) -> &'static str {
    match denied {
        Denied::InvalidToken => "Invalid token.",
        Denied::Inactive => "User inactive or deleted.",
        Denied::Credentials => "Invalid username/password.",
    }
}

/// `{"user":…,"auth":…}`: of a token of REST framework the key, of one of knox `str(AuthToken)`.
fn whoami(principal: &Principal, key: &str) -> String {
    let name = &principal.account.username;
    let mut out = String::with_capacity(24 + name.len() + key.len());
    out.push_str(r#"{"user":"#);
    json::push_string(&mut out, name);
    out.push_str(r#","auth":"#);
    match &principal.token {
        Holds::Drf => json::push_string(&mut out, key),
        Holds::Knox(digest) => json::push_string(&mut out, &format!("{digest} : {name}")),
    }
    out.push('}');
    out
}

#[cfg(test)]
mod tests;
