//! What the site's tables are like: the user table's name, its columns and its key's type. Read once from
//! Postgres' catalogue when a database is opened ([`super::compat`]); every query on users goes through it.

use diesel::pg::Pg;
use diesel::query_builder::{AstPass, Query, QueryFragment, QueryId};
use diesel::result::QueryResult;

/// The site's user table.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "what a table has is independent of what else it has"
)]
pub struct Site {
    /// As SQL names it: each part quoted, with its schema where one was configured.
    pub user_table: String,
    /// Its primary key column, quoted.
    pub id: String,
    /// The same, as it is.
    pub id_name: String,
    /// The column that names a user, quoted.
    pub username: String,
    /// The primary key's type as SQL names it: `integer`, `bigint` or `uuid`.
    pub id_type: String,
    /// Whether it has `is_active`; where not, every user is active, as Django's `AbstractBaseUser` has it.
    pub has_is_active: bool,
    /// Whether it has `password`.
    pub has_password: bool,
    /// Whether it has `last_login`; where not, Django notes no login either.
    pub has_last_login: bool,
    /// Whether Django's own groups and permissions belong to these users, and may be read.
    pub has_groups: bool,
    /// Whether our schema keeps the last use of tokens here, and this role may read it.
    pub has_uses: bool,
    /// The common table expression that stands in for `auth_user`, without its WITH; `None` where the table is Django's own.
    stand_in: Option<String>,
}

/// The columns of Django's `auth_user` that we read besides the key and the name, and what stands for a
/// column that the site's table lacks.
const OPTIONAL: [(&str, &str); 8] = [
    ("email", "''::text"),
    ("first_name", "''::text"),
    ("last_name", "''::text"),
    ("is_active", "true"),
    ("is_staff", "false"),
    ("is_superuser", "false"),
    ("last_login", "NULL::timestamptz"),
    ("date_joined", "NULL::timestamptz"),
];

impl Site {
    /// From the table's name as configured, its key column and type, the name column, and all its columns.
    #[must_use]
    pub fn new(
        user_table: &str,
        id: &str,
        id_type: &str,
        username: &str,
        columns: &[String],
    ) -> Self {
        let has = |name: &str| columns.iter().any(|column| column == name);
        let standard = user_table == "auth_user"
            && id == "id"
            && username == "username"
            && OPTIONAL.iter().all(|(name, _)| has(name));
        let stand_in = (!standard).then(|| {
            let optional = OPTIONAL.map(|(name, absent)| {
                if has(name) {
                    format!("\"{name}\"")
                } else {
                    format!("{absent} AS \"{name}\"")
                }
            });
            format!(
                "\"auth_user\" AS NOT MATERIALIZED (SELECT {} AS \"id\", {}::text AS \"username\", {} FROM {})",
                quoted(id),
                quoted(username),
                optional.join(", "),
                quoted_path(user_table),
            )
        });
        Self {
            user_table: quoted_path(user_table),
            id: quoted(id),
            id_name: id.to_owned(),
            username: quoted(username),
            id_type: id_type.to_owned(),
            has_is_active: has("is_active"),
            has_password: has("password"),
            has_last_login: has("last_login"),
            has_groups: false,
            has_uses: false,
            stand_in,
        }
    }

    /// Whether the user table is Django's own.
    #[must_use]
    pub const fn is_django(&self) -> bool {
        self.stand_in.is_none()
    }

    /// What comes before a query in plain SQL, written for Django's `auth_user`, so that it runs on this site's table.
    #[must_use]
    pub(super) fn preamble(&self) -> String {
        self.stand_in
            .as_ref()
            .map_or_else(String::new, |stand_in| format!("WITH {stand_in} "))
    }

    /// Lets `query`, written for Django's `auth_user`, run on this site's table.
    pub const fn query<Q>(&self, query: Q) -> OnSite<'_, Q> {
        OnSite { site: self, query }
    }
}

/// A name as SQL quotes it.
#[must_use]
pub fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// `schema.table` or `table`, each part quoted.
#[must_use]
pub fn quoted_path(path: &str) -> String {
    path.splitn(2, '.')
        .map(quoted)
        .collect::<Vec<_>>()
        .join(".")
}

/// A query on `auth_user` that reads the site's table in its place. Postgres folds such a common table
/// expression into the query (manual, 7.8.3), however often it is named there, so indexes serve as before.
#[derive(Clone, Debug)]
pub struct OnSite<'s, Q> {
    site: &'s Site,
    query: Q,
}

impl<Q: QueryFragment<Pg>> QueryFragment<Pg> for OnSite<'_, Q> {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        if let Some(stand_in) = &self.site.stand_in {
            out.push_sql("WITH ");
            out.push_sql(stand_in);
            out.push_sql(" ");
        }
        self.query.walk_ast(out)
    }
}

impl<Q> QueryId for OnSite<'_, Q> {
    type QueryId = ();
    const HAS_STATIC_QUERY_ID: bool = false;
}

impl<Q: Query> Query for OnSite<'_, Q> {
    type SqlType = Q::SqlType;
}
