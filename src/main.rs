//! The program `tokenward`; everything is in the library.

fn main() {}
