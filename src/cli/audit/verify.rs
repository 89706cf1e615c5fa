//! `audit verify`: whether each line of the audit is as it was written.

use serde::Serialize;

use super::source::Source;
use crate::cli::context::Context;
use crate::cli::exit::{Code, Failure};
use crate::domain::audit::chain::{Checked, Hash};

/// `audit verify`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// A last hash that was kept elsewhere: is it still in the chain? Only this shows a chain that was written anew
    #[arg(long, value_name = "HASH", value_parser = hash)]
    head: Option<Hash>,
}

fn hash(text: &str) -> Result<Hash, String> {
    Hash::parse(text)
        .ok_or_else(|| "write the 64 hex digits that `audit verify` printed".to_owned())
}

#[derive(Debug, Serialize)]
struct Report<'a> {
    audit: &'a str,
    ok: bool,
    #[serde(flatten)]
    checked: &'a Checked,
    not_chained: u64,
}

/// Runs `audit verify`.
pub async fn run(cx: &mut Context, source: &Source, args: Args) -> Result<Code, Failure> {
    let check = source.check(args.head).await?;
    let checked = &check.checked;
    let ok = checked.problems.is_empty();
    if cx.is_json() {
        cx.out.json(&Report {
            audit: &check.place,
            ok,
            checked,
            not_chained: check.before,
        })?;
    } else {
        for problem in &checked.problems {
            cx.out.line(&format!("BROKEN  {problem}"))?;
        }
        let lines = match checked.lines {
            1 => "1 line".to_owned(),
            lines => format!("{lines} lines"),
        };
        let state = if ok {
            "each as it was written"
        } else {
            "not as they were written"
        };
        cx.out
            .line(&format!("{lines} of {}, {state}", check.place))?;
        if check.before > 0 {
            cx.out.line(&format!(
                "{} more from before there was a chain, which cannot be checked",
                check.before
            ))?;
        }
        cx.out.line(&format!("last hash  {}", checked.head))?;
    }
    Ok(if ok { Code::Done } else { Code::Failed })
}
