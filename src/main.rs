//! The program `tokenward`; everything is in the library.

use std::process::ExitCode;

fn main() -> ExitCode {
    tokenward::cli::run()
}
