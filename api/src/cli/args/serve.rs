//! The commands of the service: `serve`, `proxy` and `key`.

use clap::Args;

use crate::service::{Mode, OnFailure, Options};

#[derive(Debug, Args)]
pub(crate) struct Serve {
    #[command(flatten)]
    pub(crate) options: Options,
}

#[derive(Debug, Args)]
pub(crate) struct Proxy {
    /// Where requests go: the address of the API, without the path that its clients add.
    #[arg(long, value_name = "URL")]
    pub(crate) upstream: String,
    /// What becomes of a prompt that the policy holds: `observe` sends it and says so in headers, `enforce` answers 403.
    #[arg(long, value_name = "MODE", default_value = "observe", hide_possible_values = true)]
    pub(crate) mode: Mode,
    /// What becomes of a prompt that could not be judged: `open` sends it, `closed` answers with the failure.
    #[arg(long, value_name = "OPEN_OR_CLOSED", default_value = "open", hide_possible_values = true)]
    pub(crate) on_failure: OnFailure,
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
