//! The `doubleread` program; everything is in the library.

use std::process::ExitCode;

fn main() -> ExitCode {
    doubleread::cli::run()
}
