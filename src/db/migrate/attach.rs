//! What comes after the migrations: triggers that they made are hung on the site's tables, whose names differ, and again
//! when a table came later.

use diesel::prelude::*;
use diesel::sql_types::{Bool, Nullable, Text};
use diesel_async::RunQueryDsl;

use super::literal;
use crate::db::compat::UserTable;
use crate::db::site::{quoted, quoted_path};
use crate::db::{Conn, Error, changes, records};

/// A step after the migrations: what they made is hung on the tables that the site has by now.
#[derive(Clone, Copy)]
pub(super) enum Attach {
    Notices,
    Records,
    Grace,
    Uses,
}

impl Attach {
    pub(super) const ALL: [Self; 4] = [Self::Notices, Self::Records, Self::Grace, Self::Uses];

    /// Its name among the steps.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Notices => "change notices",
            Self::Records => "retired keys",
            Self::Grace => "end of grace",
            Self::Uses => "last use",
        }
    }

    /// What does it.
    pub(super) fn sql(self, users: &UserTable) -> String {
        let function = match self {
            Self::Notices => "attach_notices",
            Self::Records => "attach_records",
            Self::Grace => "attach_grace",
            Self::Uses => "attach_uses",
        };
        format!(
            "SELECT tokenward.{function}({}, {});",
            literal(&quoted_path(&users.table)),
            literal(&users.username)
        )
    }

    /// Whether a table that keys depend on lacks it.
    pub(super) async fn is_due(self, conn: &mut Conn, users: &UserTable) -> Result<bool, Error> {
        match self {
            Self::Notices => is_uncovered(conn, users).await,
            Self::Records => records::are_missing(conn, users).await,
            Self::Grace => records::is_grace_endless(conn, users).await,
            Self::Uses => records::is_use_unwritable(conn, users).await,
        }
    }
}

/// Whether a table that keys depend on lacks its change notices.
async fn is_uncovered(conn: &mut Conn, users: &UserTable) -> Result<bool, Error> {
    // The question is the one that the listener asks at every heartbeat, to the catalogue.
    let row: Covered = diesel::sql_query(changes::COVERAGE)
        .bind::<Text, _>(quoted_path(&users.table))
        .bind::<Text, _>(quoted(&users.username))
        .bind::<Bool, _>(users.table == "auth_user")
        .bind::<Text, _>(changes::tell_body())
        .get_result(conn)
        .await?;
    Ok(row.uncovered.is_some())
}

/// The part of the coverage that a migration acts on.
#[derive(QueryableByName)]
struct Covered {
    #[diesel(sql_type = Nullable<Text>)]
    uncovered: Option<String>,
}
