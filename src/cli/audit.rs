//! `audit`: who did what to whom. Read from our schema where the chosen database has it, else from the local file, as
//! `source.rs` finds out; `verify.rs` checks it.

mod source;
mod verify;

use std::time::Duration;

use serde::Serialize;

use super::context::Context;
use super::exit::{Code, Failure};
use super::output::table::Cell;
use crate::domain::audit::{Actor, Entry};
use crate::domain::moment::Moment;
use crate::ops::AuditQuery;
use source::Source;

/// `audit`.
#[derive(Debug, clap::Args)]
#[command(args_conflicts_with_subcommands = true)]
pub struct Args {
    #[command(subcommand)]
    command: Option<Command>,
    /// Not older than this: 12h, 7d, 2w, 1y, or an RFC 3339 instant
    #[arg(long, value_name = "AGE", value_parser = since)]
    since: Option<Moment>,
    /// Only what was done to this user
    #[arg(long, value_name = "NAME")]
    user: Option<String>,
    /// Then show each new line as it comes, oldest first
    #[arg(long)]
    follow: bool,
    /// Write CSV for a spreadsheet; for programs --json is exact
    #[arg(long, conflicts_with = "json")]
    csv: bool,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Check whether each line is as it was written
    Verify(verify::Args),
}

/// The newest so many are shown.
const MOST: usize = 100_000;

/// So many lines come before those that are waited for, unless `--since` asks for others.
const BEFORE: usize = 10;

/// How often new lines are looked for.
const BEAT: Duration = Duration::from_secs(1);

const HEADER: [&str; 9] = [
    "WHEN", "WHO", "DATABASE", "WHAT", "WHOM", "KEY", "FOR", "SESSION", "RESULT",
];

#[derive(Debug, Serialize)]
struct EntryJson<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<i64>,
    when: &'a str,
    #[serde(flatten)]
    actor: &'a Actor,
    database: &'a str,
    what: &'static str,
    whom: &'a str,
    key: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    for_leak: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    session: Option<&'a str>,
    result: &'a str,
}

/// Runs `audit`.
pub async fn run(cx: &mut Context, args: Args) -> Result<Code, Failure> {
    let source = Source::find(cx).await?;
    if let Some(Command::Verify(args)) = args.command {
        return verify::run(cx, &source, args).await;
    }
    let mut query = AuditQuery {
        since: args.since,
        user: args.user,
        limit: MOST,
        ..AuditQuery::default()
    };
    let mut sheet = Sheet::new(args.csv);
    if args.follow {
        if query.since.is_none() {
            query.limit = BEFORE;
        }
        return follow(cx, &source, query, &mut sheet).await;
    }
    let entries = source.read(query).await?;
    let found = !entries.is_empty();
    sheet.write(cx, &entries)?;
    if !args.csv {
        cx.out.note_if_empty(!found);
    }
    Ok(Code::Done)
}

/// Shows what there is, then what comes, until a signal ends it.
async fn follow(
    cx: &mut Context,
    source: &Source,
    mut query: AuditQuery,
    sheet: &mut Sheet,
) -> Result<Code, Failure> {
    let stop = cx.stop();
    loop {
        let mut entries = source.read(query.clone()).await?;
        entries.reverse();
        query.after = entries
            .iter()
            .filter_map(|entry| entry.id)
            .max()
            .or(query.after)
            .or(Some(0));
        query.limit = MOST;
        sheet.write(cx, &entries)?;
        cx.out.flush()?;
        tokio::select! {
            () = stop.cancelled() => return Ok(Code::Done),
            () = tokio::time::sleep(BEAT) => {}
        }
    }
}

/// How lines are written, whatever number of times some come.
struct Sheet {
    csv: bool,
    columns: Option<Vec<usize>>,
    begun: bool,
}

impl Sheet {
    const fn new(csv: bool) -> Self {
        Self {
            csv,
            columns: None,
            begun: false,
        }
    }

    fn write(&mut self, cx: &mut Context, entries: &[Entry]) -> Result<(), Failure> {
        if cx.is_json() {
            return entries
                .iter()
                .try_for_each(|entry| cx.out.json(&json(entry)));
        }
        let lines: Vec<Vec<Cell>> = entries.iter().map(cells).collect();
        if self.csv {
            if !std::mem::replace(&mut self.begun, true) {
                cx.out.csv(&HEADER)?;
            }
            for line in &lines {
                let fields: Vec<&str> = line.iter().map(Cell::text).collect();
                cx.out.csv(&fields)?;
            }
        } else if !lines.is_empty() {
            cx.out.rows(&HEADER, &lines, &mut self.columns)?;
        }
        Ok(())
    }
}

fn covered(entry: &Entry) -> Option<String> {
    entry.key.as_ref().map(|prefix| format!("{prefix}…"))
}

fn json(entry: &Entry) -> EntryJson<'_> {
    EntryJson {
        id: entry.id,
        when: &entry.when,
        actor: &entry.actor,
        database: &entry.database,
        what: entry.what.word(),
        whom: &entry.whom,
        key: covered(entry),
        for_leak: entry.for_leak,
        session: entry.session.as_deref(),
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
        entry.reason().unwrap_or_else(|| "-".to_owned()),
        dash(entry.session.as_deref().unwrap_or_default()),
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
