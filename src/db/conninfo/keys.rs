//! The table of connection parameters: their names, their variables, and what we do with each. It holds every
//! parameter of libpq 18, because one that is quietly dropped could have been the one that kept a connection safe.

/// What becomes of a parameter that libpq knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Handling {
    /// It means here what it means to libpq.
    Taken,
    /// It has no effect on a client like ours, so it may stand in a shared string or service file.
    Ignored,
    /// It would change how safe the connection is, or what it is, and we cannot do it: an error, never silence.
    Refused,
    /// As `Refused`, but this one value is how we behave anyway.
    Only(&'static str),
    /// As `Ignored`, but this one value asks for what we cannot do.
    Except(&'static str),
}

/// One parameter of a connection.
#[derive(Debug)]
pub(super) struct Key {
    /// Its name in a connection string or a service file.
    pub name: &'static str,
    /// The environment variable that gives it where string and service do not.
    pub variable: Option<&'static str>,
    /// What we do with it.
    pub handling: Handling,
}

const fn key(name: &'static str, variable: &'static str, handling: Handling) -> Key {
    Key {
        name,
        variable: Some(variable),
        handling,
    }
}

const fn bare(name: &'static str, handling: Handling) -> Key {
    Key {
        name,
        variable: None,
        handling,
    }
}

use Handling::{Except, Ignored, Only, Refused, Taken};

/// Every parameter of the Postgres manual, "Parameter Key Words" and "Environment Variables" of libpq.
pub(super) static KEYS: &[Key] = &[
    key("service", "PGSERVICE", Taken),
    key("servicefile", "PGSERVICEFILE", Taken),
    key("user", "PGUSER", Taken),
    key("password", "PGPASSWORD", Taken),
    key("passfile", "PGPASSFILE", Taken),
    key("dbname", "PGDATABASE", Taken),
    key("host", "PGHOST", Taken),
    key("hostaddr", "PGHOSTADDR", Taken),
    key("port", "PGPORT", Taken),
    key("options", "PGOPTIONS", Taken),
    key("application_name", "PGAPPNAME", Taken),
    key("connect_timeout", "PGCONNECT_TIMEOUT", Taken),
    key("channel_binding", "PGCHANNELBINDING", Taken),
    key("sslmode", "PGSSLMODE", Taken),
    key("sslrootcert", "PGSSLROOTCERT", Taken),
    key("sslcert", "PGSSLCERT", Taken),
    key("sslkey", "PGSSLKEY", Taken),
    key("target_session_attrs", "PGTARGETSESSIONATTRS", Taken),
    key("load_balance_hosts", "PGLOADBALANCEHOSTS", Taken),
    bare("keepalives", Taken),
    bare("keepalives_idle", Taken),
    bare("keepalives_interval", Taken),
    bare("keepalives_count", Taken),
    bare("tcp_user_timeout", Taken),
    // We always speak UTF-8, have a name of our own, and neither compress TLS nor use GSSAPI.
    key("client_encoding", "PGCLIENTENCODING", Ignored),
    bare("fallback_application_name", Ignored),
    key("sslcompression", "PGSSLCOMPRESSION", Ignored),
    key("krbsrvname", "PGKRBSRVNAME", Ignored),
    key("gsslib", "PGGSSLIB", Ignored),
    key("gssdelegation", "PGGSSDELEGATION", Ignored),
    key(
        "ssl_min_protocol_version",
        "PGSSLMINPROTOCOLVERSION",
        Only("TLSv1.2"),
    ),
    key("sslsni", "PGSSLSNI", Only("1")),
    key("sslcertmode", "PGSSLCERTMODE", Only("allow")),
    key("sslnegotiation", "PGSSLNEGOTIATION", Only("postgres")),
    key(
        "ssl_max_protocol_version",
        "PGSSLMAXPROTOCOLVERSION",
        Refused,
    ),
    key("sslcrl", "PGSSLCRL", Refused),
    key("sslcrldir", "PGSSLCRLDIR", Refused),
    bare("sslpassword", Refused),
    bare("sslkeylogfile", Refused),
    key("requiressl", "PGREQUIRESSL", Refused),
    key("requirepeer", "PGREQUIREPEER", Refused),
    key("require_auth", "PGREQUIREAUTH", Refused),
    key("min_protocol_version", "PGMINPROTOCOLVERSION", Refused),
    key("max_protocol_version", "PGMAXPROTOCOLVERSION", Refused),
    bare("replication", Refused),
    bare("scram_client_key", Refused),
    bare("scram_server_key", Refused),
    bare("oauth_issuer", Refused),
    bare("oauth_client_id", Refused),
    bare("oauth_client_secret", Refused),
    bare("oauth_scope", Refused),
    // `prefer` and `disable` both end in no GSSAPI with a client that has none; `require` must not.
    key("gssencmode", "PGGSSENCMODE", Except("require")),
];

/// The parameter called `name`.
pub(super) fn find(name: &str) -> Option<&'static Key> {
    KEYS.iter().find(|key| key.name == name)
}
