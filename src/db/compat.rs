//! Compares the real tables with what Django makes, in one question to the catalogue when a database is opened:
//! names what is missing or of another type, and learns what this role may do.

use diesel::prelude::*;
use diesel::sql_types::{Bool, Nullable, Text};
use diesel_async::RunQueryDsl;

use super::site::{Site, quoted_path};
use super::{Conn, Error};

/// The user table as the configuration names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UserTable {
    /// `table` or `schema.table`.
    pub table: String,
    /// The column that names a user (`USERNAME_FIELD`).
    pub username: String,
}

impl Default for UserTable {
    fn default() -> Self {
        Self {
            table: "auth_user".to_owned(),
            username: "username".to_owned(),
        }
    }
}

/// What the session may do.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "rights are independent of each other"
)]
pub struct Access {
    /// The role's name.
    pub role: String,
    /// No transaction of this session may write: by our setting, the role's, or because the server is a standby.
    pub read_only: bool,
    /// May insert tokens.
    pub insert_token: bool,
    /// May update tokens.
    pub update_token: bool,
    /// May delete tokens.
    pub delete_token: bool,
    /// May insert users.
    pub insert_user: bool,
    /// May update users.
    pub update_user: bool,
    /// May update a user's password.
    pub update_password: bool,
    /// May update a user's last login.
    pub update_last_login: bool,
}

/// Whether django-rest-knox's tokens can be worked on. They need not: most sites have none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Knox {
    /// There is no `knox_authtoken`.
    Absent,
    /// There is one that we cannot work on, for this reason.
    Unfit(String),
    /// There is one.
    Ready {
        /// Whether the role may insert tokens.
        insert: bool,
        /// Whether it may delete them.
        delete: bool,
    },
}

/// Whether our schema has an audit here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SharedAudit {
    /// There is none.
    Absent,
    /// There is one.
    There {
        /// Whether the role may write lines.
        insert: bool,
        /// Whether it may read them.
        select: bool,
    },
}

/// What a database turned out to be.
#[derive(Clone, Debug)]
pub struct Shape {
    /// Its user table.
    pub site: Site,
    /// What we may do there.
    pub access: Access,
    /// Its tokens of knox.
    pub knox: Knox,
    /// Its audit.
    pub audit: SharedAudit,
    /// Whether a replaced key can have a grace: our schema remembers it, ends it, and may be read.
    pub grace: bool,
    /// The database's name.
    pub database: String,
}

/// One column of one of the three tables, or a table without columns where it does not exist.
#[derive(Debug, QueryableByName)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "a row as the catalogue answers"
)]
struct Column {
    #[diesel(sql_type = Text)]
    asked: String,
    #[diesel(sql_type = Nullable<Text>)]
    name: Option<String>,
    #[diesel(sql_type = Nullable<Text>)]
    type_name: Option<String>,
    #[diesel(sql_type = Bool)]
    is_primary_key: bool,
    #[diesel(sql_type = Bool)]
    may_select: bool,
    #[diesel(sql_type = Bool)]
    may_insert: bool,
    #[diesel(sql_type = Bool)]
    may_update: bool,
    #[diesel(sql_type = Bool)]
    may_delete: bool,
    #[diesel(sql_type = Bool)]
    writable: bool,
    #[diesel(sql_type = Bool)]
    may_read_groups: bool,
    #[diesel(sql_type = Text)]
    role: String,
    #[diesel(sql_type = Text)]
    schema: String,
    #[diesel(sql_type = Text)]
    database: String,
    #[diesel(sql_type = Bool)]
    read_only: bool,
    #[diesel(sql_type = Nullable<Bool>)]
    audit_insert: Option<bool>,
    #[diesel(sql_type = Nullable<Bool>)]
    audit_select: Option<bool>,
    #[diesel(sql_type = Bool)]
    grace: bool,
    #[diesel(sql_type = Bool)]
    has_uses: bool,
}

/// The catalogue is no table of ours, and one round trip must tell all of it: raw SQL.
const QUESTION: &str = "
SELECT asked.name AS asked,
       a.attname::text AS name,
       format_type(a.atttypid, NULL) AS type_name,
       coalesce(a.attnum = ANY (k.conkey), false) AS is_primary_key,
       coalesce(has_table_privilege(c.oid, 'SELECT') OR has_any_column_privilege(c.oid, 'SELECT'), false)
           AS may_select,
       coalesce(has_table_privilege(c.oid, 'INSERT'), false) AS may_insert,
       coalesce(has_table_privilege(c.oid, 'UPDATE') OR has_any_column_privilege(c.oid, 'UPDATE'), false)
           AS may_update,
       coalesce(has_table_privilege(c.oid, 'DELETE'), false) AS may_delete,
       coalesce(has_column_privilege(c.oid, a.attnum, 'UPDATE'), false) AS writable,
       (SELECT count(*) = 3 AND bool_and(has_table_privilege(g.oid, 'SELECT'))
          FROM unnest(ARRAY[to_regclass('auth_group'), to_regclass('auth_user_groups'),
                            to_regclass('auth_user_user_permissions')]) AS g(oid)
         WHERE g.oid IS NOT NULL) AS may_read_groups,
       current_user::text AS role,
       coalesce(current_schema()::text, 'public') AS schema,
       current_database()::text AS database,
       current_setting('transaction_read_only') = 'on' AS read_only,
       ours.may_enter AND has_any_column_privilege(ours.audit, 'INSERT') AS audit_insert,
       ours.may_enter AND has_table_privilege(ours.audit, 'SELECT') AS audit_select,
       EXISTS (SELECT FROM pg_catalog.pg_proc p JOIN pg_catalog.pg_class r ON r.relnamespace = p.pronamespace
                 JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace
                WHERE n.nspname = 'tokenward' AND p.proname = 'end_grace_of_user' AND r.relname = 'retired_key'
                  AND has_schema_privilege(n.oid, 'USAGE') AND has_table_privilege(r.oid, 'SELECT')) AS grace,
       (SELECT count(*) = 2 AND bool_and(has_schema_privilege(n.oid, 'USAGE') AND has_table_privilege(o.oid, 'SELECT'))
          FROM pg_catalog.pg_class o JOIN pg_catalog.pg_namespace n ON n.oid = o.relnamespace
         WHERE n.nspname = 'tokenward' AND (o.relname = 'last_use' OR o.relname = 'installation' AND EXISTS (
                   SELECT FROM pg_catalog.pg_attribute u
                    WHERE u.attrelid = o.oid AND u.attname = 'uses_last' AND NOT u.attisdropped))) AS has_uses
  FROM (VALUES ('users', $1), ('tokens', 'authtoken_token'), ('knox', 'knox_authtoken')) AS asked(name, path)
  LEFT JOIN pg_catalog.pg_class c ON c.oid = to_regclass(asked.path)
  LEFT JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
  LEFT JOIN pg_catalog.pg_constraint k ON k.conrelid = c.oid AND k.contype = 'p'
  LEFT JOIN (SELECT o.oid AS audit, has_schema_privilege(n.oid, 'USAGE') AS may_enter
               FROM pg_catalog.pg_class o JOIN pg_catalog.pg_namespace n ON n.oid = o.relnamespace
              WHERE n.nspname = 'tokenward' AND o.relname = 'audit') AS ours ON true
 ORDER BY asked.name, a.attnum";

/// Reads the shape of the database behind `conn`.
///
/// # Errors
/// [`Error::Shape`] names each thing that is missing or of a type that we cannot work on.
pub async fn read_shape(conn: &mut Conn, users: &UserTable) -> Result<Shape, Error> {
    let columns: Vec<Column> = diesel::sql_query(QUESTION)
        .bind::<Text, _>(quoted_path(&users.table))
        .load(conn)
        .await?;
    let of = |name: &str| -> Vec<&Column> {
        columns
            .iter()
            .filter(|column| column.asked == name)
            .collect()
    };
    let (user_columns, token_columns) = (of("users"), of("tokens"));
    let ([user, ..], [token, ..]) = (user_columns.as_slice(), token_columns.as_slice()) else {
        return Err(Error::Shape(
            "the catalogue told nothing of the tables".to_owned(),
        ));
    };

    let mut problems = Vec::new();
    check_tokens(&token_columns, token, &mut problems);
    let key = check_users(&user_columns, user, users, &mut problems);
    let (Some((id, id_type)), true) = (key, problems.is_empty()) else {
        return Err(Error::Shape(problems.join(" ")));
    };

    let names: Vec<String> = user_columns
        .iter()
        .filter_map(|column| column.name.clone())
        .collect();
    let mut site = Site::new(&users.table, &id, &id_type, &users.username, &names);
    site.has_uses = user.has_uses;
    site.has_groups = users.table == "auth_user" && user.may_read_groups;
    let may_update = |name: &str| {
        user_columns
            .iter()
            .any(|column| column.name.as_deref() == Some(name) && column.writable)
    };
    let access = Access {
        role: user.role.clone(),
        read_only: user.read_only,
        insert_token: token.may_insert,
        update_token: token.may_update,
        delete_token: token.may_delete,
        insert_user: user.may_insert,
        update_user: user.may_update,
        update_password: may_update("password"),
        update_last_login: may_update("last_login"),
    };
    Ok(Shape {
        site,
        access,
        knox: knox(&of("knox"), &id_type),
        audit: match (user.audit_insert, user.audit_select) {
            (Some(insert), Some(select)) => SharedAudit::There { insert, select },
            (None, _) | (_, None) => SharedAudit::Absent,
        },
        grace: user.grace,
        database: user.database.clone(),
    })
}

fn check_tokens(columns: &[&Column], first: &Column, problems: &mut Vec<String>) {
    if first.name.is_none() {
        problems.push(format!(
            "No authtoken_token in schema {}. Is rest_framework.authtoken migrated?",
            first.schema
        ));
        return;
    }
    if !first.may_select {
        problems.push(format!(
            "Role {} may not select from authtoken_token.",
            first.role
        ));
    }
    expect_column(
        columns,
        "authtoken_token",
        "key",
        &["character varying", "text"],
        problems,
    );
    expect_column(
        columns,
        "authtoken_token",
        "created",
        &["timestamp with time zone"],
        problems,
    );
    expect_column(columns, "authtoken_token", "user_id", &KEY_TYPES, problems);
}

/// What can be done with `knox_authtoken`, as its migration 0009 leaves it. Its users must be those of the user table.
fn knox(columns: &[&Column], id_type: &str) -> Knox {
    let Some(first) = columns.first().filter(|first| first.name.is_some()) else {
        return Knox::Absent;
    };
    let table = "knox_authtoken";
    let mut problems = Vec::new();
    if !first.may_select {
        problems.push(format!("Role {} may not select from {table}.", first.role));
    }
    let texts: &[&str] = &["character varying", "text"];
    let times: &[&str] = &["timestamp with time zone"];
    for (name, types) in [
        ("digest", texts),
        ("token_key", texts),
        ("created", times),
        ("expiry", times),
        ("user_id", &[id_type]),
    ] {
        expect_column(columns, table, name, types, &mut problems);
    }
    if problems.is_empty() {
        Knox::Ready {
            insert: first.may_insert,
            delete: first.may_delete,
        }
    } else {
        Knox::Unfit(problems.join(" "))
    }
}

/// The types of primary key that [`crate::domain::user::UserId`] knows.
const KEY_TYPES: [&str; 3] = ["integer", "bigint", "uuid"];

fn check_users(
    columns: &[&Column],
    first: &Column,
    users: &UserTable,
    problems: &mut Vec<String>,
) -> Option<(String, String)> {
    let table = &users.table;
    if first.name.is_none() {
        problems.push(format!(
            "No {table} in schema {}. Is django.contrib.auth migrated, or does the site have a user table of \
             its own (user_table in the profile)?",
            first.schema
        ));
        return None;
    }
    if !first.may_select {
        problems.push(format!("Role {} may not select from {table}.", first.role));
    }
    let texts = ["character varying", "text", "citext"];
    expect_column(columns, table, &users.username, &texts, problems);
    let mut keys = columns.iter().filter(|column| column.is_primary_key);
    let (Some(key), None) = (keys.next(), keys.next()) else {
        problems.push(format!("{table} has no primary key of one column."));
        return None;
    };
    let (name, type_name) = (key.name.clone()?, key.type_name.clone()?);
    expect_column(columns, table, &name, &KEY_TYPES, problems);
    Some((name, type_name))
}

fn expect_column(
    columns: &[&Column],
    table: &str,
    name: &str,
    types: &[&str],
    problems: &mut Vec<String>,
) {
    let found = columns
        .iter()
        .find(|column| column.name.as_deref() == Some(name));
    match found.and_then(|column| column.type_name.as_deref()) {
        None => problems.push(format!("{table} has no column {name}.")),
        Some(real) if types.contains(&real) => {}
        Some(real) => problems.push(format!(
            "{table}.{name} is of type {real}; expected is {}.",
            types.join(" or ")
        )),
    }
}
