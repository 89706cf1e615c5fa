//! The flags that every command takes, and what is said when arguments are wrong.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::ArgAction;
use clap::error::ErrorKind;

use super::exit::{Code, Failure};
use super::log::{self, Asked};
use super::output::{Form, Loudness, Output, Paint};
use crate::config::{Config, Flags};
use crate::domain::secret::Secret;

/// The flags that every command takes.
#[derive(Clone, Debug, clap::Args)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a flag that stands by itself"
)]
#[command(next_help_heading = "With any command")]
pub struct Global {
    /// The database to work on: a profile of the configuration, or `private`
    #[arg(short, long, global = true, value_name = "NAME")]
    profile: Option<String>,
    /// The database to work on: a postgres URL, or words as psql takes them
    #[arg(long, global = true, value_name = "URL")]
    database: Option<Secret<String>>,
    /// Change nothing; the database session itself is read only
    #[arg(long, global = true, conflicts_with = "write")]
    read_only: bool,
    /// Change things although the profile is read only
    #[arg(long, global = true)]
    write: bool,
    /// Write JSON alone to stdout, a value a line, errors too
    #[arg(long, global = true)]
    json: bool,
    /// Say nothing but results and errors
    #[arg(short, long, global = true, conflicts_with = "verbose")]
    quiet: bool,
    /// Log more; -vv and -vvv even more
    #[arg(short, long, global = true, action = ArgAction::Count)]
    verbose: u8,
    /// Use no colour
    #[arg(long, global = true)]
    no_color: bool,
    /// Configuration file
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Log file
    #[arg(long, global = true, value_name = "FILE")]
    log_file: Option<PathBuf>,
    /// Read environment variables from this file too
    #[arg(long, global = true, value_name = "FILE")]
    env_file: Option<PathBuf>,
}

impl Global {
    /// Where and how to write.
    pub fn output(&self) -> Output {
        let form = if self.json { Form::Json } else { Form::People };
        let loudness = if self.quiet {
            Loudness::Quiet
        } else {
            Loudness::Usual
        };
        Output::new(form, loudness, paint(self.no_color))
    }

    /// As the configuration wants them.
    pub fn flags(&self) -> Flags {
        Flags {
            profile: self.profile.clone(),
            database: self.database.clone(),
            read_only: self.read_only,
            write: self.write,
            config: self.config.clone(),
            log_file: self.log_file.clone(),
            env_file: self.env_file.clone(),
            no_color: self.no_color,
        }
    }

    /// Starts the log.
    pub fn start_log(&self, config: &Config) -> Result<(), Failure> {
        let named = self.log_file.is_some() || config.env.get("TOKENWARD_LOG").is_some();
        let asked = if named { Asked::ByName } else { Asked::Usual };
        let level = log::level(self.quiet, self.verbose);
        log::start(&config.dirs.log_file, asked, level)
    }

    /// Whether progress may be drawn.
    pub const fn wants_progress(&self) -> bool {
        !self.quiet && !self.json
    }

    /// Whether more than usual is to be said.
    pub const fn wants_more(&self) -> bool {
        self.verbose > 0
    }

    /// Whether a flag names one database.
    pub const fn names_database(&self) -> bool {
        self.profile.is_some() || self.database.is_some()
    }
}

/// Needed before there is a configuration, so it asks the environment itself (<https://no-color.org>).
fn paint(no_color: bool) -> Paint {
    let set = |name| std::env::var_os(name).filter(|value| !value.is_empty());
    if no_color || set("NO_COLOR").is_some() || set("TERM").is_some_and(|term| term == "dumb") {
        Paint::Off
    } else {
        Paint::Allowed
    }
}

/// Prints help where it was asked for, else says what is wrong with `words`.
pub fn refuse(words: &[OsString], error: &clap::Error) -> Code {
    let has = |flag: &str| words.iter().any(|word| word == flag);
    let form = if has("--json") {
        Form::Json
    } else {
        Form::People
    };
    let mut out = Output::new(form, Loudness::Usual, paint(has("--no-color")));
    let text = error.render();
    match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => {
            let shown = out.text(text.to_string().as_bytes());
            match shown.and_then(|()| out.flush()) {
                Ok(()) => Code::Done,
                Err(failure) => failure.code(),
            }
        }
        _ => {
            let said = cover(&text.to_string(), words);
            let said = said.strip_prefix("error: ").unwrap_or(&said).trim_end();
            let (first, rest) = said.split_once("\n\n").unwrap_or((said, ""));
            out.failure(&Failure::usage(first));
            out.help(rest);
            Code::Usage
        }
    }
}

/// `said` without arguments that look like a key or an address with a password: people put them in the wrong place.
fn cover(said: &str, words: &[OsString]) -> String {
    /// No command, flag or sensible name is as long; keys are.
    const LONG: usize = 32;
    let mut said = said.to_owned();
    for word in words.iter().skip(1).filter_map(|word| word.to_str()) {
        let value = word.split_once('=').map_or(word, |(_, value)| value);
        for part in [word, value] {
            let secret = part.len() >= LONG || part.contains("://") || part.contains("password");
            if secret && !part.is_empty() {
                said = said.replace(part, "…");
            }
        }
    }
    said
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::Cli;
    use clap::{CommandFactory, Parser};

    #[test]
    fn the_tree_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn a_secret_in_the_wrong_place_is_not_repeated() {
        for words in [
            vec!["tokenward", "postgres://u:hunter2@h/db"],
            vec!["tokenward", "token", "list", "host=h password=hunter2"],
            vec![
                "tokenward",
                "user",
                "list",
                "--filter=is:hunter2hunter2hunter2hunter2hunter2",
            ],
            vec!["tokenward", "token", "hunter2hunter2hunter2hunter2hunter2x"],
        ] {
            let error = Cli::try_parse_from(&words).unwrap_err().to_string();
            assert!(error.contains("hunter2"), "{error}");
            let words: Vec<OsString> = words.into_iter().map(OsString::from).collect();
            let covered = cover(&error, &words);
            assert!(!covered.contains("hunter2"), "{covered}");
        }
    }

    #[test]
    fn debug_hides_the_password_of_the_database() {
        let cli = Cli::try_parse_from([
            "tokenward",
            "--database",
            "postgres://u:hunter2@h/db",
            "man",
        ]);
        assert!(!format!("{:?}", cli.unwrap()).contains("hunter2"));
    }
}
