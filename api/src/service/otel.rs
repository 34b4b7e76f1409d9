//! Sends spans of requests to an OpenTelemetry collector. Only builds with the feature `otel` have it,
//! because its client adds forty crates.

use std::sync::OnceLock;

use anyhow::Context;
use opentelemetry::trace::TracerProvider;
use opentelemetry_otlp::{SpanExporter, WithExportConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::SdkTracerProvider;
use tracing::{Level, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::registry::LookupSpan;

static PROVIDER: OnceLock<SdkTracerProvider> = OnceLock::new();

/// Sends the service's spans to an OTLP/HTTP collector (`http://HOST:4318`), if one is set.
///
/// # Errors
/// When the address is invalid.
pub(crate) fn layer<S>(endpoint: Option<&str>) -> anyhow::Result<Option<impl Layer<S>>>
where
    S: Subscriber + for<'span> LookupSpan<'span>,
{
    let Some(endpoint) = endpoint else { return Ok(None) };
    let exporter = SpanExporter::builder()
        .with_http()
        .with_endpoint(format!("{}/v1/traces", endpoint.trim_end_matches('/')))
        .build()
        .with_context(|| format!("--otlp-endpoint {endpoint}"))?;
    let resource = Resource::builder().with_service_name("demur").build();
    let provider = SdkTracerProvider::builder().with_batch_exporter(exporter).with_resource(resource).build();
    let spans = tracing_opentelemetry::layer().with_tracer(provider.tracer("demur"));
    // Only one log is ever set up, so the cell is still empty.
    let _ = PROVIDER.set(provider);
    Ok(Some(spans.with_filter(Targets::new().with_target("demur", Level::INFO))))
}

/// Sends the spans that are still buffered.
pub(crate) fn finish() {
    if let Some(Err(error)) = PROVIDER.get().map(SdkTracerProvider::shutdown) {
        tracing::warn!(target: "demur", "the last spans were not sent: {error}");
    }
}
