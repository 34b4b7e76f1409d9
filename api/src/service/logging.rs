//! Log output: stderr, as text or JSON. The content of requests is never logged unless the operator asks for
//! it.

use std::io::{self, Write};

use anyhow::Context;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::Layer;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

use crate::service::options::{LogFormat, LogLevel};
use crate::service::settings::Settings;

/// Sets up the log of this process.
///
/// # Errors
/// When a log is already set up, or span export is configured but this build does not have it.
pub(crate) fn start(settings: &Settings) -> anyhow::Result<()> {
    let level = match settings.log {
        LogLevel::Error => LevelFilter::ERROR,
        LogLevel::Warn => LevelFilter::WARN,
        LogLevel::Info => LevelFilter::INFO,
        LogLevel::Debug => LevelFilter::DEBUG,
    };
    // Libraries log connections and workers in detail; only their warnings and errors are useful.
    let filter = Targets::new().with_default(level.min(LevelFilter::WARN)).with_target("demur", level);
    let lines = tracing_subscriber::fmt::layer().with_writer(|| OneLine(io::stderr())).with_target(false);
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

/// A log writer that keeps each event on one line, so that content in an event cannot look like another
/// event.
struct OneLine<W>(W);

impl<W: Write> Write for OneLine<W> {
    /// Takes one event, which is written at once.
    fn write(&mut self, event: &[u8]) -> io::Result<usize> {
        let (text, end) = event.strip_suffix(b"\n").map_or((event, &b""[..]), |text| (text, b"\n"));
        let is_plain = |byte: &u8| !matches!(byte, b'\n' | b'\r');
        if text.iter().all(is_plain) {
            return self.0.write_all(event).map(|()| event.len());
        }
        let mut line = Vec::with_capacity(text.len() + 16);
        for byte in text {
            match byte {
                b'\n' => line.extend_from_slice(b"\\n"),
                b'\r' => line.extend_from_slice(b"\\r"),
                other => line.push(*other),
            }
        }
        line.extend_from_slice(end);
        self.0.write_all(&line).map(|()| event.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

/// Sends buffered spans.
pub(crate) fn finish() {
    #[cfg(feature = "otel")]
    crate::service::otel::finish();
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn an_event_cannot_forge_another_line() {
        let mut log = OneLine(Vec::new());
        log.write_all(b"WARN a\r\n2026-01-01 ERROR forged\n").unwrap();
        log.write_all(b"INFO b\n").unwrap();
        assert_eq!(log.0, b"WARN a\\r\\n2026-01-01 ERROR forged\nINFO b\n");
    }
}
