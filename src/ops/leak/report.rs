//! The report of a case, for a ticket or for whoever comes next: Markdown for people, JSON for programs. It has of each
//! key its first 8 characters and no more.

use std::fmt::Write;

use super::case::Case;
use super::folder::{Kept, KeptKey};
use crate::domain::moment::Moment;
use crate::domain::retired::Salt;
use crate::ops::{Error, Ops};
use crate::text;

/// How a report is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// For people.
    Markdown,
    /// For programs.
    Json,
}

impl Format {
    /// The end of the file's name.
    #[must_use]
    pub const fn extension(self) -> &'static str {
        match self {
            Self::Markdown => "md",
            Self::Json => "json",
        }
    }
}

impl Ops {
    /// The report of `case` as it is now.
    ///
    /// # Errors
    /// When it cannot be written as JSON.
    pub fn report(&self, case: &Case, format: Format) -> Result<String, Error> {
        case.report(&self.place().name, Moment::now(), format)
    }
}

impl Case {
    /// The report of this case about `database`, as it is now.
    ///
    /// # Errors
    /// When it cannot be written as JSON.
    pub fn report(&self, database: &str, now: Moment, format: Format) -> Result<String, Error> {
        // No digest gets into a report, so that it matters not which salt they would have.
        write(&self.kept(&Salt::new(Vec::new()), database, now), format)
    }
}

/// The report of a case as it is kept.
///
/// # Errors
/// When it cannot be written as JSON.
pub fn write(kept: &Kept, format: Format) -> Result<String, Error> {
    match format {
        Format::Markdown => Ok(markdown(kept)),
        Format::Json => json(kept),
    }
}

fn json(kept: &Kept) -> Result<String, Error> {
    let failed = |error| Error::Internal(format!("the report cannot be written: {error}"));
    let mut value = serde_json::to_value(kept).map_err(failed)?;
    // It is none that anybody could look up.
    if kept.leak == 0 {
        value["leak"] = serde_json::Value::Null;
    }
    let keys = value["keys"].as_array_mut().map(Vec::as_mut_slice);
    for key in keys.unwrap_or_default() {
        if let Some(key) = key.as_object_mut() {
            key.remove("digest");
        }
    }
    Ok(serde_json::to_string_pretty(&value).map_err(failed)? + "\n")
}

fn markdown(kept: &Kept) -> String {
    let mut out = String::new();
    let done = kept.keys.iter().filter(|key| key.done.is_some()).count();
    let live = kept.keys.iter().filter(|key| is_open(key)).count();
    let told = kept.keys.iter().filter(|key| key.told.is_some()).count();
    let place = plain(&kept.database);
    // Writing to a string cannot fail.
    let _ = match kept.leak {
        0 => writeln!(out, "# Keys of {place} that were found\n"),
        leak => writeln!(out, "# Leak {leak} on {place}\n"),
    };
    let _ = writeln!(out, "- Found in: {}", plain(&kept.source));
    let _ = writeln!(out, "- Opened: {} by {}", kept.opened, plain(&kept.by));
    let _ = writeln!(
        out,
        "- Keys: {}, of which {done} regenerated or revoked here, {live} still live, {told} with an owner who was told\n",
        kept.keys.len()
    );
    out.push_str("| Key | Lines | Whose | Address | Reach | Made | Verdict | Done | Told |\n");
    out.push_str("|---|---|---|---|---|---|---|---|---|\n");
    for key in &kept.keys {
        out.push_str(&row(key));
    }
    out.push_str("\nOf each key this report has the first 8 characters, and no more.\n");
    out
}

/// Whether a key still opens doors, as far as the case knows.
fn is_open(key: &KeptKey) -> bool {
    key.verdict == "LIVE" && key.done.is_none()
}

fn row(key: &KeptKey) -> String {
    let or_dash = |text: Option<&String>| text.map_or_else(|| "-".to_owned(), |text| plain(text));
    let line = |(at, number): (usize, &u64)| match key.files.get(at) {
        Some(file) if !file.is_empty() => format!("{}:{number}", plain(file)),
        Some(_) | None => number.to_string(),
    };
    let lines = key.lines.iter().enumerate().take(5);
    let mut lines: Vec<String> = lines.map(line).collect();
    if key.times > lines.len() as u64 {
        lines.push(format!("{} in all", key.times));
    }
    let done = key.done.as_ref().map_or_else(
        || "-".to_owned(),
        |done| format!("{} {} by {}", done.what, done.when, plain(&done.by)),
    );
    let told = key.told.as_ref().map_or_else(
        || "no".to_owned(),
        |told| format!("{} by {}", told.when, plain(&told.by)),
    );
    format!(
        "| {}… | {} | {} | {} | {} | {} | {} {} | {done} | {told} |\n",
        plain(&key.start),
        lines.join(", "),
        or_dash(key.username.as_ref()),
        or_dash(key.email.as_ref()),
        or_dash(key.reach.as_ref()),
        or_dash(key.made.as_ref()),
        key.verdict,
        plain(&key.detail),
    )
}

/// Text from outside as Markdown shows it: no character of it acts.
fn plain(outside: &str) -> String {
    let mut out = String::new();
    for c in text::safe(outside).chars() {
        if matches!(
            c,
            '\\' | '`' | '*' | '_' | '[' | ']' | '<' | '>' | '#' | '|' | '!' | '~' | '&'
        ) {
            out.push('\\');
        }
        out.push(c);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kept() -> Kept {
        let key = |start: &str, verdict: &str, name: Option<&str>| KeptKey {
            start: start.to_owned(),
            digest: "ab".repeat(32),
            kind: "drf".to_owned(),
            verdict: verdict.to_owned(),
            detail: "login 5 d ago".to_owned(),
            lines: vec![12, 14],
            files: Vec::new(),
            times: 2,
            username: name.map(str::to_owned),
            user_id: name.map(|_| "17".to_owned()),
            email: name.map(|_| "alice@example.com".to_owned()),
            reach: name.map(|_| "SUPERUSER".to_owned()),
            made: None,
            last_login: None,
            done: None,
            told: None,
        };
        Kept {
            leak: 8,
            database: "prod".to_owned(),
            opened: "2026-03-01T14:02:00Z".to_owned(),
            by: "carol@ops1".to_owned(),
            source: "pasted text, 41 lines".to_owned(),
            keys: vec![
                key("9944b091", "LIVE", Some("al|ice\n# [x](http://evil)")),
                key("0a1b2c3d", "UNKNOWN", None),
            ],
        }
    }

    #[test]
    fn a_name_cannot_act_in_markdown() {
        let said = write(&kept(), Format::Markdown).unwrap();
        assert!(
            said.contains("| al\\|ice\u{fffd}\\# \\[x\\](http://evil) |"),
            "{said}"
        );
        assert!(said.starts_with("# Leak 8 on prod\n"), "{said}");
        assert!(said.contains("1 still live"), "{said}");
        let heads = said.lines().filter(|line| line.starts_with('#')).count();
        assert_eq!(heads, 1, "{said}");
        assert!(!said.contains("abab"), "no digest: {said}");
    }

    #[test]
    fn the_json_has_no_digest() {
        let said = write(&kept(), Format::Json).unwrap();
        let value: serde_json::Value = serde_json::from_str(&said).unwrap();
        assert_eq!(value["keys"][0]["start"], "9944b091");
        assert!(!said.contains("digest"), "{said}");
    }
}
