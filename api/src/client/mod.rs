//! What all clients of other servers share: whom they trust, and a client of HTTP to which nothing is added,
//! and that follows, unpacks and cuts off nothing.

mod strict;

use std::sync::Arc;
use std::time::Duration;

use actix_service::ServiceExt;
use actix_tls::connect::{Connection, Connector as TcpConnector};
use actix_web::rt::net::TcpStream;
use anyhow::{Context, ensure};
use awc::http::Uri;
use awc::{Client, Connector};
use rustls::{ClientConfig, RootCertStore};

use self::strict::Strict;

/// How long a server may take to accept a connection.
const CONNECT: Duration = Duration::from_secs(10);
/// How long an idle connection is kept. Shorter than servers do, so that it is not sent to while it is
/// closed.
const KEEP_ALIVE: Duration = Duration::from_secs(4);

/// How servers are trusted: by the certificates of this system. `protocols` are offered to the server, the
/// best first.
///
/// # Errors
/// When the system has no certificates.
pub(crate) fn trust(protocols: &[&[u8]]) -> anyhow::Result<Arc<ClientConfig>> {
    let found = rustls_native_certs::load_native_certs();
    let mut roots = RootCertStore::empty();
    // A certificate that cannot be read is none to trust; the others still are.
    let (added, _) = roots.add_parsable_certificates(found.certs);
    ensure!(
        added > 0,
        "this system has no certificates to trust a server by; install them, or name them by SSL_CERT_FILE"
    );
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let mut config = config.context("cannot set up TLS")?.with_root_certificates(roots).with_no_client_auth();
    config.alpn_protocols = protocols.iter().map(|name| name.to_vec()).collect();
    Ok(Arc::new(config))
}

/// The same for a server of HTTP; `None` for an address without TLS.
///
/// # Errors
/// When the system has no certificates.
pub(crate) fn trust_of(address: &str) -> anyhow::Result<Option<Arc<ClientConfig>>> {
    address.starts_with("https:").then(|| trust(&[b"h2", b"http/1.1"])).transpose()
}

/// Makes a client of HTTP. An answer may take as long as it takes, so there is no limit on that.
pub(crate) fn http(trust: Option<Arc<ClientConfig>>) -> Client {
    let tcp = TcpConnector::default().service().map(|connection: Connection<Uri, TcpStream>| {
        let (tcp, connection) = connection.replace_io(());
        connection.replace_io(Strict(tcp)).1
    });
    let connector = Connector::new().connector(tcp).timeout(CONNECT).conn_keep_alive(KEEP_ALIVE).limit(0);
    let connector = match trust {
        None => connector,
        Some(config) => connector.rustls_0_23(config),
    };
    Client::builder().connector(connector).disable_timeout().disable_redirects().no_default_headers().finish()
}
