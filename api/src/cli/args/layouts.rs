//! `demur layouts`.

use clap::Args;

/// The layouts of files that are read by themselves.
#[derive(Debug, Args)]
pub(crate) struct Layouts {
    /// Show this one alone, with its whole example.
    #[arg(value_name = "NAME")]
    pub(crate) name: Option<String>,
    /// As JSON: a list with the name, title and example of each.
    #[arg(long)]
    pub(crate) json: bool,
}
