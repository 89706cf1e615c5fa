//! The listener: bytes on a socket to an operation and back.

pub mod body;
