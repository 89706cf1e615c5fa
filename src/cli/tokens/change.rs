//! `token regenerate` and `token revoke`, of one user or of many. First everybody is found and, where it must be, asked
//! about; then the rows are changed in pieces, and what became of each is written before the next piece begins: new
//! keys are nowhere but in the output.

use std::collections::HashSet;
use std::fmt::Write;
use std::path::PathBuf;
use std::time::Duration;

use serde::Serialize;

use super::{IssuedJson, KIND};
use crate::cli::consent::{Consent, Extent};
use crate::cli::context::{Context, allow};
use crate::cli::exit::{Code, Failure, code_of};
use crate::cli::output;
use crate::cli::pages;
use crate::cli::progress::{Before, Line};
use crate::cli::prompt;
use crate::cli::report::{self, Report};
use crate::domain::filter::Filter;
use crate::domain::moment::Moment;
use crate::domain::token::CoveredKey;
use crate::domain::user::{UserId, Username};
use crate::ops::{self, Aim, Change, Changed, Error, Mode, Ops, RowResult};

/// `token regenerate`.
#[derive(Debug, clap::Args)]
pub struct RegenerateArgs {
    #[command(flatten)]
    common: Args,
    /// So long `tokenward serve` still takes the old key, as in 30m, 24h or 7d; Django does not
    #[arg(long, value_name = "TIME", value_parser = grace)]
    grace: Option<Duration>,
}

/// What `token regenerate` and `token revoke` have in common.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Whose tokens
    #[arg(
        value_name = "USERNAME",
        required_unless_present = "filter",
        conflicts_with = "filter"
    )]
    usernames: Vec<String>,
    /// Tokens of all users whom this filter finds
    #[arg(long, value_name = "FILTER", value_parser = pages::some_filter, allow_hyphen_values = true)]
    filter: Option<Filter>,
    /// Try each change in a transaction that is rolled back
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    consent: Consent,
    /// Write what became of each row to this new file, as JSON lines
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,
}

/// So many rows are changed before their results are written.
const PIECE: usize = 100;

/// Runs `token regenerate`.
pub async fn regenerate(cx: &mut Context, args: RegenerateArgs) -> Result<Code, Failure> {
    run(cx, Change::Regenerate, args.common, args.grace).await
}

/// Runs `token regenerate` or `token revoke`.
pub async fn run(
    cx: &mut Context,
    change: Change,
    args: Args,
    grace: Option<Duration>,
) -> Result<Code, Failure> {
    let mode = if args.dry_run {
        Mode::DryRun
    } else {
        Mode::Apply
    };
    let names = args
        .usernames
        .iter()
        .map(|name| Username::new(&**name))
        .collect::<Result<Vec<_>, _>>()
        .map_err(Error::from)?;
    let ops = cx.ops().await?;
    allow(&ops, change)?;
    // Before anybody is asked for anything.
    if let Some(grace) = grace {
        ops.grace_end(grace).await?;
    }
    let (aims, missing) = match args.filter {
        Some(filter) => (
            pages::aims(&ops, pages::with_token(filter)).await?,
            Vec::new(),
        ),
        None => find(&ops, &names).await?,
    };
    if mode == Mode::Apply && !aims.is_empty() {
        ask(cx, &ops, change, &aims, args.consent).await?;
    }
    // It begins with the change, however long somebody thought about his answer.
    let grace = match grace {
        Some(grace) => Some(ops.grace_end(grace).await?),
        None => None,
    };
    let ops = grace.map_or_else(|| ops.clone(), |until| ops.with_grace(until));
    let mut run = Run {
        change,
        mode,
        grace,
        total: aims.len() + missing.len(),
        report: args.report.as_deref().map(Report::create).transpose()?,
        tally: Tally::default(),
        lost: None,
    };
    for (name, error) in missing {
        run.fail(cx, &name, None, None, error)?;
    }
    run.all(cx, &ops, aims).await?;
    run.finish(cx, &ops)
}

/// Those whom `names` name, each once, and those who are not there.
async fn find(ops: &Ops, names: &[Username]) -> Result<(Vec<Aim>, Vec<(String, Error)>), Failure> {
    let (mut aims, mut missing, mut seen) = (Vec::new(), Vec::new(), HashSet::new());
    for name in names {
        match ops.aim(name).await {
            Ok(aim) if !seen.insert(aim.id) => {}
            Ok(aim) => aims.push(aim),
            Err(error @ Error::NotFound(_)) if names.len() > 1 => {
                missing.push((name.to_string(), error));
            }
            Err(error) => return Err(error.into()),
        }
    }
    Ok((aims, missing))
}

async fn ask(
    cx: &Context,
    ops: &Ops,
    change: Change,
    aims: &[Aim],
    consent: Consent,
) -> Result<(), Failure> {
    /// So many of them are listed; the rest is counted.
    const LISTED: usize = 10;
    let verb = match change {
        Change::Revoke => "Revoke",
        _ => "Regenerate",
    };
    let (extent, plan) = match aims {
        [one] => (Extent::One, format!("{verb} the key of {}", one.username)),
        _ => (
            Extent::Several(aims.len()),
            format!("{verb} {} keys", aims.len()),
        ),
    };
    if !consent.yes && extent != Extent::One && prompt::somebody_there() {
        for aim in aims.iter().take(LISTED) {
            cx.out
                .note(&format!("  {}  {}", aim.username, covered(aim)));
        }
        if aims.len() > LISTED {
            cx.out.note(&format!("  and {} more", aims.len() - LISTED));
        }
    }
    consent.get(&cx.signals, ops.place(), extent, &plan).await
}

fn covered(aim: &Aim) -> String {
    aim.seen
        .as_ref()
        .map_or_else(|| "no token".to_owned(), ToString::to_string)
}

#[derive(Debug, Default)]
struct Tally {
    done: usize,
    failed: usize,
    /// The first error decides the exit code where nothing was done.
    first: Option<Error>,
}

/// One run of one change.
struct Run {
    change: Change,
    mode: Mode,
    /// Until when our listener takes the old keys.
    grace: Option<Moment>,
    total: usize,
    report: Option<Report>,
    tally: Tally,
    /// Why results cannot be written any more. What is done is still counted and reported; nothing new is begun.
    lost: Option<Failure>,
}

impl Run {
    async fn all(&mut self, cx: &mut Context, ops: &Ops, aims: Vec<Aim>) -> Result<(), Failure> {
        let mut line = Line::new(cx.progress);
        let mut aims = aims.into_iter().peekable();
        let mut unreached = Vec::new();
        while aims.peek().is_some() && cx.signals.code().is_none() && self.lost.is_none() {
            let piece: Vec<Aim> = aims.by_ref().take(PIECE).collect();
            let mut rest = piece.clone();
            let (control, handle) = ops::control();
            let before = Before {
                reached: (self.tally.done + self.tally.failed) as u64,
                total: Some(self.total as u64),
            };
            let work = Box::pin(ops.change_many(self.change, piece, self.mode, control));
            let report = line.watch(work, &handle, &cx.signals, before).await?;
            let lost = |row: &RowResult| matches!(row.outcome, Err(Error::Unavailable(_)));
            let all_lost = !report.rows.is_empty() && report.rows.iter().all(lost);
            unreached = rest.split_off(report.rows.len());
            for row in report.rows {
                self.note(cx, row)?;
            }
            if let Err(failure) = cx.out.flush() {
                self.lost.get_or_insert(failure);
            }
            if all_lost {
                break;
            }
        }
        drop(line);
        if let Some(report) = &mut self.report {
            for aim in unreached.into_iter().chain(aims) {
                report.write(&report::Line {
                    username: &aim.username,
                    user_id: Some(aim.id),
                    key: aim.seen.as_ref(),
                    result: "not reached",
                })?;
            }
        }
        Ok(())
    }

    fn note(&mut self, cx: &mut Context, row: RowResult) -> Result<(), Failure> {
        let aim = row.aim;
        match row.outcome {
            Err(error) => self.fail(cx, &aim.username, Some(aim.id), aim.seen.as_ref(), error),
            Ok(changed) => {
                self.tally.done += 1;
                if let Some(report) = &mut self.report {
                    report.write(&report::Line {
                        username: &aim.username,
                        user_id: Some(aim.id),
                        key: aim.seen.as_ref(),
                        result: match self.mode {
                            Mode::Apply => "done",
                            Mode::DryRun => "would be done",
                        },
                    })?;
                }
                if let Err(failure) = self.print(cx, &aim, &changed) {
                    self.lost.get_or_insert(failure);
                }
                Ok(())
            }
        }
    }

    fn print(&self, cx: &mut Context, aim: &Aim, changed: &Changed) -> Result<(), Failure> {
        let verb = self.change.verb();
        let result = match (self.mode, changed) {
            (Mode::Apply, Changed::Issued(issued)) if cx.is_json() => {
                return cx.out.json(&IssuedJson::from(issued));
            }
            (Mode::Apply, Changed::Issued(issued)) => {
                return cx.out.line(&format!(
                    "Regenerated token {} for user {}",
                    issued.key.expose(),
                    issued.username
                ));
            }
            (Mode::Apply, Changed::Revoked(_)) => "revoked".to_owned(),
            (Mode::DryRun, _) => format!("would {verb}"),
        };
        if cx.is_json() {
            cx.out.json(&RowJson {
                username: &aim.username,
                user_id: aim.id,
                kind: KIND,
                key: aim.seen.as_ref(),
                result: &result,
            })
        } else {
            cx.out
                .line(&format!("{result}  {}  {}", aim.username, covered(aim)))
        }
    }

    fn fail(
        &mut self,
        cx: &mut Context,
        name: &str,
        id: Option<UserId>,
        key: Option<&CoveredKey>,
        error: Error,
    ) -> Result<(), Failure> {
        self.tally.failed += 1;
        let said = error.to_string();
        if let Some(report) = &mut self.report {
            report.write(&report::Line {
                username: name,
                user_id: id,
                key,
                result: &said,
            })?;
        }
        // The one error of a single row is told at the end, as the command's own.
        if self.total > 1 {
            if cx.is_json() {
                cx.out.json(&FailedJson {
                    username: name,
                    user_id: id,
                    error: ErrorJson {
                        code: code_of(&error) as u8,
                        message: &said,
                    },
                })?;
            } else if said.contains(name) {
                output::note(&said);
            } else {
                output::note(&format!("{name}: {said}"));
            }
        }
        self.tally.first.get_or_insert(error);
        Ok(())
    }

    fn finish(mut self, cx: &mut Context, ops: &Ops) -> Result<Code, Failure> {
        let lost = self.lost.take();
        let Tally {
            done,
            failed,
            first,
        } = self.tally;
        let past = match self.change {
            Change::Revoke => "revoked",
            _ => "regenerated",
        };
        let tokens = if done == 1 { "token" } else { "tokens" };
        let place = &ops.place().name;
        if self.mode == Mode::DryRun && !cx.is_json() {
            cx.out.line(&format!(
                "{done} {tokens} on {place} would be {past}. Nothing was changed."
            ))?;
        }
        if let (Some(until), Mode::Apply, 1..) = (self.grace, self.mode, done) {
            let keys = if done == 1 {
                "the old key"
            } else {
                "the old keys"
            };
            cx.out.note(&format!(
                "`tokenward serve` takes {keys} until {}; Django does not any more. Revoking ends it before.",
                until.minute_utc()
            ));
        }
        let rest = self.total - done - failed;
        let mut said = format!("{done} {tokens} on {place} {past}");
        for (count, what) in [(failed, "failed"), (rest, "not reached")] {
            if count > 0 {
                let _ = write!(said, ", {count} {what}");
            }
        }
        if let Some(report) = &self.report {
            let _ = write!(said, "; the report is {}", report.path().display());
        }
        if let (Some(lost), Mode::Apply) = (&lost, self.mode) {
            let why = match lost {
                Failure::Said { message, .. } => message,
                Failure::Django(_) | Failure::ClosedPipe => "nobody reads the output any more",
            };
            let shown = match self.change {
                Change::Revoke => "",
                _ => ", and `tokenward token show --reveal` shows new keys",
            };
            return Err(Failure::new(
                Code::Partly,
                format!("{why}; {said}; what is done stays done{shown}"),
            ));
        }
        if let Some(lost) = lost {
            return Err(lost);
        }
        match first {
            None => {
                if self.mode == Mode::Apply && (self.total != 1 || self.report.is_some()) {
                    cx.out.note(&said);
                }
                Ok(if rest == 0 { Code::Done } else { Code::Partly })
            }
            Some(error) if self.total == 1 => Err(error.into()),
            Some(error) => {
                let code = if done == 0 {
                    code_of(&error)
                } else {
                    Code::Partly
                };
                Err(Failure::new(code, said))
            }
        }
    }
}

/// Reads `--grace`.
fn grace(text: &str) -> Result<Duration, String> {
    let wrong = || "write a time such as 30m, 24h or 7d".to_owned();
    let unit = match text.chars().last() {
        Some('s') => 1,
        Some('m') => 60,
        Some('h') => 3_600,
        Some('d') => 86_400,
        _ => return Err(wrong()),
    };
    let count: u32 = text[..text.len() - 1].parse().map_err(|_| wrong())?;
    Ok(Duration::from_secs(u64::from(count) * unit))
}

/// A row that was revoked, or would be changed.
#[derive(Debug, Serialize)]
struct RowJson<'a> {
    username: &'a str,
    user_id: UserId,
    kind: &'static str,
    key: Option<&'a CoveredKey>,
    result: &'a str,
}

#[derive(Debug, Serialize)]
struct FailedJson<'a> {
    username: &'a str,
    user_id: Option<UserId>,
    error: ErrorJson<'a>,
}

#[derive(Debug, Serialize)]
struct ErrorJson<'a> {
    code: u8,
    message: &'a str,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_grace_is_a_number_and_a_unit() {
        for (text, secs) in [
            ("90s", 90),
            ("30m", 1_800),
            ("24h", 86_400),
            ("7d", 604_800),
        ] {
            assert_eq!(grace(text), Ok(Duration::from_secs(secs)), "{text}");
        }
        for wrong in ["", "h", "24", "-1h", "1.5h", "24 h", "24H", "1é"] {
            assert!(grace(wrong).is_err(), "{wrong:?}");
        }
    }
}
