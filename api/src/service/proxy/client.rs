//! The client of the upstream: nothing is added to a request, nothing is followed, unpacked or cut off.

use std::sync::Arc;
use std::time::Duration;

use actix_service::ServiceExt;
use actix_tls::connect::{Connection, Connector as TcpConnector};
use actix_web::rt::net::TcpStream;
use anyhow::{Context, ensure};
use awc::http::Uri;
use awc::{Client, Connector};
use rustls::{ClientConfig, RootCertStore};

use crate::service::proxy::options::ProxySettings;
use crate::service::proxy::strict::Strict;

/// How long the upstream may take to accept a connection.
const CONNECT: Duration = Duration::from_secs(10);
/// How long an idle connection to it is kept. Shorter than servers do, so that it is not sent to while it is closed.
const KEEP_ALIVE: Duration = Duration::from_secs(4);

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
    let found = rustls_native_certs::load_native_certs();
    let mut roots = RootCertStore::empty();
    // A certificate that cannot be read is none to trust; the others still are.
    let (added, _) = roots.add_parsable_certificates(found.certs);
    ensure!(
        added > 0,
        "{address}: this system has no certificates to trust it by; install them, or name them by SSL_CERT_FILE"
    );
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let mut config = config.context("cannot set up TLS")?.with_root_certificates(roots).with_no_client_auth();
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(Some(Arc::new(config)))
}

/// Makes the client of a worker. An answer may take as long as its model thinks, so there is no limit on that.
pub(crate) fn client(trust: Option<Arc<ClientConfig>>) -> Upstream {
    let tcp = TcpConnector::default().service().map(|connection: Connection<Uri, TcpStream>| {
        let (tcp, connection) = connection.replace_io(());
        connection.replace_io(Strict(tcp)).1
    });
    let connector = Connector::new().connector(tcp).timeout(CONNECT).conn_keep_alive(KEEP_ALIVE).limit(0);
    let connector = match trust {
        None => connector,
        Some(config) => connector.rustls_0_23(config),
    };
    let client =
        Client::builder().connector(connector).disable_timeout().disable_redirects().no_default_headers();
    Upstream(client.finish())
}
