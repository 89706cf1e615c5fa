//! `user on` and `user off`, of one user or of many.

use serde::Serialize;

use crate::cli::consent::{Consent, Extent};
use crate::cli::context::{Context, allow, code_for};
use crate::cli::exit::{Code, Failure, code_of};
use crate::cli::output;
use crate::cli::pages;
use crate::domain::filter::Filter;
use crate::domain::user::{UserId, Username};
use crate::ops::{Aim, Change, Error, Mode, Ops};

/// `user on` and `user off`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Whom
    #[arg(
        value_name = "USERNAME",
        required_unless_present = "filter",
        conflicts_with = "filter"
    )]
    usernames: Vec<String>,
    /// All users whom this filter finds
    #[arg(long, value_name = "FILTER", value_parser = pages::some_filter, allow_hyphen_values = true)]
    filter: Option<Filter>,
    /// Try each change in a transaction that is rolled back
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    consent: Consent,
}

#[derive(Debug, Serialize)]
struct RowJson<'a> {
    username: &'a str,
    user_id: UserId,
    result: &'a str,
}

/// Runs `user on` or `user off`.
pub async fn run(cx: &mut Context, change: Change, args: Args) -> Result<Code, Failure> {
    let ops = cx.ops().await?;
    allow(&ops, change)?;
    let aims = match args.filter {
        Some(filter) => pages::aims(&ops, filter).await?,
        None => find(&ops, &args.usernames).await?,
    };
    let word = match change {
        Change::UserOn => "on",
        _ => "off",
    };
    if !args.dry_run {
        let (extent, plan) = match aims.as_slice() {
            [] => return Ok(Code::Done),
            [one] => (Extent::One, format!("Switch {} {word}", one.username)),
            many => (
                Extent::Several(many.len()),
                format!("Switch {} users {word}", many.len()),
            ),
        };
        let place = ops.place();
        args.consent.get(&cx.signals, place, extent, &plan).await?;
    }
    let (mode, result) = if args.dry_run {
        (Mode::DryRun, format!("would switch {word}"))
    } else {
        (Mode::Apply, format!("switched {word}"))
    };
    let (mut done, mut failed) = (0, 0);
    for aim in &aims {
        if cx.signals.code().is_some() {
            break;
        }
        match ops.set_active(aim, change == Change::UserOn, mode).await {
            Ok(()) => {
                done += 1;
                print(cx, aim, &result)?;
            }
            Err(error) if aims.len() == 1 || fatal(&error) => return Err(stopped(error, done)),
            Err(error) => {
                failed += 1;
                output::note(&error.to_string());
            }
        }
    }
    if mode == Mode::DryRun && !cx.is_json() {
        let users = if done == 1 { "user" } else { "users" };
        let place = &ops.place().name;
        cx.out.line(&format!(
            "{done} {users} on {place} would be switched {word}. Nothing was changed."
        ))?;
    }
    Ok(code_for(done, failed))
}

/// Those whom `names` name. One who is not there stops the command before anything is changed.
async fn find(ops: &Ops, names: &[String]) -> Result<Vec<Aim>, Error> {
    let mut aims: Vec<Aim> = Vec::with_capacity(names.len());
    for name in names {
        let aim = ops.aim(&Username::new(&**name)?).await?;
        if aims.iter().all(|known| known.id != aim.id) {
            aims.push(aim);
        }
    }
    Ok(aims)
}

/// Whether the next row would fail as well.
const fn fatal(error: &Error) -> bool {
    match error {
        Error::NotFound(_) | Error::Conflict(_) => false,
        Error::Invalid(_)
        | Error::ReadOnly(_)
        | Error::MissingRight(_)
        | Error::Unavailable(_)
        | Error::Denied(_)
        | Error::Cancelled
        | Error::Internal(_) => true,
    }
}

fn stopped(error: Error, done: usize) -> Failure {
    if done == 0 {
        error.into()
    } else {
        let code = match code_of(&error) {
            Code::Interrupted => Code::Interrupted,
            _ => Code::Partly,
        };
        Failure::new(code, format!("{error}; {done} done before that"))
    }
}

fn print(cx: &mut Context, aim: &Aim, result: &str) -> Result<(), Failure> {
    if cx.is_json() {
        cx.out.json(&RowJson {
            username: &aim.username,
            user_id: aim.id,
            result,
        })
    } else {
        cx.out.line(&format!("{result}  {}", aim.username))
    }
}
