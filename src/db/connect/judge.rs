//! What a failed attempt means: whether another server may be tried, and in which words to tell it. The one place
//! that knows how tokio-postgres, rustls and the server report trouble.

use std::error::Error as StdError;
use std::io;
use std::time::Duration;

use rustls::CertificateError;
use tokio_postgres::error::SqlState;

use super::error::{Distrust, Error};
use crate::db::conninfo::{Server, Target};

/// What to do after an attempt has failed.
#[derive(Debug)]
pub(super) enum Verdict {
    /// This server is of no use, for this reason; another may be.
    Next(String),
    /// No other server will help: as libpq, we do not carry a refused password from host to host.
    Stop(Error),
}

/// Judges the failure of an attempt at `server`.
pub(super) fn judge(error: &tokio_postgres::Error, server: &Server, target: &Target) -> Verdict {
    let name = server.to_string();
    if let Some(answer) = error.as_db_error() {
        return refused(answer, name, server, target);
    }
    if let Some(trouble) = tls_trouble(error) {
        return Verdict::Stop(trouble.told_of(name));
    }
    let source = error.source().map(ToString::to_string).unwrap_or_default();
    if source == "password missing" {
        return Verdict::Stop(authentication(
            name,
            server,
            target,
            "it wants a password".to_owned(),
        ));
    }
    if error.to_string() == "authentication error" {
        let hint = "the kind of log-in that it offers is none that this connection may use";
        return Verdict::Stop(not_allowed(name, target, source, hint));
    }
    Verdict::Next(unreachable(error))
}

/// The words for an attempt that took too long.
pub(super) fn timed_out(limit: Duration) -> String {
    format!("timed out after {} s", limit.as_secs_f32())
}

fn refused(
    answer: &tokio_postgres::error::DbError,
    name: String,
    server: &Server,
    target: &Target,
) -> Verdict {
    let reason = answer.message().to_owned();
    let code = answer.code();
    if *code == SqlState::CANNOT_CONNECT_NOW {
        return Verdict::Next(reason);
    }
    Verdict::Stop(if *code == SqlState::INVALID_PASSWORD {
        authentication(name, server, target, reason)
    } else if *code == SqlState::INVALID_AUTHORIZATION_SPECIFICATION {
        let hint = "is the user right, and does pg_hba.conf there allow this kind of connection?";
        not_allowed(name, target, reason, hint)
    } else if *code == SqlState::INVALID_CATALOG_NAME {
        Error::DatabaseMissing {
            server: name,
            database: target.database.clone(),
        }
    } else if *code == SqlState::TOO_MANY_CONNECTIONS {
        Error::TooManyConnections {
            server: name,
            reason,
        }
    } else {
        Error::Refused {
            server: name,
            reason,
            code: code.code().to_owned(),
        }
    })
}

fn not_allowed(server: String, target: &Target, reason: String, hint: &'static str) -> Error {
    Error::NotAllowed {
        server,
        user: target.user.clone(),
        reason,
        hint,
    }
}

fn authentication(name: String, server: &Server, target: &Target, reason: String) -> Error {
    let password = server
        .password
        .as_ref()
        .map(|password| password.origin.clone());
    Error::AuthenticationFailed {
        server: name,
        user: target.user.clone(),
        reason,
        password,
    }
}

/// What went wrong in TLS.
#[derive(Debug)]
enum TlsTrouble {
    Refused,
    Untrusted(Distrust),
    Failed(String),
}

impl TlsTrouble {
    fn told_of(self, server: String) -> Error {
        match self {
            Self::Refused => Error::TlsRefused { server },
            Self::Untrusted(why) => Error::TlsUntrusted { server, why },
            Self::Failed(reason) => Error::TlsFailed { server, reason },
        }
    }
}

/// Whether the attempt failed in or because of TLS, so that `sslmode=prefer` goes on without.
pub(super) fn failed_in_tls(error: &tokio_postgres::Error) -> bool {
    tls_trouble(error).is_some()
}

/// Whether the server's rules (`pg_hba.conf`) refuse this user this kind of connection. A wrong password is another
/// matter: the other kind of connection would not mend it.
pub(super) fn failed_by_rules(error: &tokio_postgres::Error) -> bool {
    error.code() == Some(&SqlState::INVALID_AUTHORIZATION_SPECIFICATION)
}

/// tokio-postgres keeps the kinds of its errors to itself, so we go by what it wraps and, at last, by its words.
fn tls_trouble(error: &tokio_postgres::Error) -> Option<TlsTrouble> {
    let source = error.source()?;
    let wrapped = source
        .downcast_ref::<io::Error>()
        .and_then(io::Error::get_ref);
    if let Some(rustls) = wrapped.and_then(|inner| inner.downcast_ref::<rustls::Error>()) {
        return Some(match rustls {
            rustls::Error::InvalidCertificate(why) => TlsTrouble::Untrusted(distrust(why)),
            other => TlsTrouble::Failed(other.to_string()),
        });
    }
    if error.to_string() != "error performing TLS handshake" {
        return None;
    }
    Some(match source.to_string().as_str() {
        "server does not support TLS" => TlsTrouble::Refused,
        other => TlsTrouble::Failed(other.to_owned()),
    })
}

fn distrust(why: &CertificateError) -> Distrust {
    match why {
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => Distrust::Expired,
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            Distrust::NotYetValid
        }
        CertificateError::UnknownIssuer => Distrust::UnknownIssuer,
        CertificateError::NotValidForName => Distrust::WrongName(Vec::new()),
        CertificateError::NotValidForNameContext { presented, .. } => {
            Distrust::WrongName(presented.clone())
        }
        other => match other.to_string() {
            text if text.contains("CaUsedAsEndEntity") => Distrust::UnknownIssuer,
            text => Distrust::Other(text),
        },
    }
}

/// The plain words for a server that did not answer.
fn unreachable(error: &tokio_postgres::Error) -> String {
    let Some(source) = error.source() else {
        return error.to_string();
    };
    match source.downcast_ref::<io::Error>() {
        Some(io) => io_words(io),
        None => format!("{error}: {source}"),
    }
}

/// The plain words for a failure of the network, without the number of the operating system's error.
pub(super) fn io_words(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::ConnectionRefused => "connection refused".to_owned(),
        io::ErrorKind::NotFound => "no socket there".to_owned(),
        io::ErrorKind::PermissionDenied => "permission denied".to_owned(),
        io::ErrorKind::ConnectionReset
        | io::ErrorKind::UnexpectedEof
        | io::ErrorKind::BrokenPipe => "it closed the connection".to_owned(),
        _ => {
            let text = error.to_string();
            text.split(" (os error")
                .next()
                .unwrap_or(&text)
                .to_lowercase()
        }
    }
}
