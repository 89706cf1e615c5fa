//! `leak`: a key has leaked. `leak scan` finds whose keys are in a text and replaces them; `leak rules` tells a secret
//! scanner what they look like, so that the next one is found before it is pushed.

pub mod report;
mod respond;
mod row;
pub mod rules;
pub mod scan;
mod stream;

use clap::Subcommand;

use super::context::Context;
use super::exit::{Code, Failure};

/// `leak …`.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Find keys in logs and dumps; exit 10 when one is live
    Scan(scan::Args),
    /// Print the report of a case that was kept, without any key
    Report(report::Args),
    /// Print what a secret scanner needs to know your keys
    Rules(rules::Args),
}

/// Runs `leak …`.
pub async fn run(cx: &mut Context, command: Command) -> Result<Code, Failure> {
    match command {
        Command::Scan(args) => scan::run(cx, args).await,
        Command::Report(args) => report::run(cx, args).await,
        Command::Rules(args) => rules::run(&mut cx.out, args),
    }
}
