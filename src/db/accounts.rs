//! What is read of a user when somebody acts for him: the columns that stand beside a token or a password, groups and
//! all, so that one round trip tells who it is.

use diesel::expression::{
    AppearsOnTable, Expression, SelectableExpression, ValidGrouping, is_aggregate,
};
use diesel::pg::Pg;
use diesel::query_builder::{AstPass, QueryFragment, QueryId};
use diesel::result::QueryResult;
use diesel::sql_types::{Array, Text};

use super::rows::Id;
use super::schema::auth_user;
use super::site::Site;
use crate::domain::principal::Account;

/// A row of `columns()`.
#[derive(Debug, diesel::Queryable)]
pub struct AccountColumns {
    id: Id,
    username: String,
    email: String,
    first_name: String,
    last_name: String,
    is_active: bool,
}

/// What is read of a user; `GroupNames` goes beside it.
#[diesel::dsl::auto_type]
pub(super) fn columns() -> _ {
    (
        auth_user::id,
        auth_user::username,
        auth_user::email,
        auth_user::first_name,
        auth_user::last_name,
        auth_user::is_active,
    )
}

/// `columns()` and `GroupNames`, as selected.
pub type AccountRow = (AccountColumns, Vec<String>);

/// Turns a selected row into the domain's.
pub(super) fn account((row, groups): AccountRow) -> Account {
    Account {
        id: row.id.0,
        username: row.username.into(),
        email: row.email.into(),
        full_name: Account::full_name(&row.first_name, &row.last_name),
        is_active: row.is_active,
        groups,
    }
}

/// The names of the groups of the user in whose row it stands, as an array; an empty one where the site's users have
/// none that we know of. Diesel's own subqueries cannot be left out at run time, and its raw SQL would make Postgres
/// parse the query anew each time.
#[derive(Clone, Copy, Debug)]
pub(super) enum GroupNames {
    /// Those of `auth_user_groups`.
    Django,
    /// None.
    None,
}

impl GroupNames {
    pub(super) const fn on(site: &Site) -> Self {
        if site.has_groups {
            Self::Django
        } else {
            Self::None
        }
    }
}

impl Expression for GroupNames {
    type SqlType = Array<Text>;
}

impl QueryFragment<Pg> for GroupNames {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        out.push_sql(match self {
            Self::Django => {
                "ARRAY(SELECT g.name::text FROM auth_group g JOIN auth_user_groups m ON m.group_id = g.id \
                 WHERE m.user_id = \"auth_user\".\"id\" ORDER BY g.name)"
            }
            Self::None => "ARRAY[]::text[]",
        });
        Ok(())
    }
}

impl QueryId for GroupNames {
    type QueryId = ();
    const HAS_STATIC_QUERY_ID: bool = false;
}

impl<Source> AppearsOnTable<Source> for GroupNames {}
impl<Source> SelectableExpression<Source> for GroupNames {}

impl ValidGrouping<()> for GroupNames {
    type IsAggregate = is_aggregate::No;
}
