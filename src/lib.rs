//! The library behind `tokenward`: API tokens of Django REST framework in Postgres, for people and for scripts.

pub mod cli;
pub mod config;
pub mod db;
pub mod domain;
pub mod ops;
pub mod text;
pub mod tui;
