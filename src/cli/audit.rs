//! `audit`: what was done from this machine, out of the local file. It needs no database.

use serde::Serialize;

use super::context::Context;
use super::exit::{Code, Failure};
use super::output::table::Cell;
use crate::domain::audit::{Actor, Entry};
use crate::domain::moment::Moment;
use crate::ops::AuditQuery;

/// `audit`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Not older than this: 12h, 7d, 2w, 1y, or an RFC 3339 instant
    #[arg(long, value_name = "AGE", value_parser = since)]
    since: Option<Moment>,
    /// Only what was done to this user
    #[arg(long, value_name = "NAME")]
    user: Option<String>,
    /// Write CSV for a spreadsheet; for programs --json is exact
    #[arg(long, conflicts_with = "json")]
    csv: bool,
}

/// The newest so many are shown.
const MOST: usize = 100_000;

const HEADER: [&str; 7] = ["WHEN", "WHO", "DATABASE", "WHAT", "WHOM", "KEY", "RESULT"];

#[derive(Debug, Serialize)]
struct EntryJson<'a> {
    when: &'a str,
    #[serde(flatten)]
    actor: &'a Actor,
    database: &'a str,
    what: &'static str,
    whom: &'a str,
    key: Option<String>,
    result: &'a str,
}

/// Runs `audit`.
pub fn run(cx: &mut Context, args: Args) -> Result<Code, Failure> {
    let entries = cx.opener.audit().read(&AuditQuery {
        since: args.since,
        database: None,
        user: args.user,
        text: None,
        limit: MOST,
    })?;
    if cx.is_json() {
        for entry in &entries {
            cx.out.json(&json(entry))?;
        }
        return Ok(Code::Done);
    }
    let lines: Vec<Vec<Cell>> = entries.iter().map(cells).collect();
    if args.csv {
        cx.out.csv(&HEADER)?;
        for line in &lines {
            let fields: Vec<&str> = line.iter().map(Cell::text).collect();
            cx.out.csv(&fields)?;
        }
    } else if lines.is_empty() {
        cx.out.note_if_empty(true);
    } else {
        cx.out.rows(&HEADER, &lines, &mut None)?;
    }
    Ok(Code::Done)
}

fn covered(entry: &Entry) -> Option<String> {
    entry.key.as_ref().map(|prefix| format!("{prefix}…"))
}

fn json(entry: &Entry) -> EntryJson<'_> {
    EntryJson {
        when: &entry.when,
        actor: &entry.actor,
        database: &entry.database,
        what: entry.what.word(),
        whom: &entry.whom,
        key: covered(entry),
        result: &entry.result,
    }
}

fn cells(entry: &Entry) -> Vec<Cell> {
    let dash = |text: &str| if text.is_empty() { "-" } else { text }.to_owned();
    [
        entry.when.clone(),
        entry.actor.to_string(),
        entry.database.clone(),
        entry.what.to_string(),
        dash(&entry.whom),
        covered(entry).unwrap_or_else(|| "-".to_owned()),
        entry.result.clone(),
    ]
    .into_iter()
    .map(Cell::plain)
    .collect()
}

/// Reads `--since`.
fn since(text: &str) -> Result<Moment, String> {
    ago(text, Moment::now())
        .or_else(|| Moment::parse(text))
        .ok_or_else(|| "write an age such as 12h, 7d, 2w or 1y, or an RFC 3339 instant".to_owned())
}

fn ago(age: &str, now: Moment) -> Option<Moment> {
    let unit = age.chars().last()?;
    let hours = match unit {
        'h' => 1,
        'd' => 24,
        'w' => 7 * 24,
        'y' => 365 * 24,
        _ => return None,
    };
    let count: u32 = age.strip_suffix(unit)?.parse().ok()?;
    let micros = (i64::from(count) * hours).saturating_mul(3_600_000_000);
    Some(Moment::from_unix_micros(
        now.unix_micros().saturating_sub(micros),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ages_and_instants_are_read_and_nothing_else() {
        let now = Moment::parse("2026-11-24T12:00:00Z").unwrap();
        let at = |age| ago(age, now).map(Moment::rfc3339);
        assert_eq!(at("12h").as_deref(), Some("2026-11-24T00:00:00Z"));
        assert_eq!(at("7d").as_deref(), Some("2026-11-17T12:00:00Z"));
        assert_eq!(at("2w").as_deref(), Some("2026-11-10T12:00:00Z"));
        assert!(at("4294967295y").is_some(), "long ago, and no overflow");
        for wrong in ["", "7", "d", "-1d", "7 d", "7m"] {
            assert_eq!(at(wrong), None, "{wrong:?}");
            assert!(since(wrong).is_err(), "{wrong:?}");
        }
        assert!(since("2026-01-01T00:00:00Z").is_ok());
    }
}
