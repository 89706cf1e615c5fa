//! `--report FILE`: what became of each row, as JSON lines, for its owner only. A report never holds a key.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::exit::{Code, Failure};
use crate::domain::token::CoveredKey;
use crate::domain::user::UserId;

/// One line of a report.
#[derive(Debug, Serialize)]
pub struct Line<'a> {
    /// Whom it was about.
    pub username: &'a str,
    /// His id, where there is such a user.
    pub user_id: Option<UserId>,
    /// The key that was there before, covered.
    pub key: Option<&'a CoveredKey>,
    /// `done`, or why not.
    pub result: &'a str,
}

/// A report that is being written. It is opened before anything is changed.
#[derive(Debug)]
pub struct Report {
    file: File,
    path: PathBuf,
}

impl Report {
    /// Makes the file. One that exists is never overwritten: it may be the report of the run before.
    pub fn create(path: &Path) -> Result<Self, Failure> {
        let file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(path);
        match file {
            Ok(file) => Ok(Self {
                file,
                path: path.to_owned(),
            }),
            Err(error) => Err(Failure::usage(format!(
                "cannot make the report {}: {error}; name another file with --report. Nothing was changed.",
                path.display()
            ))),
        }
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Writes one line.
    pub fn write(&mut self, line: &Line) -> Result<(), Failure> {
        let written = serde_json::to_vec(line)
            .map_err(std::io::Error::other)
            .and_then(|mut line| {
                line.push(b'\n');
                self.file.write_all(&line)
            });
        self.checked(written)
    }

    /// Writes a report that is no list of rows.
    pub fn write_text(&mut self, text: &str) -> Result<(), Failure> {
        let written = self.file.write_all(text.as_bytes());
        self.checked(written)
    }

    fn checked(&self, written: std::io::Result<()>) -> Result<(), Failure> {
        written.map_err(|error| {
            Failure::new(
                Code::Partly,
                format!("cannot write the report {}: {error}", self.path.display()),
            )
        })
    }
}
