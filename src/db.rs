//! Everything that speaks to Postgres. The layers above ask `db` and never see a connection string or a row.

pub mod private;
