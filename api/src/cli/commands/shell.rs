//! `demur shell`: completions and manual pages, generated from the command line itself.

use std::io;

use anyhow::Context;
use clap::CommandFactory;

use crate::cli::args::{Cli, Shell, ShellWhat};
use crate::cli::terminal::{data, note};

pub(crate) fn run(args: &Shell) -> anyhow::Result<()> {
    match &args.what {
        ShellWhat::Completions { shell } => {
            // Written to memory first: the generator panics when a pipe that it writes to is closed.
            let mut script = Vec::new();
            clap_complete::generate(*shell, &mut Cli::command(), "demur", &mut script);
            Ok(data(String::from_utf8_lossy(&script).trim_end())?)
        }
        ShellWhat::Man { folder } => {
            let pages = io::Error::other;
            std::fs::create_dir_all(folder)
                .and_then(|()| {
                    let command = Cli::command().disable_help_subcommand(true);
                    clap_mangen::generate_to(command, folder).map_err(pages)
                })
                .with_context(|| format!("cannot write the manual pages to {}", folder.display()))?;
            note(&format!("the manual pages are in {}", folder.display()));
            Ok(())
        }
    }
}
