//! `demur shell`: what a shell and `man` need of the command line.

use std::path::PathBuf;

use clap::{Args, Subcommand};

/// Arguments of `demur shell`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  demur shell completions bash > /etc/bash_completion.d/demur
  demur shell man /usr/local/share/man/man1")]
pub(crate) struct Shell {
    #[command(subcommand)]
    pub(crate) what: ShellWhat,
}

/// What is made.
#[derive(Debug, Subcommand)]
pub(crate) enum ShellWhat {
    /// Prints the script that completes commands and flags.
    Completions {
        /// The shell.
        shell: clap_complete::Shell,
    },
    /// Writes one manual page for each command.
    Man {
        /// The folder for the pages.
        folder: PathBuf,
    },
}
