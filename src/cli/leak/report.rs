//! `leak report`: the report of a case once more, as its file has it. The file has no key, and neither has the report.

use crate::cli::context::Context;
use crate::cli::exit::{Code, Failure};
use crate::ops::leak::{Format, write_report};

/// `leak report`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The leak's number, as `leak scan` and the audit tell it
    #[arg(value_name = "NUMBER", value_parser = clap::value_parser!(i64).range(1..))]
    leak: i64,
}

/// Runs `leak report`.
pub async fn run(cx: &mut Context, args: Args) -> Result<Code, Failure> {
    let ops = cx.ops().await?;
    let kept = ops.kept_case(args.leak).await?;
    if cx.is_json() {
        let report = write_report(&kept, Format::Json)?;
        let report: serde_json::Value = serde_json::from_str(&report).map_err(|error| {
            Failure::new(
                Code::Failed,
                format!("the report cannot be read back: {error}"),
            )
        })?;
        cx.out.json(&report)?;
    } else {
        let report = write_report(&kept, Format::Markdown)?;
        for line in report.lines() {
            cx.out.line(line)?;
        }
    }
    Ok(Code::Done)
}
