//! The client of the upstream and of the fallbacks.

use std::sync::Arc;

use anyhow::Context;
use awc::Client;
use rustls::ClientConfig;

use crate::client::{http, trust_of};
use crate::service::proxy::options::ProxySettings;

/// The client of one worker.
#[derive(Clone)]
pub(crate) struct Upstream(pub(crate) Client);

/// How upstreams of HTTPS are trusted: by the certificates of this system. `None` where all are of HTTP.
///
/// # Errors
/// When the system has no certificates.
pub(crate) fn trust(settings: &ProxySettings) -> anyhow::Result<Option<Arc<ClientConfig>>> {
    let mut addresses =
        settings.fallbacks.iter().map(|fallback| &fallback.address).chain([&settings.upstream]);
    let Some(address) = addresses.find(|address| address.starts_with("https:")) else { return Ok(None) };
    trust_of(address).with_context(|| address.clone())
}

/// Makes the client of a worker.
pub(crate) fn client(trust: Option<Arc<ClientConfig>>) -> Upstream {
    Upstream(http(trust))
}
