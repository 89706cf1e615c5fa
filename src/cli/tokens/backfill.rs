//! `token backfill`: a token for everybody who lacks one. It only adds, so it is asked about less than other changes,
//! and stopping it keeps what is done.

use std::fmt::Write;

use serde::Serialize;

use crate::cli::consent::{Consent, Extent};
use crate::cli::context::{Context, allow};
use crate::cli::exit::{Code, Failure};
use crate::cli::pages;
use crate::cli::progress::{Before, Line};
use crate::domain::filter::Filter;
use crate::ops::{self, Audience, BackfillPlan, BackfillReport, Change, Mode};

/// `token backfill`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// For users who are off too
    #[arg(long)]
    all: bool,
    /// Only for users whom this filter finds
    #[arg(long, value_name = "FILTER", value_parser = pages::some_filter, allow_hyphen_values = true)]
    filter: Option<Filter>,
    /// Try it in transactions that are rolled back
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    consent: Consent,
}

#[derive(Debug, Serialize)]
struct ReportJson {
    made: u64,
    already: u64,
    stopped: bool,
    dry_run: bool,
    seconds: f64,
}

/// Runs `token backfill`.
pub async fn run(cx: &mut Context, args: Args) -> Result<Code, Failure> {
    let plan = BackfillPlan {
        audience: if args.all {
            Audience::All
        } else {
            Audience::Active
        },
        filter: args.filter.unwrap_or_default(),
        format: None,
    };
    let ops = cx.ops().await?;
    allow(&ops, Change::Generate)?;
    let mode = if args.dry_run {
        Mode::DryRun
    } else {
        Mode::Apply
    };
    if mode == Mode::Apply && !args.consent.yes {
        let count = ops.count_backfill(&plan).await?;
        if count > 0 {
            let plan = format!("Make {}", tokens(count));
            let place = ops.place();
            args.consent
                .get(&cx.signals, place, Extent::Adds, &plan)
                .await?;
        }
    }
    let (control, handle) = ops::control();
    let mut line = Line::new(cx.progress);
    let work = Box::pin(ops.backfill(&plan, mode, control));
    let before = Before::default();
    let outcome = line.watch(work, &handle, &cx.signals, before).await;
    drop(line);
    match outcome {
        Ok(report) => print(cx, &report, mode, &ops.place().name),
        Err(error) => {
            let done = handle.progress().borrow().done;
            if done == 0 || mode == Mode::DryRun {
                return Err(error.into());
            }
            Err(Failure::new(
                Code::Partly,
                format!(
                    "{error}; {} made before that stay, and starting again goes on",
                    tokens(done)
                ),
            ))
        }
    }
}

fn print(
    cx: &mut Context,
    report: &BackfillReport,
    mode: Mode,
    place: &str,
) -> Result<Code, Failure> {
    if cx.is_json() {
        cx.out.json(&ReportJson {
            made: report.done,
            already: report.already,
            stopped: report.stopped,
            dry_run: mode == Mode::DryRun,
            seconds: report.elapsed.as_secs_f64(),
        })?;
    } else {
        let count = tokens(report.done);
        let mut said = match mode {
            Mode::Apply => format!(
                "{count} on {place} made in {:.1} s.",
                report.elapsed.as_secs_f64()
            ),
            Mode::DryRun => format!("{count} on {place} would be made. Nothing was changed."),
        };
        if report.already > 0 {
            let _ = write!(said, " {} had one already.", report.already);
        }
        if report.stopped {
            said.push_str(" Stopped; starting again goes on where it stopped.");
        }
        cx.out.line(&said)?;
    }
    Ok(Code::Done)
}

fn tokens(count: u64) -> String {
    if count == 1 {
        "1 token".to_owned()
    } else {
        format!("{count} tokens")
    }
}
