//! Which path is answered how. The configuration's routes and the default ones become [`Routes`] once, at start, where
//! everything that cannot work is refused in words; [`Routes::find`] is then asked by `dispatch` for every request.

mod table;

use hyper::header::HeaderValue;
use thiserror::Error;

pub use table::{Format, Found, Routes, format_of};

pub use crate::domain::route::{Answers, Rate, Tokens};
use crate::domain::secret::Secret;

impl Answers {
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
