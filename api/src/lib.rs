//! Demur's command line and its service. The binary `demur` only calls [`main()`].
//!
//! Stdout is data, stderr is talk. Exit codes: 0 done, 1 the work failed, 2 wrong use, 130 interrupted.

mod args;
mod asking;
mod base_rate;
mod commands;
mod error;
mod input;
mod model;
mod names;
mod output;
mod outputs;
mod rules;
mod score;
mod service;
mod shares;
mod tiers;

use std::process::ExitCode;

use clap::Parser;

use crate::args::{Cli, Command};
use crate::error::exit_code;

/// Runs the command line of this process.
#[must_use]
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    let interrupt = || {
        demur_data::remove_unfinished();
        std::process::exit(130);
    };
    // The service writes no files and ends in its own way.
    let serves = matches!(cli.command, Command::Serve(_));
    if let Some(Err(error)) = (!serves).then(|| ctrlc::set_handler(interrupt)) {
        output::note(&format!(
            "cannot watch for Ctrl-C ({error}): an interrupted run may leave temporary files"
        ));
    }
    match commands::run(cli.command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => exit_code(&error),
    }
}
