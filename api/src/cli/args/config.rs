//! The commands of operators beside the service: `config` and `health`.

use std::net::IpAddr;
use std::path::PathBuf;

use clap::{Args, Subcommand};

use crate::service::Given;

/// Arguments of `demur config`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  demur config show > demur.toml       every setting at its default, as a file
  demur config check demur.toml        would `demur serve --config demur.toml` start? With [proxy], `demur proxy`?
  demur config show --config demur.toml --port 80")]
pub(crate) struct Config {
    #[command(subcommand)]
    pub(crate) what: ConfigWhat,
}

/// What is done with the settings.
#[derive(Debug, Subcommand)]
pub(crate) enum ConfigWhat {
    /// Checks a file of settings: every value, and every model, key and certificate that it names.
    Check {
        /// The file, as `--config` takes it.
        file: PathBuf,
    },
    /// Prints every setting with its value and where it comes from, as a file of settings.
    ///
    /// Flags, DEMUR_* variables and the file of --config are read as `demur serve` and `demur proxy` read
    /// them.
    Show(Box<Given>),
}

/// Arguments of `demur health`.
#[derive(Debug, Args)]
pub(crate) struct Health {
    /// The file of settings that the service was started with.
    #[arg(long, value_name = "FILE", env = "DEMUR_CONFIG")]
    pub(crate) config: Option<PathBuf>,
    /// Its address. Default: 127.0.0.1.
    #[arg(long, value_name = "ADDRESS", env = "DEMUR_BIND")]
    pub(crate) bind: Option<IpAddr>,
    /// Its port. Default: 8080.
    #[arg(long, value_name = "PORT", env = "DEMUR_PORT")]
    pub(crate) port: Option<u16>,
    /// Its certificate chain, if it serves HTTPS.
    #[arg(long, value_name = "FILE", env = "DEMUR_TLS_CERT")]
    pub(crate) tls_cert: Option<PathBuf>,
    /// Longest time for the answer, in seconds.
    #[arg(long, value_name = "SECONDS", default_value = "3", value_parser = clap::value_parser!(u16).range(1..))]
    pub(crate) timeout: u16,
}
