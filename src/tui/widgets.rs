//! The pieces that screens are made of. Each draws from shared references and keeps nothing.

pub mod browse;
pub mod field;
pub mod gauge;
pub mod hints;
pub mod lines;
pub mod table;
