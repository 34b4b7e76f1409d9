//! `demur health`: whether a service is ready, for health checks of containers, which have no other client.

use std::time::Duration;

use crate::cli::args::Health;
use crate::cli::terminal::data;
use crate::service::{Options, ask_ready};

pub(crate) fn run(args: Health) -> anyhow::Result<()> {
    let Health { config, bind, port, tls_cert, timeout } = args;
    let options = Options { config, bind, port, tls_cert, ..Options::default() };
    ask_ready(options, Duration::from_secs(timeout.into()))?;
    Ok(data("ready\n")?)
}
