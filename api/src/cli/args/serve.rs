//! The commands of the service: `serve`, `proxy` and `key`.

use clap::Args;

use crate::service::{Options, ProxyOptions};

#[derive(Debug, Args)]
pub(crate) struct Serve {
    #[command(flatten)]
    pub(crate) options: Options,
}

#[derive(Debug, Args)]
pub(crate) struct Proxy {
    #[command(flatten)]
    pub(crate) proxy: ProxyOptions,
    #[command(flatten)]
    pub(crate) options: Options,
}

#[derive(Debug, Args)]
pub(crate) struct Key {
    /// Whose key it is; the name is in the file and in logs.
    pub(crate) name: String,
    /// The key may use the admin routes.
    #[arg(long)]
    pub(crate) admin: bool,
    /// Most requests a second by this key.
    #[arg(long, value_name = "PER_SECOND", value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) rate: Option<u32>,
}
