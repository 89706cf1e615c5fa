//! Plain types and rules: what a user, a token and a secret are. No I/O, no clock, no async, so that every
//! rule here is a function of its arguments and is tested beside itself.

pub mod secret;
