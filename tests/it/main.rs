//! The integration tests: one program on real Postgres servers and real sockets, so that everything is linked once.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test that cannot go on shall say so and stop"
)]

mod cli;
mod connect;
mod docs;
mod flow;
mod http;
mod layers;
mod ops;
mod packaging;
mod private;
mod pty;
mod support;
