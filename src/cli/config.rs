//! `doubleread config check` and `doubleread config show`.

use std::io::Write;
use std::path::Path;
use std::process::ExitCode;

use crate::config::{self, Flag};

/// What to do with the configuration.
#[derive(Debug, clap::Subcommand)]
pub(super) enum ConfigCommand {
    /// Read the configuration and say what is wrong with it, by file and line
    #[command(after_help = "Example:\n  doubleread --config /etc/doubleread.toml config check")]
    Check,
    /// Print each setting in force
    #[command(after_help = "Example:\n  doubleread config show --origin")]
    Show {
        /// Say where each value comes from (default, file, environment or flag)
        #[arg(long)]
        origin: bool,
    },
}

pub(super) fn run(command: ConfigCommand, path: Option<&Path>, flags: &[Flag]) -> anyhow::Result<ExitCode> {
    let (_, layered) = config::load(path, flags)?;
    let mut out = std::io::stdout().lock();
    match command {
        ConfigCommand::Check => writeln!(out, "the configuration is good")?,
        ConfigCommand::Show { origin } => {
            for (key, value, from) in layered.values() {
                if origin {
                    writeln!(out, "{key} = {value}    # {from}")?;
                } else {
                    writeln!(out, "{key} = {value}")?;
                }
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}
