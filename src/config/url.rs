//! Where a database URL comes from and how it is had when it is needed: written down, printed by a command, or in
//! an environment variable. The connection asks; until then no command runs and no secret is fetched.

use std::fmt;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use tokio::io::AsyncReadExt;
use tokio::process::{Child, Command};
use zeroize::Zeroizing;

use super::env::Env;
use super::problem::Problem;
use crate::domain::secret::Secret;

/// How long a `url_command` may take.
const COMMAND_LIMIT: Duration = Duration::from_secs(10);

/// The most bytes a `url_command` may print.
const OUTPUT_LIMIT: usize = 16 * 1024;

/// Who named the database.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// `--database`.
    Flag,
    /// `DATABASE_URL`.
    Environment,
    /// A profile's `url`, `url_command` or `url_env`.
    Profile {
        /// The configuration file.
        file: PathBuf,
        /// The line of that key, from 1.
        line: usize,
    },
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Flag => f.write_str("--database"),
            Self::Environment => f.write_str("DATABASE_URL"),
            Self::Profile { file, line } => {
                write!(f, "{}:{line}", crate::text::safe(&file.to_string_lossy()))
            }
        }
    }
}

/// How to get the URL.
#[derive(Clone, Debug)]
pub enum UrlSource {
    /// The URL itself.
    Inline(Secret<String>),
    /// A command for `sh -c` that prints it. People put passwords even there, so it is not shown either.
    Command(Secret<String>),
    /// The name of an environment variable that holds it.
    Variable(String),
}

/// A database URL, perhaps yet to be fetched, and who named it.
#[derive(Clone, Debug)]
pub struct DatabaseUrl {
    /// How to get it.
    pub source: UrlSource,
    /// Who named it, for messages.
    pub from: Origin,
}

impl DatabaseUrl {
    /// The URL, or `key=value` words as libpq takes them. Runs the command if there is one, for at most 10 s.
    ///
    /// # Errors
    /// When the variable is not set, the command fails or takes too long, or what they give is no Postgres URL.
    /// The message holds nothing of what the command printed.
    pub async fn resolve(&self, env: &Env) -> Result<Secret<String>, Problem> {
        self.resolve_within(COMMAND_LIMIT, env).await
    }

    async fn resolve_within(&self, limit: Duration, env: &Env) -> Result<Secret<String>, Problem> {
        let url = match &self.source {
            UrlSource::Inline(url) => url.clone(),
            UrlSource::Variable(name) => match env.text(name)? {
                Some(url) => Secret::from(url),
                None => {
                    return Err(
                        self.problem(format!("`url_env` names {name}, which is not set; set it"))
                    );
                }
            },
            UrlSource::Command(command) => {
                let first = first_line_within(limit, command.expose(), env).await;
                first.map_err(|what| {
                    self.problem(format!(
                        "`url_command` {what}; run it in a shell to see why"
                    ))
                })?
            }
        };
        check(url.expose()).map_err(|message| self.problem(message))?;
        Ok(url)
    }

    /// What is wrong with it, said where it was named.
    fn problem(&self, message: String) -> Problem {
        match &self.from {
            Origin::Profile { file, line } => Problem::at(file, *line, message),
            Origin::Flag | Origin::Environment => Problem::new(format!("{}: {message}", self.from)),
        }
    }

    /// Refuses at start what can be known to be wrong without asking anyone.
    pub(super) fn checked(self) -> Result<Self, Problem> {
        if let UrlSource::Inline(url) = &self.source {
            check(url.expose()).map_err(|message| self.problem(message))?;
        }
        Ok(self)
    }

    /// A URL that is written down in the file at `file`.
    pub(super) fn of_profile(source: UrlSource, file: &Path, line: usize) -> Self {
        Self {
            source,
            from: Origin::Profile {
                file: file.to_owned(),
                line,
            },
        }
    }
}

/// The first line of what `command` prints, or how it failed, which may be that it took longer than `limit`.
pub(super) async fn first_line_within(
    limit: Duration,
    command: &str,
    env: &Env,
) -> Result<Secret<String>, String> {
    let ran = tokio::time::timeout(limit, first_line(command, env)).await;
    ran.unwrap_or_else(|_| Err(format!("took longer than {limit:?}")))
}

/// Runs `command` and returns its first line of output, or how it failed.
///
/// Like `$(…)` in a shell it waits until the output is closed. The command gets no input, cannot ask on the
/// terminal, and its complaints are dropped, because the console may hold the terminal.
async fn first_line(command: &str, env: &Env) -> Result<Secret<String>, String> {
    let mut child = Command::new("sh")
        .args(["-c", command])
        .env_clear()
        .envs(env.iter())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .process_group(0)
        .kill_on_drop(true)
        .spawn()
        .map_err(|error| format!("could not be started with `sh -c`: {error}"))?;
    let group = Group::of(&child);
    // Made large enough at once: growing would leave copies of a password behind in freed memory.
    let mut output = Zeroizing::new(Vec::with_capacity(2 * OUTPUT_LIMIT));
    if let Some(stdout) = child.stdout.take() {
        let limit = OUTPUT_LIMIT as u64 + 1;
        let read = stdout.take(limit).read_to_end(&mut output).await;
        read.map_err(|error| format!("could not be read: {error}"))?;
    }
    if output.len() > OUTPUT_LIMIT {
        return Err("printed more than 16 KiB".to_owned());
    }
    let status = child
        .wait()
        .await
        .map_err(|error| format!("could not be waited for: {error}"))?;
    group.leave();
    if !status.success() {
        return Err(ended(status));
    }
    let line = output
        .split(|byte| *byte == b'\n')
        .next()
        .unwrap_or_default();
    let line = std::str::from_utf8(line)
        .map_err(|_| "printed something that is not UTF-8 text".to_owned())?
        .trim();
    if line.is_empty() {
        Err("printed an empty first line".to_owned())
    } else {
        Ok(Secret::from(line))
    }
}

/// The processes that a command started. Dropped before [`Group::leave`] it ends them all: killing the shell alone
/// would leave what it waits for running.
struct Group(Option<Pid>);

impl Group {
    fn of(child: &Child) -> Self {
        Self(
            child
                .id()
                .and_then(|id| i32::try_from(id).ok())
                .map(Pid::from_raw),
        )
    }

    /// The command ended by itself; what it left running on purpose, such as an agent, may stay.
    fn leave(mut self) {
        self.0 = None;
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        if let Some(group) = self.0 {
            // It fails only when there is nothing left to end.
            let _ = killpg(group, Signal::SIGKILL);
        }
    }
}

fn ended(status: ExitStatus) -> String {
    use std::os::unix::process::ExitStatusExt;
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("ended with exit code {code}"),
        (None, Some(signal)) => format!("was stopped by signal {signal}"),
        (None, None) => "ended in an unknown way".to_owned(),
    }
}

/// Whether `url` can be a Postgres URL or `key=value` words at all; if not, why, with nothing of it but its scheme.
fn check(url: &str) -> Result<(), String> {
    if url.trim().is_empty() {
        return Err("the database URL is empty; write postgres://USER@HOST/NAME".to_owned());
    }
    if url.contains('\0') {
        return Err("the database URL holds a NUL character".to_owned());
    }
    // A word before `://` is shown only if it looks like a scheme: `host=x password=://` has none.
    let scheme = url
        .split_once("://")
        .map(|(scheme, _)| scheme)
        .filter(|scheme| {
            scheme.len() <= 24
                && scheme
                    .chars()
                    .all(|c| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.'))
        });
    match scheme {
        None | Some("postgres" | "postgresql") => Ok(()),
        Some(scheme) => Err(format!(
            "the database URL starts with `{scheme}://`, not `postgres://`; tokenward works on Postgres only"
        )),
    }
}

/// Whether `text`, a URL, `key=value` words or a command with one of them in it, carries a password: after the
/// user's name or as a `password` parameter (Postgres manual, section 34.1.1, Connection Strings).
pub(super) fn has_password(text: &str) -> bool {
    let is_set = |after: &str| after.trim_start().starts_with('=');
    let in_user = |word: &str| {
        let Some((_, rest)) = word.split_once("://") else {
            return false;
        };
        // A password may hold any of `/?#` unescaped by mistake, so look at all before the last `@`.
        let user = rest.rsplit_once('@').map_or("", |(user, _)| user);
        user.split_once(':')
            .is_some_and(|(_, password)| !password.is_empty())
    };
    text.split("password").skip(1).any(is_set) || text.split_whitespace().any(in_user)
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use tokio::sync::oneshot;

    use super::*;

    fn command(command: &str) -> DatabaseUrl {
        DatabaseUrl::of_profile(UrlSource::Command(command.into()), Path::new("c.toml"), 7)
    }

    fn shell() -> Env {
        [("PATH", "/usr/bin:/bin"), ("SECRET_HOST", "db1")]
            .into_iter()
            .collect()
    }

    #[tokio::test]
    async fn a_commands_first_line_is_the_url() {
        let url = command("echo \"  postgres://$SECRET_HOST/app \"; echo second; echo noise >&2");
        assert_eq!(
            url.resolve(&shell()).await.expect("printed").expose(),
            "postgres://db1/app"
        );
    }

    #[tokio::test]
    async fn a_failing_command_is_named_by_its_code_alone() {
        for (line, said) in [
            (
                "echo hunter2; echo hunter2 >&2; exit 3",
                "ended with exit code 3",
            ),
            ("kill -9 $$", "was stopped by signal 9"),
            (
                "echo; echo postgres:///hunter2",
                "printed an empty first line",
            ),
            (
                "printf '\\377hunter2'",
                "printed something that is not UTF-8 text",
            ),
            ("yes hunter2", "printed more than 16 KiB"),
        ] {
            let problem = command(line).resolve(&shell()).await.expect_err(line);
            assert_eq!(
                problem.to_string(),
                format!("c.toml:7: `url_command` {said}; run it in a shell to see why")
            );
        }
    }

    #[tokio::test]
    async fn what_a_command_prints_is_checked_and_not_shown() {
        let problem = command("echo mysql://u:hunter2@h/db")
            .resolve(&shell())
            .await
            .expect_err("not Postgres");
        assert!(
            problem.to_string().contains("starts with `mysql://`"),
            "{problem}"
        );
        assert!(!problem.to_string().contains("hunter2"));
    }

    #[tokio::test]
    async fn a_hanging_command_is_given_up() {
        let limit = Duration::from_millis(50);
        let hanging = command("echo hunter2; sleep 600");
        let problem = hanging
            .resolve_within(limit, &shell())
            .await
            .expect_err("hangs");
        let said = "c.toml:7: `url_command` took longer than 50ms; run it in a shell to see why";
        assert_eq!(problem.to_string(), said);
    }

    #[tokio::test]
    async fn a_command_given_up_is_ended_with_all_it_started() {
        let temp = tempfile::tempdir().expect("a temporary folder");
        let pipe = temp.path().join("pipe");
        nix::unistd::mkfifo(&pipe, nix::sys::stat::Mode::S_IRWXU).expect("made");
        let hanging = command(&format!(
            "exec 3>'{}'; echo up >&3; sleep 600 & wait",
            pipe.display()
        ));
        let env = shell();
        let (up, started) = oneshot::channel();
        let (gone, ended) = oneshot::channel();
        // The pipe ends when the last process that holds it does.
        std::thread::spawn(move || {
            let mut pipe = std::fs::File::open(pipe).expect("opened by both sides");
            let mut word = [0; 3];
            up.send(pipe.read_exact(&mut word).is_ok()).expect("heard");
            gone.send(pipe.read_to_end(&mut Vec::new()).is_ok())
        });
        tokio::select! {
            done = hanging.resolve_within(Duration::from_mins(1), &env) => panic!("it hangs: {done:?}"),
            up = started => assert_eq!(up, Ok(true)),
        }
        let ended = tokio::time::timeout(Duration::from_secs(10), ended).await;
        assert_eq!(ended.expect("`sleep` still runs"), Ok(true));
    }

    #[tokio::test]
    async fn a_variable_is_looked_up_when_needed() {
        let url = DatabaseUrl::of_profile(
            UrlSource::Variable("APP_URL".to_owned()),
            Path::new("c.toml"),
            2,
        );
        let problem = url.resolve(&Env::default()).await.expect_err("not set");
        assert_eq!(
            problem.to_string(),
            "c.toml:2: `url_env` names APP_URL, which is not set; set it"
        );
        let env = [("APP_URL", "postgres:///app")].into_iter().collect();
        assert_eq!(
            url.resolve(&env).await.expect("set").expose(),
            "postgres:///app"
        );
    }

    #[test]
    fn passwords_are_seen_in_every_form() {
        for with in [
            "postgres://u:pw@h/db",
            "postgresql://u:p/w?@h/db",
            "postgres://h/db?sslmode=require&password=pw",
            "host=h password=pw",
            "host=h password = 'pw'",
            "echo postgres://u:pw@h/db",
            "postgres://h/db?sslpassword=pw",
        ] {
            assert!(has_password(with), "{with}");
        }
        for without in [
            "postgres:///app",
            "postgres://u@h:5432/db",
            "postgres://h:5432/db?application_name=password",
            "postgres://u:@h/db",
            "host=h dbname=passwords",
        ] {
            assert!(!has_password(without), "{without}");
        }
    }

    #[test]
    fn only_postgres_passes() {
        for good in [
            "postgres:///app",
            "postgresql://h/db",
            "host=h dbname=x",
            "host=h password=a://b",
        ] {
            assert_eq!(check(good), Ok(()));
        }
        assert!(
            check("sqlite:///db.sqlite3")
                .expect_err("not Postgres")
                .contains("`sqlite://`")
        );
        assert!(check(" ").is_err() && check("postgres://\0").is_err());
    }
}
