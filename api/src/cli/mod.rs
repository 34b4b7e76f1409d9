//! The command line: its arguments, one file for each command, and terminal output.
//!
//! Stdout is data, stderr is log output. Exit codes: 0 done, 1 the work failed, 2 wrong use, 130 interrupted.

mod args;
mod collecting;
mod commands;
mod exit;
mod interrupt;
mod names;
mod sources;
mod spool;
mod terminal;

use std::process::ExitCode;

use clap::Parser;

use self::args::{Cli, Command};
use self::exit::exit_code;

/// Runs the command line of this process.
#[must_use]
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    // The servers write no files, and handle signals themselves.
    let serves = matches!(cli.command, Command::Serve(_) | Command::Proxy(_) | Command::Review(_));
    if let Some(Err(error)) = (!serves).then(interrupt::watch) {
        terminal::note(&format!(
            "cannot watch for Ctrl-C ({error}): an interrupted run may leave temporary files"
        ));
    }
    match commands::run(cli.command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => exit_code(&error),
    }
}
