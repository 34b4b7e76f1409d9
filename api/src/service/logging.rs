//! Where log lines go: stderr, as text or JSON. Content of requests is never among them unless the operator asks for it.

use std::io;

use anyhow::Context;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::Layer;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

use crate::service::options::{LogFormat, LogLevel, Settings};

/// Sets up this process's log.
///
/// # Errors
/// When a log is set up already, or spans are to be sent and this build cannot.
pub(crate) fn start(settings: &Settings) -> anyhow::Result<()> {
    let level = match settings.log {
        LogLevel::Error => LevelFilter::ERROR,
        LogLevel::Warn => LevelFilter::WARN,
        LogLevel::Info => LevelFilter::INFO,
        LogLevel::Debug => LevelFilter::DEBUG,
    };
    // Libraries speak of connections and workers: only what is wrong there is of use.
    let filter = Targets::new().with_default(level.min(LevelFilter::WARN)).with_target("demur", level);
    let lines = tracing_subscriber::fmt::layer().with_writer(io::stderr).with_target(false);
    let lines = match settings.log_format {
        LogFormat::Pretty => lines.with_ansi(io::IsTerminal::is_terminal(&io::stderr())).boxed(),
        LogFormat::Json => lines.json().flatten_event(true).with_ansi(false).boxed(),
    };
    let subscriber = tracing_subscriber::registry().with(lines.with_filter(filter));
    #[cfg(feature = "otel")]
    let subscriber = subscriber.with(crate::service::otel::layer(settings.otlp_endpoint.as_deref())?);
    #[cfg(not(feature = "otel"))]
    anyhow::ensure!(
        settings.otlp_endpoint.is_none(),
        "this build cannot send spans: build it with `cargo build --release --features demur-api/otel`"
    );
    subscriber.try_init().context("cannot set up the log")
}

/// Sends what the log has not sent yet.
pub(crate) fn finish() {
    #[cfg(feature = "otel")]
    crate::service::otel::finish();
}
