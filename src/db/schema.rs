//! Django's tables as Diesel sees them: Django's names, untouched, and only the columns that we read.
//!
//! The user table is a site's own choice (`AUTH_USER_MODEL`): it may have another name, other columns and
//! another type of primary key. Two things make one schema serve them all. [`UserKey`] is a SQL type without a
//! number of its own, so Postgres takes the type of the column it is compared with. And where the site's table
//! is not `auth_user`, [`super::site::OnSite`] puts a common table expression of that name before the query.

/// The type of a user's primary key: `integer`, `bigint` or `uuid`, as the site has it.
#[derive(
    Clone, Copy, Debug, Default, diesel::sql_types::SqlType, diesel::query_builder::QueryId,
)]
#[diesel(postgres_type(oid = 0, array_oid = 0))]
pub struct UserKey;

/// An array of [`UserKey`].
#[derive(
    Clone, Copy, Debug, Default, diesel::sql_types::SqlType, diesel::query_builder::QueryId,
)]
#[diesel(postgres_type(oid = 0, array_oid = 0))]
pub struct UserKeys;

diesel::table! {
    use diesel::sql_types::{Bool, Nullable, Text, Timestamptz};
    use super::UserKey;

    /// `django.contrib.auth.models.User`, or what the site has in its place.
    auth_user (id) {
        id -> UserKey,
        password -> Text,
        username -> Text,
        email -> Text,
        first_name -> Text,
        last_name -> Text,
        is_active -> Bool,
        is_staff -> Bool,
        is_superuser -> Bool,
        last_login -> Nullable<Timestamptz>,
        date_joined -> Nullable<Timestamptz>,
    }
}

diesel::table! {
    use diesel::sql_types::{Text, Timestamptz};
    use super::UserKey;

    /// `rest_framework.authtoken.models.Token`: one row a user, the key in clear.
    authtoken_token (key) {
        key -> Text,
        created -> Timestamptz,
        user_id -> UserKey,
    }
}

diesel::table! {
    use diesel::sql_types::{Nullable, Text, Timestamptz};
    use super::UserKey;

    /// `knox.models.AuthToken`: any number of rows a user, each with the digest of a key that nobody can read any more.
    knox_authtoken (digest) {
        digest -> Text,
        created -> Timestamptz,
        user_id -> UserKey,
        expiry -> Nullable<Timestamptz>,
        token_key -> Text,
    }
}

diesel::table! {
    /// `django.contrib.auth.models.Group`.
    auth_group (id) {
        id -> Integer,
        name -> Text,
    }
}

diesel::table! {
    use diesel::sql_types::Integer;
    use super::UserKey;

    /// Who is in which group.
    auth_user_groups (user_id, group_id) {
        user_id -> UserKey,
        group_id -> Integer,
    }
}

diesel::table! {
    use diesel::sql_types::Integer;
    use super::UserKey;

    /// Who has which permission of his own.
    auth_user_user_permissions (user_id, permission_id) {
        user_id -> UserKey,
        permission_id -> Integer,
    }
}

diesel::table! {
    use diesel::sql_types::{BigInt, Binary, Nullable, Text, Timestamptz};

    /// Ours: who did what to whom, in a chain.
    tokenward.audit (id) {
        id -> BigInt,
        at -> Timestamptz,
        os_user -> Text,
        host -> Text,
        operator -> Nullable<Text>,
        database -> Text,
        what -> Text,
        whom -> Text,
        key -> Nullable<Text>,
        for_leak -> Nullable<BigInt>,
        result -> Text,
        prev -> Nullable<Binary>,
        hash -> Nullable<Binary>,
    }
}

diesel::table! {
    use diesel::sql_types::{BigInt, Binary, Bool};

    /// Ours: the end of that chain.
    tokenward.audit_head (one) {
        one -> Bool,
        last -> BigInt,
        hash -> Binary,
    }
}

diesel::table! {
    use diesel::sql_types::{Binary, Bool};

    /// Ours: what digests of retired keys begin with.
    tokenward.installation (one) {
        one -> Bool,
        salt -> Binary,
    }
}

diesel::table! {
    use diesel::sql_types::{BigInt, Binary, Nullable, Text, Timestamptz};

    /// Ours: keys that are keys no more.
    tokenward.retired_key (digest) {
        digest -> Binary,
        kind -> Text,
        start -> Text,
        user_id -> Text,
        username -> Nullable<Text>,
        retired -> Timestamptz,
        by -> Text,
        verb -> Text,
        leak -> Nullable<BigInt>,
        told -> Nullable<Timestamptz>,
        told_by -> Nullable<Text>,
        grace_until -> Nullable<Timestamptz>,
    }
}

diesel::joinable!(authtoken_token -> auth_user (user_id));
diesel::joinable!(knox_authtoken -> auth_user (user_id));
diesel::joinable!(auth_user_groups -> auth_group (group_id));
diesel::allow_tables_to_appear_in_same_query!(auth_user, authtoken_token);
diesel::allow_tables_to_appear_in_same_query!(auth_user, knox_authtoken);
diesel::allow_tables_to_appear_in_same_query!(auth_group, auth_user_groups);

/// Functions of Postgres that the queries use.
#[diesel::declare_sql_function]
extern "SQL" {
    /// The first `count` characters.
    #[sql_name = "left"]
    fn left_of(
        text: diesel::sql_types::Text,
        count: diesel::sql_types::Integer,
    ) -> diesel::sql_types::Text;
    /// How many characters a text has.
    #[sql_name = "length"]
    fn length_of(text: diesel::sql_types::Text) -> diesel::sql_types::Integer;
    /// The smaller one.
    #[sql_name = "least"]
    fn least_of(
        one: diesel::sql_types::Integer,
        other: diesel::sql_types::Integer,
    ) -> diesel::sql_types::Integer;
    /// A whole number divided, what is left over dropped: `/` by its other name.
    #[sql_name = "int4div"]
    fn divided(
        number: diesel::sql_types::Integer,
        by: diesel::sql_types::Integer,
    ) -> diesel::sql_types::Integer;
    /// The bytes of a text in an encoding.
    fn convert_to(
        text: diesel::sql_types::Text,
        encoding: diesel::sql_types::Text,
    ) -> diesel::sql_types::Binary;
    /// SHA-256; built in since Postgres 11.
    fn sha256(bytes: diesel::sql_types::Binary) -> diesel::sql_types::Binary;
    /// The time, or `other` where there is none.
    #[sql_name = "coalesce"]
    fn time_or(
        time: diesel::sql_types::Nullable<diesel::sql_types::Timestamptz>,
        other: diesel::sql_types::Timestamptz,
    ) -> diesel::sql_types::Timestamptz;
    /// The truth, or `other` where it is unknown.
    #[sql_name = "coalesce"]
    fn truth_or(
        truth: diesel::sql_types::Nullable<diesel::sql_types::Bool>,
        other: diesel::sql_types::Bool,
    ) -> diesel::sql_types::Bool;
}
