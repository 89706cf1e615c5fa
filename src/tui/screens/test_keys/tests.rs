//! Keys in, effects and pictures out.
