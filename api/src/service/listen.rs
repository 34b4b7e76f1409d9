//! From a listening socket to answered requests: TCP or TLS, a watched stream, HTTP/1.1 or HTTP/2, the routes.
//!
//! actix-web's own server builds the same chain, but its streams cannot be watched. It has no time-out for a
//! client that does not read, and it answers a malformed request without reporting it. So the chain is built
//! here.

use std::convert::Infallible;
use std::future::ready;
use std::io;
use std::net::TcpListener;
use std::sync::Arc;
use std::time::Duration;

use actix_cors::Cors;
use actix_http::error::{DispatchError, ParseError};
use actix_http::{HttpService, HttpServiceBuilder, Protocol, Request};
use actix_server::GracefulShutdownSignal;
use actix_service::{IntoServiceFactory, ServiceFactory, ServiceFactoryExt, map_config};
use actix_tls::accept::TlsError;
use actix_tls::accept::rustls_0_23::{Acceptor, TlsStream};
use actix_web::body::BoxBody;
use actix_web::dev::{AppConfig, Server, fn_service};
use actix_web::http::header::{AUTHORIZATION, CONTENT_TYPE};
use actix_web::http::{KeepAlive, Method, StatusCode};
use actix_web::middleware::Condition;
use actix_web::rt::net::TcpStream;
use actix_web::{App, web};
use rustls::ServerConfig;
use tokio::io::{AsyncRead, AsyncWrite};

use crate::service::admit::X_API_KEY;
use crate::service::connection::Watched;
use crate::service::http::{self, REQUEST_ID};
use crate::service::proxy::client::client;
use crate::service::state::State;

/// How long an idle connection is kept. It is short, because a drain waits for idle connections.
const KEEP_ALIVE: Duration = Duration::from_secs(5);
/// How long a connection that is being closed may take its last bytes.
const CLOSING: Duration = Duration::from_secs(1);

/// Starts the server on these sockets; the second one has the admin routes.
///
/// # Errors
/// When the system refuses them.
pub(crate) fn server(
    state: &Arc<State>,
    listener: TcpListener,
    admin: Option<TcpListener>,
    tls: Option<ServerConfig>,
) -> io::Result<Server> {
    let settings = &state.settings;
    // `server` handles signals itself, because SIGHUP reloads.
    let mut builder = Server::build()
        .workers(settings.workers)
        .shutdown_timeout(settings.drain_timeout.as_secs())
        .disable_signals();
    let draining = builder.graceful_shutdown_signal();
    let patience = settings.limits.write_timeout;
    let (shared, signal) = (Arc::clone(state), draining.clone());
    builder = match tls {
        None => builder.listen("http", listener, move || {
            plain(false, patience).and_then(http_service(Arc::clone(&shared), signal.clone()))
        })?,
        Some(mut config) => {
            config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
            builder.listen("https", listener, move || {
                let http = http_service(Arc::clone(&shared), signal.clone());
                secure(config.clone(), patience).and_then(http)
            })?
        }
    };
    if let Some(admin) = admin {
        let shared = Arc::clone(state);
        builder = builder.listen("admin", admin, move || {
            plain(true, patience).and_then(http_service(Arc::clone(&shared), draining.clone()))
        })?;
    }
    Ok(builder.run())
}

/// A stream with its protocol and its client's address.
type Accepted<IO> = (Watched<IO>, Protocol, Option<std::net::SocketAddr>);

/// Watches a connection.
fn plain(
    is_admin: bool,
    patience: Duration,
) -> impl ServiceFactory<TcpStream, Config = (), Response = Accepted<TcpStream>, Error = (), InitError = ()> {
    fn_service(move |stream: TcpStream| {
        let peer = stream.peer_addr().ok();
        ready(Ok((Watched::new(stream, is_admin, patience), Protocol::Http1, peer)))
    })
}

/// Does the TLS handshake, and watches the connection.
fn secure(
    config: ServerConfig,
    patience: Duration,
) -> impl ServiceFactory<
    TcpStream,
    Config = (),
    Response = Accepted<TlsStream<TcpStream>>,
    Error = (),
    InitError = (),
> {
    Acceptor::new(config)
        .map_err(|error: TlsError<io::Error, Infallible>| {
            tracing::debug!(target: "demur", ?error, "a TLS handshake failed");
        })
        .and_then(fn_service(move |stream: TlsStream<TcpStream>| {
            let (tcp, session) = stream.get_ref();
            let is_http2 = session.alpn_protocol() == Some(b"h2");
            let peer = tcp.peer_addr().ok();
            let protocol = if is_http2 { Protocol::Http2 } else { Protocol::Http1 };
            ready(Ok((Watched::new(stream, false, patience), protocol, peer)))
        }))
}

/// HTTP with the routes.
fn http_service<IO: AsyncRead + AsyncWrite + Unpin + 'static>(
    state: Arc<State>,
    draining: GracefulShutdownSignal,
) -> impl ServiceFactory<Accepted<IO>, Config = (), Response = (), Error = (), InitError = ()> {
    let origins = &state.settings.cors_origins;
    let upstream = state.settings.proxy.as_ref().map(|_| state.upstream_trust.clone());
    let app = App::new()
        .app_data(web::Data::from(Arc::clone(&state)))
        .configure(|config| {
            if let Some(upstream) = &upstream {
                config.app_data(client(upstream.clone()));
            }
            http::routes(&state.settings, config);
        })
        .wrap(Condition::new(!origins.is_empty(), cross_origin(origins)));
    let app = IntoServiceFactory::<_, Request>::into_factory(app)
        .map_err(|error: actix_web::Error| actix_http::Response::<BoxBody>::from(error.error_response()));
    let builder: HttpServiceBuilder<Watched<IO>, _, _, _> = HttpService::build();
    builder
        .graceful_shutdown_signal(move || {
            let signal = draining.clone();
            async move { signal.notified().await }
        })
        .keep_alive(KeepAlive::Timeout(KEEP_ALIVE))
        .client_request_timeout(state.settings.limits.timeout)
        .client_disconnect_timeout(CLOSING)
        .on_connect_ext(|stream: &Watched<IO>, data| {
            data.insert(Arc::clone(stream.connection()));
        })
        .finish(map_config(app, |()| AppConfig::default()))
        .map_err(move |error| note(&state, &error))
}

/// Counts bytes that are not a request. actix-http answers these itself, with a status and no body, and
/// offers no way to add one.
fn note(state: &State, error: &DispatchError) {
    let status = match error {
        DispatchError::Parse(ParseError::TooLarge) => StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
        DispatchError::Parse(_) => StatusCode::BAD_REQUEST,
        // Other errors are clients that disconnect.
        _ => return,
    };
    state.metrics.unparsed(status);
    tracing::debug!(target: "demur", status = status.as_u16(), "a client sent what is no request of HTTP");
}

fn cross_origin(origins: &[String]) -> Cors {
    let cors = Cors::default()
        .allowed_methods([Method::GET, Method::POST])
        .allowed_headers([AUTHORIZATION, X_API_KEY, CONTENT_TYPE, REQUEST_ID])
        .expose_headers([REQUEST_ID])
        .max_age(3600);
    if origins.iter().any(|origin| origin == "*") {
        return cors.allow_any_origin();
    }
    origins.iter().fold(cors, |cors, origin| cors.allowed_origin(origin))
}
