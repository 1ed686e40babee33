//! The command line: one file per command, and the composition of the service.
//!
//! In: arguments. Out: data on standard output, progress on standard error, and an exit code:
//! 0 done, 1 it failed, 2 the arguments or the configuration are wrong, 3 done in part
//! (some objects or checks failed).

mod completions;
mod compose;
mod config;
mod demo;
mod doctor;
mod flags;
mod generate;
mod link_test;
mod migrate;
mod model;
mod output;
mod replay;
mod send;
mod serve;
mod token;
mod user;
mod verify;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{CommandFactory, Parser, Subcommand};

/// What an exit code other than 0 says.
pub(crate) const FAILED: u8 = 1;
/// The arguments or the configuration are wrong.
pub(crate) const USAGE: u8 = 2;
/// Some objects or checks failed, others did not.
pub(crate) const IN_PART: u8 = 3;

/// Longest wait for blocking calls once the command itself is done.
const BLOCKING_ENDS_WITHIN: std::time::Duration = std::time::Duration::from_millis(500);

const AFTER_HELP: &str = "\
Examples:
  doubleread demo                         a whole service with synthetic patients on this machine
  doubleread serve                        the service, as doubleread.toml says
  doubleread send ./studies --to DOUBLEREAD@127.0.0.1:11112
  doubleread doctor                       proves each part by using it

Exit codes: 0 done, 1 failed, 2 wrong arguments or configuration, 3 done in part.

Doubleread is investigational software, not a medical device. A person verifies every result.";

#[derive(Debug, Parser)]
#[command(name = "doubleread", version, about = "AI triage of chest X-rays and mammograms, verified by people", after_help = AFTER_HELP)]
struct Arguments {
    /// Configuration file (default: doubleread.toml here, if there is one)
    #[arg(long, short, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
    #[command(flatten)]
    flags: flags::Flags,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the service
    #[command(after_help = "Examples:\n  doubleread --config /etc/doubleread.toml serve\n  \
                            doubleread serve --data-dir /srv/doubleread --set completeness.quiet_seconds=60")]
    Serve,
    /// Run the whole service on this machine with synthetic patients
    Demo(demo::Demo),
    /// Push studies to any AE: a modality emulator
    Send(send::Send),
    /// Write synthetic studies as DICOM, with the truth beside them
    Phantom(generate::Phantom),
    /// Write the studies of sample-dicom/ from their seeds
    #[command(hide = true)]
    Samples {
        /// Folder
        folder: PathBuf,
    },
    /// Prove each part by using it, and say what to do where it fails
    #[command(after_help = "Example:\n  doubleread --config /etc/doubleread.toml doctor")]
    Doctor,
    /// Make stored AI results again and compare
    Replay(replay::Replay),
    /// Check the event chain and the hashes of the archive
    Verify(verify::Verify),
    /// Bring the database to the schema of this version
    #[command(after_help = "Example:\n  doubleread --config /etc/doubleread.toml migrate")]
    Migrate,
    /// Models: add, look at, check, and decide which speak
    #[command(subcommand)]
    Model(model::ModelCommand),
    /// Local accounts
    #[command(subcommand)]
    User(user::UserCommand),
    /// Bearer tokens for machines
    Token(token::Token),
    /// Check or show the configuration
    #[command(subcommand)]
    Config(config::ConfigCommand),
    /// Print shell completions
    Completions(completions::Completions),
}

/// Reads the arguments, runs the command, and says what went wrong if it did.
pub fn run() -> ExitCode {
    // The service's own child processes; not a command for people, so not in the help.
    if std::env::args_os().nth(1).is_some_and(|word| word == crate::prepare::worker::ARGUMENT) {
        return crate::prepare::worker::worker_main();
    }
    let arguments = Arguments::parse();
    let result = execute(arguments);
    match result {
        Ok(code) => code,
        Err(error) => output::failure(&error),
    }
}

fn execute(arguments: Arguments) -> anyhow::Result<ExitCode> {
    let path = arguments.config.as_deref();
    let flags = arguments.flags.given();
    let takes_none = matches!(
        arguments.command,
        Command::Send(_) | Command::Phantom(_) | Command::Samples { .. } | Command::Completions(_)
    );
    if let (true, Some(flag)) = (takes_none, flags.first()) {
        let message = format!("{} is a setting of the service, which this command does not use", flag.name);
        Arguments::command().error(clap::error::ErrorKind::ArgumentConflict, message).exit();
    }
    let configured = || crate::config::load(path, &flags).map(|(config, _)| config);
    match arguments.command {
        Command::Serve => {
            // A configuration that can't be read is reported by the command, after it has caught the signals.
            let threads = configured().map_or(0, |config| config.service.async_threads);
            in_runtime_of(threads, serve::run(path, &flags))
        }
        Command::Demo(arguments) => in_runtime(demo::run(arguments, path, &flags)),
        Command::Send(arguments) => in_runtime(send::run(arguments)),
        Command::Phantom(arguments) => generate::run_phantom(&arguments),
        Command::Samples { folder } => {
            crate::phantom::samples::write_all(&folder)?;
            Ok(ExitCode::SUCCESS)
        }
        Command::Doctor => in_runtime(doctor::run(&configured()?)),
        Command::Replay(arguments) => in_runtime(replay::run(arguments, &configured()?)),
        Command::Verify(arguments) => in_runtime(verify::run(arguments, &configured()?)),
        Command::Migrate => in_runtime(migrate::run(&configured()?)),
        Command::Model(command) => in_runtime(model::run(command, &configured()?)),
        Command::User(command) => in_runtime(user::run(command, &configured()?)),
        Command::Token(command) => in_runtime(token::run(command, &configured()?)),
        Command::Config(command) => config::run(command, path, &flags),
        Command::Completions(command) => completions::run(&command),
    }
}

/// Runs a command that needs sockets, files or the database.
fn in_runtime(command: impl Future<Output = anyhow::Result<ExitCode>>) -> anyhow::Result<ExitCode> {
    in_runtime_of(0, command)
}

/// The same with so many threads that wait, or with half as many as there are cores.
fn in_runtime_of(
    threads: usize,
    command: impl Future<Output = anyhow::Result<ExitCode>>,
) -> anyhow::Result<ExitCode> {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let threads = if threads == 0 { (cores / 2).max(1) } else { threads };
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(threads).enable_all().build()?;
    let outcome = runtime.block_on(command);
    // A blocking call that hangs (a disk that does not answer) must not hold the process.
    runtime.shutdown_timeout(BLOCKING_ENDS_WITHIN);
    outcome
}

/// The exit code of a service whose stop ended within its bound, or did not.
fn stopped_in_order(finished: bool) -> ExitCode {
    if finished { ExitCode::SUCCESS } else { ExitCode::from(FAILED) }
}
