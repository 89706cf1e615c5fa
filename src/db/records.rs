//! Whether the memory of retired keys is hung on the token tables, and whether those who may change tokens may write to
//! the audit and to the table of last uses. `migrate` asks, to know whether there is something to do.

use diesel::prelude::*;
use diesel::sql_types::{Bool, Text};
use diesel_async::RunQueryDsl;

use super::compat::UserTable;
use super::site::quoted_path;
use super::{Conn, Error};

/// The migration that makes the memory.
pub(super) const MIGRATION: &str =
    include_str!("../../migrations/tokenward/2026-11-27-000002_retired_keys/up.sql");

/// Asks whether anything is missing; its parameters are explained in it.
const MISSING: &str = include_str!("records/missing.sql");

/// Asks whether the end of grace is missing.
const GRACE_MISSING: &str = include_str!("records/grace_missing.sql");

/// The body that the trigger function must have: one that somebody replaced may remember nothing.
fn retire_body() -> &'static str {
    MIGRATION.split("$retire$").nth(1).unwrap_or_default()
}

/// Asks whether the table of last uses, or a right to write to it, is missing.
const USES_MISSING: &str = include_str!("records/uses_missing.sql");

#[derive(QueryableByName)]
struct Answer {
    #[diesel(sql_type = Bool)]
    missing: bool,
}

/// Whether a token table lacks the triggers, or somebody who may change tokens or users may not write to the audit.
///
/// # Errors
/// When the database is away.
pub(super) async fn are_missing(conn: &mut Conn, users: &UserTable) -> Result<bool, Error> {
    // The catalogue is no table of ours.
    let answer: Answer = diesel::sql_query(MISSING)
        .bind::<Text, _>(quoted_path(&users.table))
        .bind::<Text, _>(retire_body())
        .get_result(conn)
        .await?;
    Ok(answer.missing)
}

/// Whether switching a user off would end no grace of his.
///
/// # Errors
/// When the database is away.
pub(super) async fn is_grace_endless(conn: &mut Conn, users: &UserTable) -> Result<bool, Error> {
    let answer: Answer = diesel::sql_query(GRACE_MISSING)
        .bind::<Text, _>(quoted_path(&users.table))
        .get_result(conn)
        .await?;
    Ok(answer.missing)
}

/// Whether somebody who may change tokens may not write down when they are used.
///
/// # Errors
/// When the database is away.
pub(super) async fn is_use_unwritable(conn: &mut Conn, users: &UserTable) -> Result<bool, Error> {
    let answer: Answer = diesel::sql_query(USES_MISSING)
        .bind::<Text, _>(quoted_path(&users.table))
        .get_result(conn)
        .await?;
    Ok(answer.missing)
}
