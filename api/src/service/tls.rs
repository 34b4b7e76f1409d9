//! The certificate and key of an HTTPS service.

use std::path::Path;

use anyhow::Context;
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

/// Reads a PEM chain and its key.
///
/// # Errors
/// When one of them cannot be read, or they do not match.
pub(crate) fn config(chain: &Path, key: &Path) -> anyhow::Result<ServerConfig> {
    let certificates = CertificateDer::pem_file_iter(chain)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .with_context(|| format!("cannot read certificates from {}", chain.display()))?;
    anyhow::ensure!(!certificates.is_empty(), "{}: there is no certificate in it", chain.display());
    let private = PrivateKeyDer::from_pem_file(key)
        .with_context(|| format!("cannot read a private key from {}", key.display()))?;
    let provider = rustls::crypto::ring::default_provider().into();
    ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .and_then(|builder| builder.with_no_client_auth().with_single_cert(certificates, private))
        .with_context(|| format!("{} and {} cannot be used", chain.display(), key.display()))
}
