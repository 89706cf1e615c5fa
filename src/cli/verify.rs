//! `verify`: whose keys are these? They come on stdin, one a line or in a header, never as arguments, which every other
//! user of the machine could read; and they are never shown again. A key that was retired is known as much as one that
//! lives: only who gives nothing but unknown ones gets 1.

use std::ffi::OsString;
use std::io::IsTerminal;

use super::context::Context;
use super::exit::{Code, Failure};
use super::output::Tone;
use super::output::table::Cell;
use super::worth::Worth;
use super::{output, prompt};
use crate::domain::moment::Moment;
use crate::domain::retired::Retired;
use crate::domain::scan::{Candidate, Kind, Scanner};
use crate::domain::secret::Secret;
use crate::domain::token::{CoveredKey, DrfKey, pasted_key};
use crate::ops::leak::{self, Finding, Judging, Past, Sightings};
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

#[derive(Debug, Default)]
struct Tally {
    tested: usize,
    /// Those that are keys, and those that were.
    known: usize,
    /// What is known of keys that were.
    past: Past,
    /// Who judges keys of knox, once there was one.
    judging: Option<Judging>,
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
    let mut tally = Tally {
        past: ops.past().await,
        ..Tally::default()
    };
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
    let verdict = ops.verify_beside(&tally.past, &key).await?;
    if matches!(verdict, Verdict::Unknown { .. })
        && let Some(finding) = of_knox(ops, tally, line).await?
    {
        tally.known += 1;
        print_knox(cx, tally, &finding)?;
    } else {
        tally.known += usize::from(!matches!(verdict, Verdict::Unknown { .. }));
        print(cx, tally, &key, &verdict)?;
    }
    // Who feeds keys one by one waits for each answer.
    cx.out.flush()
}

/// The key of knox in `line`, if it is or was one. REST framework's are compared as they are; this one is asked for by its
/// digest, and has to look like one.
async fn of_knox(
    ops: &Ops,
    tally: &mut Tally,
    line: &Secret<String>,
) -> Result<Option<Finding>, Failure> {
    if !ops.has_knox() {
        return Ok(None);
    }
    let mut sightings = Sightings::default();
    let mut found = |candidate: Candidate| {
        if candidate.kind == Kind::Knox {
            sightings.add(candidate);
        }
    };
    let mut scanner = Scanner::new();
    scanner.feed(line.expose().as_bytes(), &mut found);
    scanner.finish(&mut found);
    let sightings = sightings.into_vec();
    if sightings.is_empty() {
        return Ok(None);
    }
    let judging = match &mut tally.judging {
        Some(judging) => judging,
        none => none.insert(ops.judging().await),
    };
    let findings = judging.judge(sightings).await?;
    Ok(findings.into_iter().find(|finding| match finding.verdict {
        leak::Verdict::Live(_) | leak::Verdict::Inert(..) | leak::Verdict::Retired(_) => true,
        leak::Verdict::Unknown | leak::Verdict::Partial(_) => false,
    }))
}

fn print(
    cx: &mut Context,
    tally: &mut Tally,
    key: &DrfKey,
    verdict: &Verdict,
) -> Result<(), Failure> {
    let (covered, now) = (CoveredKey::of(key), Moment::now());
    if cx.is_json() {
        return cx.out.json(&Worth::of_verdict(&covered, verdict, now));
    }
    let (tone, user, reach) = match verdict {
        Verdict::Live(detail) => (Tone::Good, Some(&*detail.row.user.username), detail.reach()),
        Verdict::Inert(detail) => (
            Tone::Warning,
            Some(&*detail.row.user.username),
            detail.reach(),
        ),
        Verdict::Retired(retired) => {
            let told = told_of(retired, now);
            (Tone::Warning, retired.username.as_deref(), told)
        }
        Verdict::Unknown { checksum, .. } => {
            let said = match checksum {
                Some(true) => "was a key of tokenward's once",
                Some(false) => "mistyped: its checksum is wrong",
                None => "",
            };
            (Tone::Bad, None, said.to_owned())
        }
    };
    print_row(cx, tally, &covered, (verdict.word(), tone), user, reach)
}

fn print_knox(cx: &mut Context, tally: &mut Tally, finding: &Finding) -> Result<(), Failure> {
    let now = Moment::now();
    let word = finding.verdict.word();
    if cx.is_json() {
        return cx.out.json(&Worth::of_finding(finding, now));
    }
    let (tone, reach) = match &finding.verdict {
        leak::Verdict::Live(holder) => (Tone::Good, holder.reach()),
        leak::Verdict::Inert(holder, _) => (Tone::Warning, holder.reach()),
        leak::Verdict::Retired(retired) => (Tone::Warning, told_of(retired, now)),
        leak::Verdict::Unknown | leak::Verdict::Partial(_) => (Tone::Bad, String::new()),
    };
    let user = finding.whose();
    print_row(cx, tally, &finding.key, (word, tone), user, reach)
}

fn told_of(retired: &Retired, now: Moment) -> String {
    format!("{} key, {}", retired.kind.word(), retired.story(now))
}

fn print_row(
    cx: &mut Context,
    tally: &mut Tally,
    key: &CoveredKey,
    (word, tone): (&str, Tone),
    user: Option<&str>,
    reach: String,
) -> Result<(), Failure> {
    let row = vec![
        Cell::plain(key.to_string()),
        Cell::toned(word, tone),
        Cell::plain(user.unwrap_or("-").to_owned()),
        Cell::plain(reach),
    ];
    cx.out.rows(&HEADER, &[row], &mut tally.columns)
}
