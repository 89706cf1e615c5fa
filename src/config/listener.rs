//! How the listener listens and which paths it answers, as `[listener]` says. Read by the configuration; the command
//! line makes the listener's own settings of it.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use ipnet::IpNet;

use super::env::Env;
use super::problem::Problem;
use super::url::first_line_within;
use crate::domain::password::Preferred;
use crate::domain::route::{Answers, Rate, Tokens};
use crate::domain::secret::Secret;

/// `[listener]`, with the defaults filled in.
#[derive(Clone, Debug)]
pub struct Listener {
    /// Where it listens.
    pub bind: SocketAddr,
    /// Where `/metrics` is, if anywhere.
    pub metrics_bind: Option<SocketAddr>,
    /// Whose `X-Forwarded-For` counts.
    pub trusted_proxies: Vec<IpNet>,
    /// The certificate and its key; without them it is plain HTTP.
    pub tls: Option<TlsFiles>,
    /// The hasher that Django prefers on this site: a password of another format is hashed anew at login.
    pub password_hasher: Preferred,
    /// What may ask at `introspect`; without it that answers nobody.
    pub introspect_secret: Option<SecretSource>,
    /// How much clients may take.
    pub limits: ListenerLimits,
    /// How often an address may try passwords at the built-in routes.
    pub obtain_rate: Option<Rate>,
    /// How often logins by one user name may fail.
    pub failed_logins: Option<Rate>,
    /// What is answered besides, or in place of a built-in route with the same path.
    pub routes: Vec<Route>,
}

/// `tls_cert` and `tls_key`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsFiles {
    /// The certificate, and those between it and a root, in PEM.
    pub certificate: PathBuf,
    /// The private key in PEM.
    pub key: PathBuf,
}

/// What a client may take; none leaves it to the listener.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ListenerLimits {
    /// A request's line and headers together have fewer bytes than this.
    pub header_bytes: Option<usize>,
    /// A request's line has fewer bytes than this.
    pub request_line_bytes: Option<usize>,
    /// A body has at most so many bytes.
    pub body_bytes: Option<usize>,
    /// From the first byte of a request to the end of its headers.
    pub header_time: Option<Duration>,
    /// From the first wait for a body to its last byte.
    pub body_time: Option<Duration>,
    /// From the end of the headers to the answer.
    pub request_time: Option<Duration>,
    /// How long a connection may be open without a request on it.
    pub idle_time: Option<Duration>,
    /// How long a TLS handshake may take.
    pub handshake_time: Option<Duration>,
    /// How long a stop waits for requests in flight.
    pub drain_time: Option<Duration>,
    /// Connections in all.
    pub connections: Option<usize>,
    /// Connections of one address.
    pub connections_per_address: Option<usize>,
    /// After so many requests a connection is closed.
    pub requests_per_connection: Option<u64>,
}

/// `[[listener.route]]`. What of it fits together is the listener's to say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Route {
    /// The path, as it is after percent-escapes were decoded.
    pub path: String,
    /// What is answered.
    pub answers: Answers,
    /// Which tokens it takes; as usual for what it answers when `None`.
    pub tokens: Option<Tokens>,
    /// What stands before the token in `Authorization`; as usual when `None`.
    pub keyword: Option<String>,
    /// How often an address may ask.
    pub rate: Option<Rate>,
    /// The line on which it begins, from 1.
    pub line: usize,
}

/// Where a secret comes from; never the configuration itself.
#[derive(Clone, Debug)]
pub struct SecretSource {
    /// How to get it.
    pub from: SecretFrom,
    /// The configuration file, and the line that names it.
    pub file: PathBuf,
    /// From 1.
    pub line: usize,
}

/// How to get a secret.
#[derive(Clone, Debug)]
pub enum SecretFrom {
    /// The first line of a file.
    File(PathBuf),
    /// The first line of what a command for `sh -c` prints.
    Command(Secret<String>),
    /// An environment variable.
    Variable(String),
}

/// How long a command may take.
const COMMAND_LIMIT: Duration = Duration::from_secs(10);

/// A secret that is shorter can be guessed.
const SHORTEST: usize = 16;

impl SecretSource {
    /// The secret.
    ///
    /// # Errors
    /// When it cannot be had, or is too short to be one. The message holds nothing of it.
    pub async fn resolve(&self, env: &Env) -> Result<Secret<String>, Problem> {
        let problem = |what: String| Problem::at(&self.file, self.line, what);
        let secret = match &self.from {
            SecretFrom::Variable(name) => match env.text(name)? {
                Some(value) => Secret::from(value),
                None => return Err(problem(format!("{name} is not set; set it"))),
            },
            SecretFrom::Command(command) => {
                let first = first_line_within(COMMAND_LIMIT, command.expose(), env).await;
                first.map_err(|what| {
                    problem(format!(
                        "`introspect_secret_command` {what}; run it in a shell to see why"
                    ))
                })?
            }
            SecretFrom::File(path) => {
                let input = super::input::read(path)?
                    .ok_or_else(|| problem(format!("{} is not there", path.display())))?;
                if input.mode & 0o007 != 0 {
                    return Err(problem(format!(
                        "everybody may open {0}; run: chmod 600 '{0}'",
                        path.display()
                    )));
                }
                let text = Secret::from(input.text);
                Secret::from(text.expose().lines().next().unwrap_or_default().trim())
            }
        };
        if secret.expose().len() < SHORTEST {
            return Err(problem(format!(
                "the secret has fewer than {SHORTEST} characters; make one with: openssl rand -hex 32"
            )));
        }
        Ok(secret)
    }
}

impl Listener {
    /// What holds where nothing is said.
    pub(super) fn usual() -> Self {
        Self {
            bind: Self::BIND,
            metrics_bind: None,
            trusted_proxies: Vec::new(),
            tls: None,
            password_hasher: Preferred::default(),
            introspect_secret: None,
            limits: ListenerLimits::default(),
            obtain_rate: Some(Self::OBTAIN_RATE),
            failed_logins: Some(Self::FAILED_LOGINS),
            routes: Vec::new(),
        }
    }

    /// Where it listens.
    const BIND: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 8000);

    /// How often passwords may be tried from one address when nothing is said.
    pub(super) const OBTAIN_RATE: Rate = Rate {
        count: 10,
        window: Duration::from_mins(1),
    };

    /// How many logins by one user name may fail when nothing is said. Django has no such limit: a person never meets
    /// it, and who guesses gets no further than some thirty thousand passwords a day.
    pub(super) const FAILED_LOGINS: Rate = Rate {
        count: 20,
        window: Duration::from_mins(1),
    };
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;
    use std::path::Path;

    async fn resolve(from: SecretFrom) -> Result<String, String> {
        let source = SecretSource {
            from,
            file: "c.toml".into(),
            line: 7,
        };
        let env = [
            ("PATH", "/usr/bin:/bin"),
            ("LONG", "hunter2hunter2hunter2"),
            ("SHORT", "hunter2"),
        ];
        let resolved = source.resolve(&env.into_iter().collect()).await;
        resolved
            .map(|secret| secret.expose().clone())
            .map_err(|problem| problem.to_string())
    }

    #[tokio::test]
    async fn a_secret_comes_from_elsewhere_and_is_never_told() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "hunter2hunter2hunter2 \nmore\n").unwrap();
        let in_file = || SecretFrom::File(file.path().to_owned());
        let good = Ok("hunter2hunter2hunter2".to_owned());
        assert_eq!(resolve(in_file()).await, good);
        assert_eq!(resolve(SecretFrom::Variable("LONG".to_owned())).await, good);
        let command = |line: &str| SecretFrom::Command(line.into());
        assert_eq!(resolve(command("echo $LONG")).await, good);
        std::fs::set_permissions(file.path(), std::fs::Permissions::from_mode(0o644)).unwrap();
        for (from, said) in [
            (in_file(), "everybody may open"),
            (
                SecretFrom::File(Path::new("/nowhere/x").to_owned()),
                "is not there",
            ),
            (SecretFrom::Variable("SHORT".to_owned()), "fewer than 16"),
            (SecretFrom::Variable("NONE".to_owned()), "NONE is not set"),
            (command("echo $LONG; exit 3"), "exit code 3"),
        ] {
            let problem = resolve(from).await.unwrap_err();
            assert!(
                problem.starts_with("c.toml:7: ") && problem.contains(said),
                "{problem}"
            );
            assert!(!problem.contains("hunter2"), "{problem}");
        }
    }
}
