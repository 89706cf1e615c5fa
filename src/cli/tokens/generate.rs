//! `token generate` and `drf_create_token`: one user's key, made if there is none. The second one stands in for
//! `manage.py drf_create_token` and speaks Django's words to the byte (REST framework,
//! `rest_framework/authtoken/management/commands/drf_create_token.py`).

use super::IssuedJson;
use crate::cli::consent::{Consent, Extent};
use crate::cli::context::{Context, allow};
use crate::cli::exit::{Code, Failure};
use crate::domain::token::Issued;
use crate::domain::user::Username;
use crate::ops::{self, Aim, Change, Mode, Ops, Purpose};

/// `token generate`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Make a new key even if there is one
    #[arg(short, long)]
    reset: bool,
    /// Print the key alone
    #[arg(long, conflicts_with = "json")]
    raw: bool,
    #[command(flatten)]
    consent: Consent,
    /// Whose token
    username: String,
}

/// `drf_create_token`.
#[derive(Debug, clap::Args)]
pub struct DrfArgs {
    /// Reset existing User token and create a new one
    #[arg(short, long)]
    reset: bool,
    #[command(flatten)]
    consent: Consent,
    /// Whose token
    username: String,
}

/// Runs `token generate`.
pub async fn run(cx: &mut Context, args: Args) -> Result<Code, Failure> {
    let name = Username::new(&*args.username).map_err(ops::Error::from)?;
    let ops = cx.ops().await?;
    let aim = ops.aim(&name).await?;
    let issued = issue(cx, &ops, &aim, args.reset, args.consent).await?;
    if args.raw {
        cx.out.line(issued.key.expose())?;
        return Ok(Code::Done);
    }
    print(cx, &issued)
}

/// Runs `drf_create_token`.
pub async fn drf(cx: &mut Context, args: DrfArgs) -> Result<Code, Failure> {
    let unknown = || {
        Failure::Django(format!(
            "CommandError: Cannot create the Token: user {} does not exist",
            args.username
        ))
    };
    // Django asks the database even for a name that none can hold, and finds nobody.
    let Ok(name) = Username::new(&*args.username) else {
        return Err(unknown());
    };
    let ops = cx.ops().await?;
    let aim = match ops.aim(&name).await {
        Err(ops::Error::NotFound(_)) => return Err(unknown()),
        other => other?,
    };
    let issued = issue(cx, &ops, &aim, args.reset, args.consent).await?;
    print(cx, &issued)
}

async fn issue(
    cx: &Context,
    ops: &Ops,
    aim: &Aim,
    reset: bool,
    consent: Consent,
) -> Result<Issued, Failure> {
    let (change, plan) = match aim.seen {
        Some(_) if reset => (Change::Regenerate, "Regenerate the key of"),
        // Nothing changes, but a key is shown, and that is written down too.
        Some(_) => return Ok(ops.reveal(aim, Purpose::Show).await?),
        None => (Change::Generate, "Generate a key for"),
    };
    allow(ops, change)?;
    let plan = format!("{plan} {}", aim.username);
    let place = ops.place();
    consent.get(&cx.signals, place, Extent::One, &plan).await?;
    Ok(if aim.seen.is_some() {
        ops.regenerate(aim, Mode::Apply).await?
    } else {
        ops.generate(aim, Mode::Apply).await?
    })
}

fn print(cx: &mut Context, issued: &Issued) -> Result<Code, Failure> {
    if cx.is_json() {
        cx.out.json(&IssuedJson::from(issued))?;
    } else {
        cx.out.exact_line(&format!(
            "Generated token {} for user {}",
            issued.key.expose(),
            issued.username
        ))?;
    }
    Ok(Code::Done)
}
