//! `migrate`: our own tables in a database that somebody else owns. The private database migrates by itself; here
//! nothing runs unless it is asked for.

use clap::ValueEnum;

use super::consent::{Consent, Extent};
use super::context::Context;
use super::exit::{Code, Failure};
use super::opener::{Say, user_table};
use crate::config::Place;
use crate::db::{self, Db};
use crate::ops::migrate::{AutoToken, Migration};
use crate::ops::{self, PlaceInfo};

/// `migrate`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Print the SQL that would run
    #[arg(long, conflicts_with_all = ["undo", "auto_token", "yes"])]
    plan: bool,
    /// Drop what is ours
    #[arg(long, conflicts_with = "auto_token")]
    undo: bool,
    /// Give each new user a token by a trigger, or no longer
    #[arg(long, value_name = "on|off")]
    auto_token: Option<Switch>,
    #[command(flatten)]
    consent: Consent,
}

/// The value of `--auto-token`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Switch {
    On,
    Off,
}

/// Runs `migrate`.
pub async fn run(cx: &mut Context, args: Args) -> Result<Code, Failure> {
    let profile = cx.config().profile.clone();
    if matches!(profile.place, Place::Private) {
        // It is made, and migrated, when it is opened.
        cx.ops().await?;
    }
    let reached = cx.signals.or_stop(cx.opener.reach(&profile, Say::Stderr));
    let reached = reached.await?;
    let place = reached.place;
    let migration = Migration {
        actor: cx.opener.actor(),
        database: place.name.clone(),
        audit: cx.opener.audit(),
        users: user_table(&profile),
    };
    let conn = async { Ok::<_, ops::Error>(Box::pin(reached.pool.get()).await?) };
    let conn = cx.signals.or_stop(conn).await?;
    if args.plan {
        return plan(cx, &migration, conn).await;
    }
    if place.read_only {
        let why = format!(
            "READ ONLY: this session on {} may not change anything.",
            place.name
        );
        return Err(ops::Error::ReadOnly(why).into());
    }
    migration.settle(&reached.pool).await;
    match (args.undo, args.auto_token) {
        (true, _) => {
            ask(cx, args.consent, &place, "Drop tokenward's own tables").await?;
            let names = migration.undo(conn).await?;
            say(cx, &names, "undone", "there is nothing of ours to drop")
        }
        (false, Some(switch)) => {
            drop(conn);
            let (to, word) = match switch {
                Switch::On => (AutoToken::On, "on"),
                Switch::Off => (AutoToken::Off, "off"),
            };
            let db = Db::open(reached.pool, &migration.users)
                .await
                .map_err(ops::Error::from)?;
            ask(
                cx,
                args.consent,
                &place,
                &format!("Turn the automatic token {word}"),
            )
            .await?;
            let mut names = migration.auto_token(&db, to).await?;
            names.push(format!("auto-token {word}"));
            say(cx, &names, "done", "")
        }
        (false, None) => {
            ask(cx, args.consent, &place, "Make tokenward's own tables").await?;
            let names = migration.apply(conn).await?;
            say(cx, &names, "done", "there is nothing to do")
        }
    }
}

async fn ask(cx: &Context, consent: Consent, place: &PlaceInfo, plan: &str) -> Result<(), Failure> {
    consent
        .get(&cx.signals, place, Extent::Everything, plan)
        .await
}

async fn plan(cx: &mut Context, migration: &Migration, conn: db::Pooled) -> Result<Code, Failure> {
    let steps = migration.plan(conn).await?;
    for step in &steps {
        if cx.is_json() {
            cx.out
                .json(&serde_json::json!({"name": step.name, "sql": step.sql}))?;
        } else {
            cx.out
                .text(format!("-- {}\n{}\n", step.name, step.sql.trim_end()).as_bytes())?;
        }
    }
    if steps.is_empty() {
        cx.out.note("there is nothing to do");
    }
    Ok(Code::Done)
}

fn say(cx: &mut Context, names: &[String], done: &str, nothing: &str) -> Result<Code, Failure> {
    for name in names {
        if cx.is_json() {
            cx.out
                .json(&serde_json::json!({"name": name, "result": done}))?;
        } else {
            cx.out.line(&format!("{done}  {name}"))?;
        }
    }
    if names.is_empty() {
        cx.out.note(nothing);
    }
    Ok(Code::Done)
}
