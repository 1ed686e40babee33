//! `doubleread completions SHELL`.

use std::process::ExitCode;

use clap::CommandFactory;

/// Arguments of the command.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  doubleread completions bash > /etc/bash_completion.d/doubleread")]
pub(super) struct Completions {
    /// bash, zsh, fish, elvish or powershell
    shell: clap_complete::Shell,
}

pub(super) fn run(arguments: &Completions) -> anyhow::Result<ExitCode> {
    let mut command = super::Arguments::command();
    clap_complete::generate(arguments.shell, &mut command, "doubleread", &mut std::io::stdout());
    Ok(ExitCode::SUCCESS)
}
