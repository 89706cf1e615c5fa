//! How the listener listens and which paths it answers, as `[listener]` says. Read by the configuration; the command
//! line makes the listener's own settings of it.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use ipnet::IpNet;

use super::env::Env;
use super::problem::Problem;
use super::url::first_line_within;
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
    pub password_hasher: PasswordHasher,
    /// What may ask at `introspect`; without it that answers nobody.
    pub introspect_secret: Option<SecretSource>,
    /// How much clients may take.
    pub limits: ListenerLimits,
    /// What is answered where, the built-in routes first.
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

/// Django's password hashers, by the names of their algorithms.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PasswordHasher {
    /// `pbkdf2_sha256`, the first of Django's default list.
    #[default]
    Pbkdf2Sha256,
    /// `pbkdf2_sha1`.
    Pbkdf2Sha1,
    /// `argon2`.
    Argon2,
    /// `bcrypt_sha256`.
    BcryptSha256,
    /// `bcrypt`.
    Bcrypt,
    /// `scrypt`.
    Scrypt,
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

/// `[[listener.route]]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Route {
    /// The path, as it is after percent-escapes were decoded.
    pub path: String,
    /// What is answered.
    pub answers: Answers,
    /// Which tokens it takes, in the order of asking.
    pub tokens: Vec<TokenKind>,
    /// What stands before the token in `Authorization`.
    pub keyword: String,
    /// How often an address may ask.
    pub rate: Option<Rate>,
}

/// What a route answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answers {
    /// A token for a name and a password.
    Obtain,
    /// The same, with the user's id and address.
    ObtainEx,
    /// Who stands behind a token.
    Whoami,
    /// A knox token for Basic credentials.
    KnoxLogin,
    /// This knox token ends.
    KnoxLogout,
    /// All knox tokens of the user end.
    KnoxLogoutAll,
    /// A proxy asks.
    Auth,
    /// RFC 7662.
    Introspect,
}

impl Answers {
    /// Whether passwords can be tried there.
    #[must_use]
    pub const fn takes_passwords(self) -> bool {
        match self {
            Self::Obtain | Self::ObtainEx | Self::KnoxLogin => true,
            Self::Whoami
            | Self::KnoxLogout
            | Self::KnoxLogoutAll
            | Self::Auth
            | Self::Introspect => false,
        }
    }

    /// Which tokens it takes where nothing is said.
    #[must_use]
    pub fn usual_tokens(self) -> Vec<TokenKind> {
        match self {
            Self::Obtain | Self::ObtainEx | Self::KnoxLogin => Vec::new(),
            Self::Whoami => vec![TokenKind::Drf],
            Self::KnoxLogout | Self::KnoxLogoutAll => vec![TokenKind::Knox],
            Self::Auth | Self::Introspect => vec![TokenKind::Drf, TokenKind::Knox],
        }
    }

    /// Whether `tokens` may be set there.
    #[must_use]
    pub const fn chooses_tokens(self) -> bool {
        matches!(self, Self::Whoami | Self::Auth | Self::Introspect)
    }

    /// Whether `keyword` may be set there.
    #[must_use]
    pub const fn has_keyword(self) -> bool {
        matches!(
            self,
            Self::Whoami | Self::Auth | Self::KnoxLogout | Self::KnoxLogoutAll
        )
    }
}

/// A kind of token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenKind {
    /// REST framework's own.
    Drf,
    /// django-rest-knox's.
    Knox,
}

/// So many requests in a time, as REST framework writes it: `10/min`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// How many.
    pub count: u32,
    /// In how long.
    pub per: Duration,
}

impl Rate {
    /// Reads `10/min`. As in REST framework only the first letter of the time counts: `s`, `m`, `h`, `d`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (count, per) = text.split_once('/')?;
        let seconds = match per.chars().next()? {
            's' => 1,
            'm' => 60,
            'h' => 3_600,
            'd' => 86_400,
            _ => return None,
        };
        let digits = count.bytes().all(|byte| byte.is_ascii_digit());
        let count = count.parse().ok().filter(|count| digits && *count > 0)?;
        Some(Self {
            count,
            per: Duration::from_secs(seconds),
        })
    }
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
        let routes = Self::ROUTES.iter();
        let rate = Some(Self::OBTAIN_RATE);
        Self {
            bind: Self::BIND,
            metrics_bind: None,
            trusted_proxies: Vec::new(),
            tls: None,
            password_hasher: PasswordHasher::default(),
            introspect_secret: None,
            limits: ListenerLimits::default(),
            routes: routes
                .map(|(path, answers)| Route::usual(path, *answers, rate))
                .collect(),
        }
    }

    /// Where it listens.
    const BIND: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 8000);

    /// How often passwords may be tried from one address when nothing is said.
    pub(super) const OBTAIN_RATE: Rate = Rate {
        count: 10,
        per: Duration::from_mins(1),
    };

    /// The routes that are there without a word.
    pub(super) const ROUTES: [(&'static str, Answers); 5] = [
        ("/api-token-auth/", Answers::Obtain),
        ("/api-token-auth-ex/", Answers::ObtainEx),
        ("/api/example/", Answers::Whoami),
        ("/auth", Answers::Auth),
        ("/introspect", Answers::Introspect),
    ];
}

impl Route {
    /// The route to `answers` at `path` with nothing special about it.
    pub(super) fn usual(path: &str, answers: Answers, obtain_rate: Option<Rate>) -> Self {
        Self {
            path: path.to_owned(),
            answers,
            tokens: answers.usual_tokens(),
            keyword: "Token".to_owned(),
            rate: obtain_rate.filter(|_| answers.takes_passwords()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;
    use std::path::Path;

    #[test]
    fn rates_are_read_as_rest_framework_reads_them() {
        for (text, rate) in [
            ("10/min", Some((10, 60))),
            ("5/m", Some((5, 60))),
            ("1/second", Some((1, 1))),
            ("100/hour", Some((100, 3_600))),
            ("9/d", Some((9, 86_400))),
            ("0/min", None),
            ("+5/min", None),
            ("5", None),
            ("5/", None),
            ("/min", None),
            ("5/year", None),
        ] {
            let found = Rate::parse(text).map(|rate| (rate.count, rate.per.as_secs()));
            assert_eq!(found, rate, "{text}");
        }
    }

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
