//! `.pgpass`: passwords by server, database and user, read as libpq reads them (Postgres manual, "The Password
//! File"). A file that others can read is ignored, and a warning says so.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use super::read_small;
use crate::domain::secret::Secret;

/// What a line of the file must match: host, port, database, user.
pub(super) type Wanted<'a> = [&'a str; 4];

/// The text of the password file, or why it is not used. `None` if there is none, which is the usual case.
pub(super) fn load(file: &Path) -> Result<Option<Secret<String>>, String> {
    let Ok(metadata) = fs::metadata(file) else {
        return Ok(None);
    };
    let name = file.display();
    if !metadata.is_file() {
        return Err(format!(
            "password file {name} is ignored: it is not a plain file"
        ));
    }
    if metadata.permissions().mode() & 0o077 != 0 {
        return Err(format!(
            "password file {name} is ignored: others can read it; run: chmod 0600 {name}"
        ));
    }
    read_small(file)
        .map(Some)
        .map_err(|error| format!("password file {name} is ignored: {error}"))
}

/// The password of the first line that matches.
pub(super) fn find(text: &Secret<String>, wanted: Wanted) -> Option<Secret<String>> {
    text.expose()
        .lines()
        .filter(|line| !line.starts_with('#'))
        .find_map(|line| {
            let password = wanted
                .iter()
                .try_fold(line, |rest, field| after_field(rest, field))?;
            Some(Secret::new(unescape(password)))
        })
}

/// What follows the field if it is `*` or equals `wanted`. A backslash takes the next character as it is.
fn after_field<'a>(line: &'a str, wanted: &str) -> Option<&'a str> {
    if let Some(rest) = line.strip_prefix("*:") {
        return Some(rest);
    }
    let mut wanted = wanted.chars();
    let mut chars = line.char_indices();
    while let Some((at, c)) = chars.next() {
        let c = match c {
            ':' => return wanted.next().is_none().then(|| &line[at + 1..]),
            '\\' => chars.next()?.1,
            c => c,
        };
        if wanted.next() != Some(c) {
            return None;
        }
    }
    None
}

fn unescape(password: &str) -> String {
    let mut plain = String::with_capacity(password.len());
    let mut chars = password.chars();
    while let Some(c) = chars.next() {
        plain.push(if c == '\\' {
            chars.next().unwrap_or(c)
        } else {
            c
        });
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    fn look(text: &str, wanted: Wanted) -> Option<String> {
        find(&Secret::from(text), wanted).map(|password| password.expose().clone())
    }

    #[test]
    fn the_first_matching_line_wins() {
        let text = "# comment\nother:*:*:*:no\ndb1:5432:app:app:first\n*:*:*:app:second\n";
        assert_eq!(
            look(text, ["db1", "5432", "app", "app"]).as_deref(),
            Some("first")
        );
        assert_eq!(
            look(text, ["db2", "5432", "app", "app"]).as_deref(),
            Some("second")
        );
        assert_eq!(look(text, ["db2", "5432", "app", "bob"]), None);
        assert_eq!(
            look(text, ["db", "5432", "app", "bob"]),
            None,
            "a prefix of a host is another host"
        );
    }

    #[test]
    fn colons_and_backslashes_are_escaped() {
        let text = "\\:\\:1:5432:a\\\\b:app:p\\:q\\\\r:s\n";
        assert_eq!(
            look(text, ["::1", "5432", "a\\b", "app"]).as_deref(),
            Some("p:q\\r:s")
        );
    }

    #[test]
    fn a_file_that_others_can_read_is_ignored() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("pgpass");
        assert!(load(&file).unwrap().is_none());
        fs::write(&file, "*:*:*:*:hunter2\n").unwrap();
        for (mode, used) in [(0o600, true), (0o400, true), (0o640, false), (0o604, false)] {
            fs::set_permissions(&file, fs::Permissions::from_mode(mode)).unwrap();
            assert_eq!(load(&file).is_ok(), used, "{mode:o}");
        }
        assert!(load(&file).unwrap_err().contains("chmod 0600"));
        assert!(load(folder.path()).unwrap_err().contains("plain file"));
    }
}
