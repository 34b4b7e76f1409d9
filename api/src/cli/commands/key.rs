//! `demur key`: a new API key.

use crate::cli::args::Key;
use crate::cli::terminal::{data, note};
use crate::service::generate;

pub(crate) fn run(args: &Key) -> anyhow::Result<()> {
    let (key, entry) = generate(&args.name, args.admin, args.rate);
    data(&entry)?;
    note(&format!("the key, shown this once: {key}"));
    Ok(())
}
