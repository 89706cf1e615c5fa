//! `user`: listed, shown, made, given a password, switched on and off. A password comes from a prompt or from stdin,
//! never from an argument, which every other user of the machine could read.

mod change;
mod create;
mod list;

use clap::Subcommand;

use super::context::Context;
use super::exit::{Code, Failure};
use super::output::Tone;
use super::output::table::Cell;
use crate::domain::moment::Moment;
use crate::domain::user::{UserRow, UserState};
use crate::ops::Change;

/// `user …`.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// List users
    List(list::ListArgs),
    /// Show one user
    Show(list::ShowArgs),
    /// Make a user; the password is asked for, or read as one line of stdin
    Create(create::CreateArgs),
    /// Set a password, asked for or read as one line of stdin
    Password(create::PasswordArgs),
    /// Let users in again
    On(change::Args),
    /// Refuse users and their keys, and keep both
    Off(change::Args),
}

/// Runs `user …`.
pub async fn run(cx: &mut Context, command: Command) -> Result<Code, Failure> {
    match command {
        Command::List(args) => list::list(cx, args).await,
        Command::Show(args) => list::show(cx, args).await,
        Command::Create(args) => create::create(cx, args).await,
        Command::Password(args) => create::password(cx, args).await,
        Command::On(args) => change::run(cx, Change::UserOn, args).await,
        Command::Off(args) => change::run(cx, Change::UserOff, args).await,
    }
}

/// The STATE of a row, toned.
pub fn state(row: &UserRow) -> Cell {
    let state = row.state(Moment::now());
    let tone = match state {
        UserState::Off => Tone::Bad,
        UserState::Super | UserState::Stale => Tone::Warning,
        UserState::None | UserState::Ok => Tone::Plain,
    };
    Cell::toned(state.word(), tone)
}
