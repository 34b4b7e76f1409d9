//! The signals that an operator sends: SIGHUP reloads, SIGTERM and SIGINT end the service.

use std::io;

/// What a signal asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Signal {
    /// Reload everything.
    Reload,
    /// End, but first give others time to notice.
    Terminate,
    /// End at once, because somebody is waiting at a terminal.
    Interrupt,
}

/// The signals of this process from now on.
pub(crate) struct Signals {
    #[cfg(unix)]
    streams: [(Signal, actix_web::rt::signal::unix::Signal); 3],
}

#[cfg(unix)]
impl Signals {
    /// Starts watching; this replaces the default action of the signals.
    pub(crate) fn watch() -> io::Result<Self> {
        use actix_web::rt::signal::unix::{SignalKind, signal};
        Ok(Self {
            streams: [
                (Signal::Reload, signal(SignalKind::hangup())?),
                (Signal::Terminate, signal(SignalKind::terminate())?),
                (Signal::Interrupt, signal(SignalKind::interrupt())?),
            ],
        })
    }

    /// Waits for the next one.
    pub(crate) async fn next(&mut self) -> Signal {
        std::future::poll_fn(|context| {
            for (signal, stream) in &mut self.streams {
                if stream.poll_recv(context).is_ready() {
                    return std::task::Poll::Ready(*signal);
                }
            }
            std::task::Poll::Pending
        })
        .await
    }
}

#[cfg(not(unix))]
impl Signals {
    /// Starts watching.
    pub(crate) fn watch() -> io::Result<Self> {
        Ok(Self {})
    }

    /// Waits for Ctrl-C, the only signal on this system.
    pub(crate) async fn next(&mut self) -> Signal {
        // If Ctrl-C cannot be watched, it ends the process by itself, so there is nothing to wait for.
        if actix_web::rt::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
        Signal::Interrupt
    }
}
