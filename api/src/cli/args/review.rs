//! `demur review`.

use clap::{ArgGroup, Args};

use crate::store::StorePlace;

#[derive(Debug, Args)]
#[command(group = ArgGroup::new("what").args(["reviewer", "agreement"]).required(true))]
pub(crate) struct Review {
    /// The store of `demur collect` or `demur serve --feedback-store`: a file, or a database by its URL
    /// (postgres://).
    #[arg(long, value_name = "PLACE", value_parser = StorePlace::parse, env = "DEMUR_STORE", hide_env_values = true)]
    pub(crate) store: StorePlace,
    /// Who reviews; the name stands beside every label.
    #[arg(long, value_name = "NAME", value_parser = parse_name)]
    pub(crate) reviewer: Option<String>,
    /// Print how far reviewers agree with each other and with Demur, and show no page.
    #[arg(long)]
    pub(crate) agreement: bool,
    /// The agreement as JSON.
    #[arg(long, requires = "agreement")]
    pub(crate) json: bool,
    /// Port of the page, on this machine alone; 0 takes a free one.
    #[arg(long, value_name = "PORT", default_value_t = 0)]
    pub(crate) port: u16,
}

/// A name that fits beside a label.
fn parse_name(text: &str) -> Result<String, String> {
    const LONGEST: usize = 100;
    let name = text.trim();
    if name.is_empty() || name.chars().count() > LONGEST || name.chars().any(char::is_control) {
        return Err(format!("a name has 1 to {LONGEST} characters"));
    }
    Ok(name.to_owned())
}
