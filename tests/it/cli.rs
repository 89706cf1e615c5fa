//! The built program, run as people and scripts run it: what it writes where, and how it ends.

mod audit;
mod bare;
mod doctor;
mod hooks;
mod killed;
mod leak;
mod private;
mod signals;
mod terminal;
mod tokens;
mod users;
