//! Which path is answered how. The configuration's routes and the default ones become [`Routes`] once, at start, where
//! everything that cannot work is refused in words; [`Routes::find`] is then asked by `dispatch` for every request.

mod table;

use std::time::Duration;

use hyper::header::HeaderValue;
use thiserror::Error;

pub use table::{Format, Found, Routes, format_of};

use crate::domain::secret::Secret;

/// What stands behind a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Answers {
    /// A token for a name and a password: REST framework's `obtain_auth_token`.
    Obtain,
    /// The same, with `user_id` and `email`: the example of REST framework's documentation.
    ObtainEx,
    /// Whose token is this? The protected endpoint of REST framework's documentation.
    Whoami,
    /// A knox token for HTTP Basic credentials.
    KnoxLogin,
    /// The end of one knox token.
    KnoxLogout,
    /// The end of all knox tokens of a user.
    KnoxLogoutAll,
    /// Forward authentication: for nginx's `auth_request` and its like.
    Auth,
    /// Token introspection: RFC 7662.
    Introspect,
}

impl Answers {
    const ALL: [Self; 8] = [
        Self::Obtain,
        Self::ObtainEx,
        Self::Whoami,
        Self::KnoxLogin,
        Self::KnoxLogout,
        Self::KnoxLogoutAll,
        Self::Auth,
        Self::Introspect,
    ];

    /// The word for it in the configuration, the log and the metrics.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Obtain => "obtain",
            Self::ObtainEx => "obtain_ex",
            Self::Whoami => "whoami",
            Self::KnoxLogin => "knox_login",
            Self::KnoxLogout => "knox_logout",
            Self::KnoxLogoutAll => "knox_logoutall",
            Self::Auth => "auth",
            Self::Introspect => "introspect",
        }
    }

    /// From the configuration's word.
    ///
    /// # Errors
    /// Names the words there are.
    pub fn parse(word: &str) -> Result<Self, Problem> {
        let found = Self::ALL.into_iter().find(|answers| answers.word() == word);
        found.ok_or_else(|| Problem::Answers(word.to_owned()))
    }

    /// What Django's view of this kind sends as `Allow`.
    #[must_use]
    pub const fn allow(self) -> &'static str {
        match self {
            Self::Obtain
            | Self::ObtainEx
            | Self::KnoxLogin
            | Self::KnoxLogout
            | Self::KnoxLogoutAll => "POST, OPTIONS",
            Self::Whoami => "GET, HEAD, OPTIONS",
            // Any method is answered; no answer carries `Allow`.
            Self::Auth => "",
            Self::Introspect => "POST",
        }
    }

    /// Whether the view is one of Django's, whose paths end in a slash, or one of our own.
    const fn is_django(self) -> bool {
        match self {
            Self::Obtain
            | Self::ObtainEx
            | Self::Whoami
            | Self::KnoxLogin
            | Self::KnoxLogout
            | Self::KnoxLogoutAll => true,
            Self::Auth | Self::Introspect => false,
        }
    }

    const fn may_be_rated(self) -> bool {
        matches!(self, Self::Obtain | Self::ObtainEx)
    }

    /// Which tokens it takes unless told; none where it takes no token.
    const fn usual_tokens(self) -> Option<Tokens> {
        match self {
            Self::Obtain | Self::ObtainEx | Self::KnoxLogin => None,
            Self::Whoami => Some(Tokens::Drf),
            Self::KnoxLogout | Self::KnoxLogoutAll => Some(Tokens::Knox),
            Self::Auth | Self::Introspect => Some(Tokens::Both),
        }
    }
}

/// Which tokens a route takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tokens {
    /// Those of REST framework.
    Drf,
    /// Those of django-rest-knox.
    Knox,
    /// A key is looked for among the first, then among the second.
    Both,
}

impl Tokens {
    /// From the configuration's list.
    ///
    /// # Errors
    /// When it is empty or names another kind.
    pub fn parse<S: AsRef<str>>(words: &[S]) -> Result<Self, Problem> {
        let mut kinds = (false, false);
        for word in words {
            match word.as_ref() {
                "drf" => kinds.0 = true,
                "knox" => kinds.1 = true,
                other => return Err(Problem::Tokens(other.to_owned())),
            }
        }
        match kinds {
            (true, true) => Ok(Self::Both),
            (true, false) => Ok(Self::Drf),
            (false, true) => Ok(Self::Knox),
            (false, false) => Err(Problem::NoTokens),
        }
    }

    /// Whether a key of REST framework is looked for.
    #[must_use]
    pub const fn drf(self) -> bool {
        matches!(self, Self::Drf | Self::Both)
    }

    /// Whether a key of knox is looked for.
    #[must_use]
    pub const fn knox(self) -> bool {
        matches!(self, Self::Knox | Self::Both)
    }
}

/// So many requests in so long a time, as REST framework writes it: `5/min`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// How many.
    pub count: u32,
    /// In what time.
    pub window: Duration,
}

impl Rate {
    /// The most that can be asked for. Every request that counts is remembered with its time, so a number without an
    /// end would be memory without an end.
    pub const MAX_COUNT: u32 = 10_000;

    /// `off`, or a number and a unit of which the first letter counts, as in `rest_framework.throttling`:
    /// `5/s`, `5/min`, `100/h`, `1000/day`.
    ///
    /// # Errors
    /// Says how one is written.
    pub fn parse(text: &str) -> Result<Option<Self>, Problem> {
        let wrong = || Problem::Rate(text.to_owned());
        if text == "off" {
            return Ok(None);
        }
        let (count, unit) = text.split_once('/').ok_or_else(wrong)?;
        let count = count.trim().parse().map_err(|_| wrong())?;
        if count == 0 || count > Self::MAX_COUNT {
            return Err(wrong());
        }
        let secs = match unit {
            "s" | "sec" | "second" => 1,
            "m" | "min" | "minute" => 60,
            "h" | "hour" => 3_600,
            "d" | "day" => 86_400,
            _ => return Err(wrong()),
        };
        let window = Duration::from_secs(secs);
        Ok(Some(Self { count, window }))
    }
}

/// The credential that a caller of the introspection endpoint shows (RFC 7662, section 2.1).
#[derive(Clone, Debug)]
pub enum Credential {
    /// `Authorization: Bearer SECRET`.
    Bearer(Secret<String>),
    /// `Authorization: Basic`, of `NAME:SECRET`.
    Basic(Secret<String>),
}

impl Credential {
    /// From the configuration's text: with a colon it is Basic's, else Bearer's, which has none in it (RFC 6750).
    ///
    /// # Errors
    /// When it is shorter than 16 characters, or could not stand in a header.
    pub fn parse(text: Secret<String>) -> Result<Self, Problem> {
        let secret = text.expose();
        if secret.len() < 16 || !secret.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(Problem::WeakCredential);
        }
        Ok(if secret.contains(':') {
            Self::Basic(text)
        } else {
            Self::Bearer(text)
        })
    }

    /// `WWW-Authenticate` for a caller without it.
    #[must_use]
    pub const fn challenge(&self) -> &'static str {
        match self {
            Self::Bearer(_) => "Bearer",
            Self::Basic(_) => "Basic realm=\"introspection\"",
        }
    }
}

/// One path and what it answers. Made by [`Route::new`], so that it is known to work.
#[derive(Clone, Debug)]
pub struct Route {
    /// The path, percent-escapes decoded.
    pub path: String,
    /// What it answers.
    pub answers: Answers,
    /// Which tokens it takes; of no meaning where it takes none.
    pub tokens: Tokens,
    /// The word before the token in the Authorization header.
    pub keyword: String,
    /// How often one address may call without being known.
    pub rate: Option<Rate>,
    /// What a 401 of it carries as `WWW-Authenticate`.
    pub challenge: HeaderValue,
}

/// Why the routes cannot be served.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Problem {
    /// Not a path of ours.
    #[error("the route {path:?} {why}")]
    Path {
        /// What was given.
        path: String,
        /// What is wrong with it.
        why: &'static str,
    },
    /// Two routes, one path.
    #[error("two routes have the path {0:?}; give each path once")]
    Twice(String),
    /// No such answer.
    #[error(
        "there is no answer {0:?}; there are obtain, obtain_ex, whoami, knox_login, knox_logout, knox_logoutall, auth \
         and introspect"
    )]
    Answers(String),
    /// No such kind of token.
    #[error("there is no kind of token {0:?}; there are drf and knox")]
    Tokens(String),
    /// A list without anything in it.
    #[error("a route that takes no kind of token lets nobody in; give drf, knox, or both")]
    NoTokens,
    /// Not a rate.
    #[error(
        "{0:?} is no rate; write a number from 1 to 10000 and a unit, as in 5/s, 10/min, 100/h, 1000/d, or off"
    )]
    Rate(String),
    /// A setting that this kind of route does not have.
    #[error("the route {path:?} answers {answers}, which {why}")]
    Unfit {
        /// The path.
        path: String,
        /// The word for what it answers.
        answers: &'static str,
        /// Why the setting does not fit.
        why: &'static str,
    },
    /// A keyword that no header can hold.
    #[error("{0:?} cannot be a keyword; use letters, digits and - only")]
    Keyword(String),
    /// Introspection without a credential.
    #[error(
        "the route {0:?} answers introspect, which needs a credential of its own; set introspect_credential"
    )]
    NoCredential(String),
    /// A credential that can be guessed.
    #[error(
        "a credential for introspection has at least 16 visible ASCII characters, with a colon for Basic (NAME:SECRET)"
    )]
    WeakCredential,
}

impl Route {
    /// A route as configured; what is not given is as usual for its kind.
    ///
    /// # Errors
    /// When the path is not one, or a setting does not fit what is answered.
    pub fn new(
        path: &str,
        answers: Answers,
        tokens: Option<Tokens>,
        keyword: Option<&str>,
        rate: Option<Rate>,
    ) -> Result<Self, Problem> {
        check_path(path, answers)?;
        let unfit = |why| Problem::Unfit {
            path: path.to_owned(),
            answers: answers.word(),
            why,
        };
        let usual = answers.usual_tokens();
        if tokens.is_some() && usual.is_none() {
            return Err(unfit("takes no token: leave tokens away"));
        }
        if keyword.is_some() && usual.is_none() {
            return Err(unfit("takes no token: leave keyword away"));
        }
        let tokens = tokens.or(usual).unwrap_or(Tokens::Drf);
        let ends_knox = matches!(answers, Answers::KnoxLogout | Answers::KnoxLogoutAll);
        if ends_knox && tokens != Tokens::Knox {
            return Err(unfit("takes knox tokens only"));
        }
        if rate.is_some() && !answers.may_be_rated() {
            // The permission is asked before the throttle, and the throttle counts only callers who are not known.
            return Err(unfit("never comes to count a caller: leave rate away"));
        }
        let keyword = keyword.unwrap_or("Token");
        let wordy = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
        if keyword.is_empty() || !keyword.bytes().all(wordy) {
            return Err(Problem::Keyword(keyword.to_owned()));
        }
        let challenge = match answers {
            Answers::Obtain | Answers::ObtainEx | Answers::KnoxLogin => "Basic realm=\"api\"",
            Answers::Whoami
            | Answers::KnoxLogout
            | Answers::KnoxLogoutAll
            | Answers::Auth
            | Answers::Introspect => keyword,
        };
        let challenge =
            HeaderValue::from_str(challenge).map_err(|_| Problem::Keyword(keyword.to_owned()))?;
        Ok(Self {
            path: path.to_owned(),
            answers,
            tokens,
            keyword: keyword.to_owned(),
            rate,
            challenge,
        })
    }
}

fn check_path(path: &str, answers: Answers) -> Result<(), Problem> {
    let wrong = |why| {
        Err(Problem::Path {
            path: path.to_owned(),
            why,
        })
    };
    // What `django.utils.encoding.escape_uri_path` leaves as it is: a redirect can then name the path as it stands.
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/:@&+$,-_.!~*'()".contains(&byte);
    if !path.starts_with('/') {
        return wrong("does not start with a slash");
    }
    if answers.is_django() && !path.ends_with('/') {
        return wrong(
            "does not end with a slash, as Django's paths do; without it a client is redirected",
        );
    }
    if !answers.is_django() && path.ends_with('/') {
        return wrong("ends with a slash; give it without");
    }
    if path.contains("//") || path.split('/').any(|part| part == "." || part == "..") {
        return wrong("has an empty part, . or .. in it, which clients and proxies take away");
    }
    if !path.bytes().all(plain) {
        return wrong("has a character that would have to be escaped");
    }
    Ok(())
}

#[cfg(test)]
mod tests;
