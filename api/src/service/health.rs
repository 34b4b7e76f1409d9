//! Asks a running service on this machine whether it is ready.
//!
//! One request of HTTP/1.1 over a plain stream or TLS: a whole client is more than an answer of one line needs.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, anyhow, bail};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, ClientConnection, DigitallySignedStruct, SignatureScheme, StreamOwned};

use crate::service::options::Options;
use crate::service::settings::PORT;

/// Bytes of the first line of an answer that are read at most.
const LINE: u64 = 256;

/// Asks the service that was started with these options.
///
/// # Errors
/// When it cannot be asked within `longest`, or is not ready.
pub(crate) fn ask_ready(options: Options, longest: Duration) -> anyhow::Result<()> {
    let options = options.merged()?;
    let address = SocketAddr::new(reached(options.bind), options.port.unwrap_or(PORT));
    let stream = TcpStream::connect_timeout(&address, longest).with_context(|| {
        format!("nothing answers at {address}; --port and --bind say where the service listens")
    })?;
    stream.set_read_timeout(Some(longest))?;
    stream.set_write_timeout(Some(longest))?;
    let line = if options.tls_cert.is_some() {
        let client = ClientConnection::new(tls()?, ServerName::from(address.ip()))?;
        first_line(StreamOwned::new(client, stream), address)
    } else {
        first_line(stream, address)
    };
    // As text: a broken pipe as the cause would be taken for a reader of our output who has seen enough.
    let line = line.map_err(|cause| anyhow!("no answer from {address}: {cause:#}"))?;
    match line.split(' ').nth(1) {
        Some("200") => Ok(()),
        Some(status) => bail!("the service at {address} is not ready: it answers {status}"),
        None => bail!("what answers at {address} is no service of HTTP"),
    }
}

/// The address to ask, of one that a service listens on: every address includes this machine's own.
fn reached(bind: Option<IpAddr>) -> IpAddr {
    match bind {
        None => Ipv4Addr::LOCALHOST.into(),
        Some(IpAddr::V4(bind)) if bind.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        Some(IpAddr::V6(bind)) if bind.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        Some(bind) => bind,
    }
}

fn first_line(mut stream: impl Read + Write, address: SocketAddr) -> anyhow::Result<String> {
    let request = format!("GET /health/ready HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes())?;
    stream.flush()?;
    let mut line = String::new();
    BufReader::new(stream.take(LINE)).read_line(&mut line)?;
    Ok(line.trim_end().to_owned())
}

fn tls() -> anyhow::Result<Arc<ClientConfig>> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let any = Arc::new(AnyCertificate(Arc::clone(&provider)));
    let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
    Ok(Arc::new(config.dangerous().with_custom_certificate_verifier(any).with_no_client_auth()))
}

/// Accepts the certificate of any name. The service's own names the host that its clients know, not this machine's
/// address; and nothing that is secret is sent to it or believed from it.
#[derive(Debug)]
struct AnyCertificate(Arc<CryptoProvider>);

impl ServerCertVerifier for AnyCertificate {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, certificate, signed, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, certificate, signed, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn an_address_of_all_is_asked_at_this_machine() {
        let reached = |bind: &str| reached(Some(bind.parse().unwrap())).to_string();
        assert_eq!(reached("0.0.0.0"), "127.0.0.1");
        assert_eq!(reached("::"), "::1");
        assert_eq!(reached("10.1.2.3"), "10.1.2.3");
        assert_eq!(super::reached(None).to_string(), "127.0.0.1");
    }
}
