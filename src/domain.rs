//! Plain types and rules: what a user, a token, a page and an audit entry are. No I/O, no clock, no async, so
//! that every rule here is a function of its arguments and is tested beside itself.

pub mod audit;
pub mod filter;
pub mod last_use;
pub mod moment;
pub mod page;
pub mod password;
pub mod principal;
pub mod retired;
pub mod route;
pub mod scan;
pub mod secret;
pub mod sum;
pub mod token;
pub mod user;
pub mod weak;
