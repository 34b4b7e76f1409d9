//! The running service: it binds first, reloads on SIGHUP and drains on SIGTERM.

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
use crate::service::listen;
use crate::service::memory;
use crate::service::openapi;
use crate::service::settings::Settings;
use crate::service::signals::{Signal, Signals};
use crate::service::state::State;
use crate::service::tls;

/// How long at most who comes late is told so, before the address is free for another process.
const LISTENING: Duration = Duration::from_secs(1);

/// How long connections take from being accepted to their worker, generously.
const SETTLING: Duration = Duration::from_millis(100);

/// A bound service.
pub(crate) struct Application {
    server: Server,
    signals: Signals,
    state: Arc<State>,
    /// Without TLS, whose clients could not read what it says.
    late: Option<LateConnections>,
    /// Where it listens.
    pub(crate) address: SocketAddr,
    /// `http` or `https`.
    pub(crate) scheme: &'static str,
}

impl Application {
    /// Watches for signals, binds and loads the models. Requests wait until [`run`](Self::run).
    ///
    /// A signal that comes while the models are loaded waits until then as well.
    ///
    /// # Errors
    /// When signals cannot be watched, an address cannot be bound, or something not be loaded.
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
        let document = openapi::document(&settings.limits)?;
        let state = Arc::new(State::load(settings, admin_address, document)?);
        warn_of_open_address(&state);
        let server = listen::server(&state, listener, admin, tls)?;
        Ok(Self { server, signals, state, late, address, scheme })
    }

    /// Where it listens for the admin routes, if apart.
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
                // It has answered its last, and so should those who found it closing.
                let _ = ended.await;
            }
            // A server that is dropped lets go of what it is still at; told to stop, it would finish a stop that has begun.
            Ok(()) = wish => tracing::info!(target: "demur", "ending at once; open requests are let go of"),
        }
        state.end();
        tracing::info!(target: "demur", "ended");
        Ok(())
    }
}

/// Reloads and ends as signals ask for it; a second wish to end does not wait for anyone.
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
                // A failure is logged and counted where it happens; a panic there leaves the old models as well.
                let _ = web::block(move || state.reload()).await;
            }
            end => break end,
        }
    };
    state.draining.store(true, Ordering::Release);
    tracing::info!(target: "demur", "ending; open requests are finished first");
    actix_web::rt::spawn(async move {
        while signals.next().await == Signal::Reload {}
        // Where nobody hears it, the end has come.
        let _ = no_more.send(());
    });
    if last == Signal::Terminate {
        actix_web::rt::time::sleep(state.settings.drain_delay).await;
    }
    // A worker that stops drops the connections that are on their way to it: nobody new is let in first.
    handle.pause().await;
    let end = actix_web::rt::spawn(async move {
        actix_web::rt::time::sleep(SETTLING).await;
        handle.stop(true).await;
    });
    let ended = async {
        // Only a panic in it could fail, and the server is gone then as well.
        let _ = end.await;
    };
    match late {
        Some(late) => late.turn_away(ended, LISTENING).await,
        None => ended.await,
    }
}
