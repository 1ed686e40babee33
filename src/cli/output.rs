//! How a command says that it failed.

use std::process::ExitCode;

/// Prints the error and its causes, one a line, and gives the exit code that fits.
pub(super) fn failure(error: &anyhow::Error) -> ExitCode {
    eprintln!("error: {error}");
    for cause in error.chain().skip(1) {
        eprintln!("  because: {cause}");
    }
    let code = if error.downcast_ref::<crate::config::ConfigError>().is_some() {
        super::USAGE
    } else {
        super::FAILED
    };
    ExitCode::from(code)
}
