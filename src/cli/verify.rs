//! `verify`: whose keys are these? They come on stdin, one a line or in a header, never as arguments, which every other
//! user of the machine could read; and they are never shown again.

use std::ffi::OsString;
use std::io::IsTerminal;

use serde::Serialize;

use super::context::Context;
use super::exit::{Code, Failure};
use super::output::Tone;
use super::output::table::Cell;
use super::{output, prompt};
use crate::domain::moment::Moment;
use crate::domain::secret::Secret;
use crate::domain::token::{CoveredKey, DrfKey, pasted_key};
use crate::domain::user::UserId;
use crate::ops::{Ops, Verdict};

/// `verify`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Taken only to be refused without being shown.
    #[arg(hide = true)]
    keys: Vec<OsString>,
}

/// So many lines are read at the most: enough for every key of a site's log, and an end to an endless stream.
const MOST_LINES: usize = 100_000;
/// No line with one key is longer.
const LONGEST_LINE: u64 = 4096;

const HEADER: [&str; 4] = ["KEY", "VERDICT", "USER", "REACH"];

#[derive(Debug, Serialize)]
struct VerdictJson<'a> {
    key: CoveredKey,
    verdict: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    username: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    user_id: Option<UserId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reach: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_used: Option<Moment>,
    /// For a key of the checksummed format: whether it was ever one.
    #[serde(skip_serializing_if = "Option::is_none")]
    checksum: Option<bool>,
}

#[derive(Debug, Default)]
struct Tally {
    tested: usize,
    known: usize,
    columns: Option<Vec<usize>>,
}

/// Runs `verify`.
pub async fn run(cx: &mut Context, args: Args) -> Result<Code, Failure> {
    if !args.keys.is_empty() {
        return Err(Failure::usage(
            "keys are read from stdin, never from arguments, which others on this machine can see; \
             consider the key that was given there as leaked",
        ));
    }
    let ops = cx.ops().await?;
    let mut tally = Tally::default();
    if std::io::stdin().is_terminal() {
        typed(cx, &ops, &mut tally).await?;
    } else {
        piped(cx, &ops, &mut tally).await?;
    }
    match tally {
        Tally { tested: 0, .. } => Err(Failure::usage(
            "no key on stdin; give one a line, or in a header",
        )),
        Tally { known: 0, .. } => Ok(Code::Failed),
        Tally { .. } => Ok(Code::Done),
    }
}

/// Keys typed or pasted at a terminal, unseen, until an empty line.
async fn typed(cx: &mut Context, ops: &Ops, tally: &mut Tally) -> Result<(), Failure> {
    let _unseen = prompt::Unseen::begin();
    for nth in 1..=MOST_LINES {
        let line = prompt::hidden(&cx.signals, "Key (not shown; Enter alone ends): ").await?;
        if line.expose().trim().is_empty() {
            break;
        }
        one(cx, ops, tally, nth, &line).await?;
    }
    Ok(())
}

/// Keys out of a pipe or a file.
async fn piped(cx: &mut Context, ops: &Ops, tally: &mut Tally) -> Result<(), Failure> {
    for nth in 1.. {
        let Some(bytes) = prompt::line(&cx.signals, LONGEST_LINE).await? else {
            break;
        };
        if nth > MOST_LINES {
            return Err(Failure::usage(format!(
                "more than {MOST_LINES} lines on stdin; test the rest in a second run"
            )));
        }
        if bytes.len() as u64 == LONGEST_LINE && !bytes.ends_with(b"\n") {
            return Err(Failure::usage(format!(
                "line {nth} of stdin is longer than {LONGEST_LINE} bytes; one key a line, please"
            )));
        }
        // A key that is no UTF-8 is in no database; the replaced text will not be found either.
        let line = Secret::new(String::from_utf8_lossy(&bytes).into_owned());
        if !line.expose().trim().is_empty() {
            one(cx, ops, tally, nth, &line).await?;
        }
    }
    Ok(())
}

async fn one(
    cx: &mut Context,
    ops: &Ops,
    tally: &mut Tally,
    nth: usize,
    line: &Secret<String>,
) -> Result<(), Failure> {
    tally.tested += 1;
    let Some(key) = pasted_key(line.expose()) else {
        output::note(&format!("line {nth} is not one key; it was passed over"));
        return Ok(());
    };
    let verdict = ops.verify(&key).await?;
    let known = match &verdict {
        Verdict::Live(_) | Verdict::Inert(_) => 1,
        Verdict::Unknown { .. } => 0,
    };
    tally.known += known;
    print(cx, tally, &key, &verdict)?;
    // Who feeds keys one by one waits for each answer.
    cx.out.flush()
}

fn print(
    cx: &mut Context,
    tally: &mut Tally,
    key: &DrfKey,
    verdict: &Verdict,
) -> Result<(), Failure> {
    let (detail, checksum, tone) = match verdict {
        Verdict::Live(detail) => (Some(detail), None, Tone::Good),
        Verdict::Inert(detail) => (Some(detail), None, Tone::Warning),
        Verdict::Unknown { checksum, .. } => (None, *checksum, Tone::Bad),
    };
    let covered = CoveredKey::of(key);
    if cx.is_json() {
        return cx.out.json(&VerdictJson {
            key: covered,
            verdict: verdict.word(),
            username: detail.map(|detail| &*detail.row.user.username),
            user_id: detail.map(|detail| detail.row.user.id),
            reach: detail.map(crate::ops::UserDetail::reach),
            last_used: detail.and_then(|detail| detail.row.token.as_ref()?.last_use.at()),
            checksum,
        });
    }
    let (user, reach) = match (detail, checksum) {
        (Some(detail), _) => (detail.row.user.username.clone(), detail.reach()),
        (None, Some(true)) => ("-".to_owned(), "was a key of tokenward's once".to_owned()),
        (None, Some(false)) => ("-".to_owned(), "mistyped: its checksum is wrong".to_owned()),
        (None, None) => ("-".to_owned(), String::new()),
    };
    let row = vec![
        Cell::plain(covered.to_string()),
        Cell::toned(verdict.word(), tone),
        Cell::plain(user),
        Cell::plain(reach),
    ];
    cx.out.rows(&HEADER, &[row], &mut tally.columns)
}
