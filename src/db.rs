//! Everything that speaks to Postgres: how a server is named and reached, and what is asked of it. Called by
//! `ops`; nothing above it sees a connection.

pub mod connect;
pub mod conninfo;
