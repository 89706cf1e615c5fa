//! The library behind `tokenward`: API tokens of Django REST framework in Postgres, for people and for scripts.
//!
//! Three faces stand on one core. What an operation means is written once, in [`ops`]; a face asks for it and shows the
//! answer, in the same words as the others.
//!
//! ```text
//! main - cli -+- tui ---+
//!             +- http --+- ops - db - domain
//!             +---------+
//! ```
//!
//! | layer | its duty | may use |
//! |---|---|---|
//! | [`domain`] | plain types and rules; no I/O, no async | nothing |
//! | [`config`] | what the person set, from flag, environment and file | `domain` |
//! | [`db`] | the only place that speaks Diesel: connections, the private server, every query | `domain` |
//! | [`ops`] | operations: one transaction, one line of the audit, one type of error | `domain`, `db` |
//! | [`http`] | the listener: bytes on a socket to an operation and back | `domain`, `ops` |
//! | [`tui`] | keys to messages, messages to state, state to screen | `domain`, `ops`, `config` |
//! | [`cli`] | arguments, output, exit codes; finds the database and puts everything together | all |
//!
//! [`text`] makes what comes from outside safe to print, and is open to all. `tests/it/layers.rs` reads the `use` lines
//! and fails when an arrow points the wrong way.
//!
//! Where to begin reading: [`ops::Ops`] for what can be done, [`db::Db`] for how the database is reached,
//! [`tui`] for how a key press becomes an operation.

pub mod cli;
pub mod config;
pub mod db;
pub mod domain;
pub mod http;
pub mod ops;
pub mod text;
pub mod tui;
