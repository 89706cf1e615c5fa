//! The built program, run in a home of its own with nothing of this process's environment but `PATH`.

use std::fs::{Permissions, create_dir_all, set_permissions, write};
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

use serde_json::Value;
use tempfile::TempDir;
use tokenward::domain::audit::Entry;
use tokenward::ops::{AuditLog, AuditQuery};

use super::folder;
use super::place::{Place, audit_in};

/// A home folder, and what the program's environment holds.
pub struct Program {
    home: TempDir,
    variables: Vec<(String, String)>,
    /// The database whose audit it writes.
    place: Option<tokio_postgres::Config>,
}

/// How a run ended.
#[derive(Debug, PartialEq, Eq)]
pub struct Ran {
    /// The exit code; `None` after a signal.
    pub code: Option<i32>,
    /// What it wrote to stdout.
    pub out: String,
    /// What it wrote to stderr.
    pub err: String,
}

impl Program {
    /// The program in an empty home.
    pub fn new() -> Self {
        Self {
            home: folder(),
            variables: Vec::new(),
            place: None,
        }
    }

    /// The program in an empty home, working on `place`.
    pub fn on(place: &Place) -> Self {
        Self {
            place: Some(place.config()),
            ..Self::new().with("DATABASE_URL", place.url().expose())
        }
    }

    /// The same with the variable `name` set.
    pub fn with(mut self, name: &str, value: &str) -> Self {
        self.variables.push((name.to_owned(), value.to_owned()));
        self
    }

    /// A path in its home.
    pub fn path(&self, name: &str) -> PathBuf {
        self.home.path().join(name)
    }

    /// Writes the configuration file and gives its path.
    pub fn write_config(&self, text: &str) -> PathBuf {
        let path = self.path("config/tokenward/config.toml");
        create_dir_all(path.parent().unwrap()).unwrap();
        write(&path, text).unwrap();
        set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
        path
    }

    /// The audit, that of the database before the file, oldest first: what was done, to whom, and the first characters of
    /// the key.
    pub fn audit(&self) -> Vec<(String, String, String)> {
        let file = AuditLog::at(self.path("state/tokenward/audit.jsonl"));
        let query = AuditQuery {
            limit: 10_000,
            ..AuditQuery::default()
        };
        let mut entries = self.place.as_ref().map_or_else(Vec::new, audit_in);
        entries.extend(file.read(&query).unwrap().into_iter().rev());
        let word = |entry: Entry| {
            let key = entry.key.unwrap_or_else(|| "-".to_owned());
            (entry.what.name().to_owned(), entry.whom, key)
        };
        entries.into_iter().map(word).collect()
    }

    /// The program with `words` as its arguments, ready to be started.
    pub fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tokenward"));
        command
            .args(words)
            .current_dir(self.home.path())
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("HOME", self.home.path())
            .env("XDG_CONFIG_HOME", self.path("config"))
            .env("XDG_DATA_HOME", self.path("data"))
            .env("XDG_STATE_HOME", self.path("state"))
            .envs(self.variables.iter().cloned())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }

    /// Runs the program with nothing on stdin.
    pub fn run(&self, words: &[&str]) -> Ran {
        self.command(words).output().unwrap().into()
    }

    /// Runs the program with `input` on stdin.
    pub fn run_with(&self, words: &[&str], input: &str) -> Ran {
        let mut child = self.command(words).stdin(Stdio::piped()).spawn().unwrap();
        let mut stdin = child.stdin.take().unwrap();
        let input = input.to_owned();
        // A program that does not read its input closes it, which is its right.
        let writer = std::thread::spawn(move || stdin.write_all(input.as_bytes()).ok());
        let output = child.wait_with_output().unwrap();
        writer.join().unwrap();
        output.into()
    }
}

impl From<Output> for Ran {
    fn from(output: Output) -> Self {
        Self {
            code: output.status.code(),
            out: String::from_utf8(output.stdout).unwrap(),
            err: String::from_utf8(output.stderr).unwrap(),
        }
    }
}

impl Ran {
    /// What it wrote to stdout, after a run that went well and said nothing else.
    #[track_caller]
    pub fn ok(self) -> String {
        assert_eq!(
            (self.code, self.err.as_str()),
            (Some(0), ""),
            "{}",
            self.out
        );
        self.out
    }

    /// What it wrote to stderr, after a run that ended with `code` and wrote no result.
    #[track_caller]
    pub fn fails(self, code: i32) -> String {
        assert_eq!(
            (self.code, self.out.as_str()),
            (Some(code), ""),
            "{}",
            self.err
        );
        self.err
    }

    /// The JSON values it wrote, one a line, and nothing else anywhere.
    #[track_caller]
    pub fn json(self, code: i32) -> Vec<Value> {
        assert_eq!(
            (self.code, self.err.as_str()),
            (Some(code), ""),
            "{}",
            self.out
        );
        self.out
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    }
}
