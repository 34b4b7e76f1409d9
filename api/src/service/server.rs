//! The running service: binds its addresses first, reloads on SIGHUP, and drains on SIGTERM.

use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use actix_web::dev::{Server, ServerHandle};
use actix_web::web;
use anyhow::Context;
use tokio::sync::oneshot;

use crate::service::admit::warn_of_open_address;
use crate::service::late_connections::LateConnections;
use crate::service::learning;
use crate::service::listen;
use crate::service::memory;
use crate::service::openapi;
use crate::service::settings::Settings;
use crate::service::signals::{Signal, Signals};
use crate::service::state::State;
use crate::service::tls;

/// How long late clients are answered with 503 at most, before the address is free for another process.
const LISTENING: Duration = Duration::from_secs(1);

/// A generous bound on the time from accepting a connection to handing it to its worker.
const SETTLING: Duration = Duration::from_millis(100);

/// Loads what a service with these settings would load, and lets it go again; returns the names of the models.
///
/// # Errors
/// When any of it cannot be loaded.
pub(crate) fn check_loads(settings: Settings) -> anyhow::Result<Vec<String>> {
    settings.tls.as_ref().map(|(chain, key)| tls::config(chain, key)).transpose()?;
    let (admin, document) = (settings.admin_address, openapi::document(&settings)?);
    let state = State::load(settings, admin, document)?;
    warn_of_open_address(&state);
    let names = state.registry.load().loaded().map(|(name, _)| name.to_owned()).collect();
    state.end();
    Ok(names)
}

/// A bound service.
pub(crate) struct Application {
    server: Server,
    signals: Signals,
    state: Arc<State>,
    /// `None` with TLS, whose clients could not read the plain 503.
    late: Option<LateConnections>,
    /// The address that it listens on.
    pub(crate) address: SocketAddr,
    /// `http` or `https`.
    pub(crate) scheme: &'static str,
}

impl Application {
    /// Watches for signals, binds and loads the models. Requests wait until [`run`](Self::run).
    ///
    /// A signal that arrives during loading waits until then too.
    ///
    /// # Errors
    /// When signals cannot be watched, an address cannot be bound, or something cannot be loaded.
    pub(crate) fn build(settings: Settings) -> anyhow::Result<Self> {
        memory::give_large_blocks_back();
        let signals = Signals::watch().context("cannot watch for signals")?;
        let listen = |address: SocketAddr| {
            TcpListener::bind(address).with_context(|| {
                format!("cannot listen on {address}; --port 0 takes a free port, --bind another address")
            })
        };
        let listener = listen(settings.address)?;
        let admin = settings.admin_address.map(listen).transpose()?;
        let address = listener.local_addr()?;
        let admin_address = admin.as_ref().map(TcpListener::local_addr).transpose()?;
        let tls = settings.tls.as_ref().map(|(chain, key)| tls::config(chain, key)).transpose()?;
        let scheme = if tls.is_some() { "https" } else { "http" };
        let late = if tls.is_none() { Some(LateConnections::of(&listener)?) } else { None };
        let document = openapi::document(&settings)?;
        let state = Arc::new(State::load(settings, admin_address, document)?);
        warn_of_open_address(&state);
        learning::start(&state).context("cannot start the thread that learns")?;
        let server = listen::server(&state, listener, admin, tls)?;
        Ok(Self { server, signals, state, late, address, scheme })
    }

    /// The separate address of the admin routes, if there is one.
    pub(crate) fn admin_address(&self) -> Option<SocketAddr> {
        self.state.admin_address
    }

    /// Serves until SIGINT or SIGTERM.
    ///
    /// # Errors
    /// When the server fails.
    pub(crate) async fn run(self) -> anyhow::Result<()> {
        let (state, signals) = (Arc::clone(&self.state), self.signals);
        let (no_more, wish) = oneshot::channel();
        let ended = actix_web::rt::spawn(obey(signals, self.state, self.late, self.server.handle(), no_more));
        tokio::select! {
            biased;
            served = self.server => {
                served.context("the server failed")?;
                // The server is done; late clients still get their 503.
                let _ = ended.await;
            }
            // Dropping the server abandons its open requests. A second stop would instead wait for the stop
            // that is already running.
            Ok(()) = wish => tracing::info!(target: "demur", "ending at once; open requests are let go of"),
        }
        state.end();
        tracing::info!(target: "demur", "ended");
        Ok(())
    }
}

/// Handles signals: reloads or ends. A second request to end does not wait for open requests.
async fn obey(
    mut signals: Signals,
    state: Arc<State>,
    late: Option<LateConnections>,
    handle: ServerHandle,
    no_more: oneshot::Sender<()>,
) {
    let last = loop {
        match signals.next().await {
            Signal::Reload => {
                let state = Arc::clone(&state);
                // A failure is logged and counted in `reload`. After a panic there the old models stay as
                // well.
                let _ = web::block(move || state.reload()).await;
            }
            end => break end,
        }
    };
    state.draining.store(true, Ordering::Release);
    tracing::info!(target: "demur", "ending; open requests are finished first");
    actix_web::rt::spawn(async move {
        while signals.next().await == Signal::Reload {}
        // If the receiver is gone, the server has already ended.
        let _ = no_more.send(());
    });
    if last == Signal::Terminate {
        actix_web::rt::time::sleep(state.settings.drain_delay).await;
    }
    // A worker that stops drops connections that are on their way to it, so accepting pauses first.
    handle.pause().await;
    let end = actix_web::rt::spawn(async move {
        actix_web::rt::time::sleep(SETTLING).await;
        handle.stop(true).await;
    });
    let ended = async {
        // This fails only if the task panicked, and then the server is gone too.
        let _ = end.await;
    };
    match late {
        Some(late) => late.turn_away(ended, LISTENING).await,
        None => ended.await,
    }
}
