//! `user create` and `user password`.

use crate::cli::consent::{Consent, Extent};
use crate::cli::context::{Context, allow};
use crate::cli::exit::{Code, Failure};
use crate::cli::prompt;
use crate::domain::user::{NewUser, User, Username};
use crate::ops::{self, Change, Mode};

/// `user create`.
#[derive(Debug, clap::Args)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a flag that stands by itself"
)]
pub struct CreateArgs {
    /// The name
    username: String,
    /// The e-mail address
    #[arg(
        long,
        value_name = "ADDRESS",
        default_value = "",
        hide_default_value = true
    )]
    email: String,
    /// May enter Django's admin
    #[arg(long)]
    staff: bool,
    /// Has every permission
    #[arg(long)]
    superuser: bool,
    /// Make a user who cannot log in with a password
    #[arg(long)]
    no_password: bool,
    /// Try it in a transaction that is rolled back
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    consent: Consent,
}

/// `user password`.
#[derive(Debug, clap::Args)]
pub struct PasswordArgs {
    /// Whose password
    username: String,
    /// Try it in a transaction that is rolled back
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    consent: Consent,
}

const fn mode(dry_run: bool) -> Mode {
    if dry_run { Mode::DryRun } else { Mode::Apply }
}

/// Runs `user create`.
pub async fn create(cx: &mut Context, args: CreateArgs) -> Result<Code, Failure> {
    let username = Username::new(args.username).map_err(ops::Error::from)?;
    let ops = cx.ops().await?;
    allow(&ops, Change::UserCreate)?;
    let mode = mode(args.dry_run);
    if mode == Mode::Apply {
        let plan = format!("Make the user {username}");
        let place = ops.place();
        let consent = args.consent;
        consent.get(&cx.signals, place, Extent::One, &plan).await?;
    }
    let password = if args.no_password {
        None
    } else {
        Some(prompt::new_password(&cx.signals, username.as_str()).await?)
    };
    let new = NewUser {
        username,
        email: args.email,
        is_staff: args.staff,
        is_superuser: args.superuser,
    };
    let user = ops.create_user(new, password, mode).await?;
    say(cx, &user, mode, "made")
}

fn say(cx: &mut Context, user: &User, mode: Mode, done: &str) -> Result<Code, Failure> {
    match (mode, cx.is_json()) {
        (Mode::Apply, true) => cx.out.json(user)?,
        (Mode::DryRun, true) => {
            let result = format!("would be {done}");
            cx.out
                .json(&serde_json::json!({"username": user.username, "result": result}))?;
        }
        (Mode::Apply, false) => cx
            .out
            .line(&format!("{done}  {}  id {}", user.username, user.id))?,
        (Mode::DryRun, false) => cx.out.line(&format!(
            "{} would be {done}. Nothing was changed.",
            user.username
        ))?,
    }
    Ok(Code::Done)
}

/// Runs `user password`.
pub async fn password(cx: &mut Context, args: PasswordArgs) -> Result<Code, Failure> {
    let name = Username::new(args.username).map_err(ops::Error::from)?;
    let ops = cx.ops().await?;
    allow(&ops, Change::UserPassword)?;
    let aim = ops.aim(&name).await?;
    let mode = mode(args.dry_run);
    if mode == Mode::Apply {
        let plan = format!("Set the password of {name}");
        let place = ops.place();
        let consent = args.consent;
        consent.get(&cx.signals, place, Extent::One, &plan).await?;
    }
    let password = prompt::new_password(&cx.signals, name.as_str()).await?;
    ops.set_password(&aim, password, mode).await?;
    let result = match mode {
        Mode::Apply => "password set",
        Mode::DryRun => "password would be set",
    };
    if cx.is_json() {
        cx.out
            .json(&serde_json::json!({"username": name, "user_id": aim.id, "result": result}))?;
    } else {
        cx.out.line(&format!("{result}  {name}"))?;
    }
    Ok(Code::Done)
}
