//! `token`: generated, regenerated, revoked, backfilled, listed. Each command is a thin layer over the operation of the
//! same name.

pub mod backfill;
pub mod change;
pub mod generate;
pub mod list;

use clap::Subcommand;
use serde::Serialize;

use super::context::Context;
use super::exit::{Code, Failure};
use crate::domain::moment::Moment;
use crate::domain::token::{Issued, Origin};
use crate::domain::user::UserId;
use crate::ops::Change;

/// `token …`.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Print the user's key, made if there is none
    Generate(generate::Args),
    /// Replace keys; the old ones stop working at once, or after a grace
    Regenerate(change::RegenerateArgs),
    /// Delete tokens
    Revoke(change::Args),
    /// Make a token for every active user without one
    Backfill(backfill::Args),
    /// List tokens
    List(list::ListArgs),
    /// Show one user's token
    Show(list::ShowArgs),
}

/// Runs `token …`.
pub async fn run(cx: &mut Context, command: Command) -> Result<Code, Failure> {
    match command {
        Command::Generate(args) => generate::run(cx, args).await,
        Command::Regenerate(args) => change::regenerate(cx, args).await,
        Command::Revoke(args) => change::run(cx, Change::Revoke, args, None).await,
        Command::Backfill(args) => backfill::run(cx, args).await,
        Command::List(args) => list::list(cx, args).await,
        Command::Show(args) => list::show(cx, args).await,
    }
}

/// A token with its whole key, as scripts read it.
#[derive(Debug, Serialize)]
struct IssuedJson<'a> {
    username: &'a str,
    user_id: UserId,
    kind: &'static str,
    key: &'a str,
    created: Moment,
    new: bool,
}

impl<'a> From<&'a Issued> for IssuedJson<'a> {
    fn from(issued: &'a Issued) -> Self {
        Self {
            username: &issued.username,
            user_id: issued.user_id,
            kind: KIND,
            key: issued.key.expose(),
            created: issued.created,
            new: issued.origin == Origin::New,
        }
    }
}

/// What KIND says of a token of REST framework.
const KIND: &str = "drf";
