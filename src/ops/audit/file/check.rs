//! The chain in the audit's file, checked from its first line to its last.

use std::fs::File;
use std::io::{BufRead, BufReader, ErrorKind, Read};

use super::super::AuditCheck;
use super::{AuditLog, FAR};
use crate::domain::audit::Entry;
use crate::domain::audit::chain::{Check, Hash, Line};
use crate::ops::Error;

impl AuditLog {
    /// Checks the whole chain, a line at a time. Lines at the beginning that are from before there was a chain are counted
    /// and not checked.
    ///
    /// # Errors
    /// When the file is there but cannot be read.
    pub fn check(&self, sought: Option<Hash>) -> Result<AuditCheck, Error> {
        let failed = |error| self.unreadable(&error);
        let mut check = Check::new(sought);
        let mut before = 0;
        let file = match File::open(&self.path) {
            Ok(file) => Some(file),
            Err(error) if error.kind() == ErrorKind::NotFound => None,
            Err(error) => return Err(failed(error)),
        };
        let mut chained = false;
        let mut number = 0_u64;
        let mut lines = file.map(BufReader::new);
        let mut bytes = Vec::new();
        while let Some(reader) = &mut lines {
            bytes.clear();
            let read = reader.by_ref().take(FAR).read_until(b'\n', &mut bytes);
            if read.map_err(failed)? == 0 {
                break;
            }
            number += 1;
            if bytes.last() != Some(&b'\n') {
                reader.skip_until(b'\n').map_err(failed)?;
            }
            if let Ok(line) = serde_json::from_slice::<Line>(&bytes) {
                chained = true;
                check.line(&line);
            } else if !chained && serde_json::from_slice::<Entry>(&bytes).is_ok() {
                before += 1;
            } else {
                check.complain(format!(
                    "line {number} of the file is none of the chain: it is damaged, or was put in"
                ));
            }
        }
        self.complain_of_left(&mut check)?;
        Ok(AuditCheck {
            place: self.path.display().to_string(),
            before,
            checked: check.finish(),
        })
    }

    /// Names what was left beside the file: lines that are in no audit yet.
    pub(in crate::ops) fn complain_of_left(&self, check: &mut Check) -> Result<(), Error> {
        let (left, unread) = self
            .left_behind()
            .map_err(|error| self.unreadable(&error))?;
        for change in &left {
            check.complain(change.unsettled());
        }
        for path in unread {
            check.complain(format!(
                "{} should say what was being changed when a program ended, and cannot be read",
                path.display()
            ));
        }
        Ok(())
    }
}
