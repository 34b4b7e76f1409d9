//! `demur config`: the settings of the service, checked or shown, without serving.

use std::path::Path;

use anyhow::Context;

use crate::cli::args::{Config, ConfigWhat};
use crate::cli::terminal::data;
use crate::engine::Usage;
use crate::service::{Options, check_loads, start_log};

pub(crate) fn run(args: Config) -> anyhow::Result<()> {
    match args.what {
        ConfigWhat::Check { file } => check(&file),
        ConfigWhat::Show(given) => Ok(data(&given.show()?)?),
    }
}

/// Does what `serve`, or `proxy`, does before it serves, but for taking an address.
fn check(file: &Path) -> anyhow::Result<()> {
    let options = Options { config: Some(file.to_owned()), ..Options::default() };
    // What is wrong with the file itself names it already.
    let named = |error: anyhow::Error| {
        if error.is::<Usage>() { error.context(file.display().to_string()) } else { error }
    };
    let options = options.merged()?;
    // A file with settings of the proxy is one of the proxy.
    let settings = if options.proxy.is_set() {
        let proxy = options.proxy.clone().with_an_upstream();
        Options { proxy, ..options }.resolve_proxy(|_| None)
    } else {
        options.resolve()
    };
    let settings = settings.map_err(named)?;
    start_log(&settings)?;
    let loaded = check_loads(settings).with_context(|| file.display().to_string())?;
    Ok(data(&format!("{}: all is good; it loads {}\n", file.display(), loaded.join(", ")))?)
}
