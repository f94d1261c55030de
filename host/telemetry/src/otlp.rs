//! Traces and logs to a collector, by OTLP over HTTP (<https://opentelemetry.io/docs/specs/otlp/>).
//!
//! Two threads deliver batches; nothing else waits for them. The exporters read the usual `OTEL_EXPORTER_OTLP_*` variables
//! themselves (endpoints, headers, timeouts); `docs/reference/tracing.md` lists what is honoured.

use std::sync::Arc;
use std::time::Duration;

use opentelemetry_appender_tracing::layer::OpenTelemetryTracingBridge;
use opentelemetry_otlp::{LogExporter, SpanExporter, WithExportConfig};
use opentelemetry_sdk::logs::{SdkLogger, SdkLoggerProvider};
use scorehost_core::{ErrorKind, Failure};

mod config;
mod logs;
mod resource;
mod spans;
mod wait;

pub use config::OtlpConfig;
pub use logs::LogExport;

use crate::outbox::{Outbox, OutboxCounts};
use crate::trace::{self, Spans};

/// The layer that turns the host's own log lines into records.
pub type LogBridge = OpenTelemetryTracingBridge<SdkLoggerProvider, SdkLogger>;

/// `tracing` targets whose lines are about the delivery itself or below it, and would feed on themselves.
const OWN: [&str; 9] = [
    "opentelemetry",
    "opentelemetry_sdk",
    "opentelemetry_otlp",
    "reqwest",
    "hyper",
    "h2",
    "rustls",
    "tokio",
    "scorehost_telemetry::outbox",
];

/// Whether a line of this `tracing` target may be exported.
#[must_use]
pub fn exports_target(target: &str) -> bool {
    !OWN.iter().any(|own| target.strip_prefix(own).is_some_and(|rest| !rest.starts_with(|c: char| c.is_alphanumeric())))
}

/// Why telemetry cannot be exported.
#[derive(Debug, thiserror::Error)]
pub enum OtlpError {
    /// An endpoint that is no URL of HTTP.
    #[error("OTLP endpoint '{0}' does not begin with http:// or https://")]
    Endpoint(String),
    /// A setting with a value outside its range.
    #[error("{name} is '{value}'; expected {expected}")]
    Setting {
        /// Option or variable.
        name: &'static str,
        /// What it is.
        value: String,
        /// What it may be.
        expected: &'static str,
    },
    /// The exporter refuses its configuration.
    #[error("the OTLP exporter cannot be made: {0}")]
    Exporter(String),
    /// A thread did not start.
    #[error("the thread that delivers telemetry did not start: {0}")]
    Thread(#[from] std::io::Error),
}

impl From<OtlpError> for Failure {
    fn from(error: OtlpError) -> Self {
        match error {
            OtlpError::Endpoint(_) => Self::invalid(error.to_string())
                .with_hint("such as http://127.0.0.1:4318, the collector's OTLP port for HTTP"),
            OtlpError::Setting { .. } => Self::invalid(error.to_string()),
            OtlpError::Exporter(_) => Self::new(ErrorKind::InvalidInput, error.to_string())
                .with_hint("check --otlp-endpoint and the OTEL_EXPORTER_OTLP_* variables"),
            OtlpError::Thread(_) => Self::internal(error),
        }
    }
}

/// The running export.
pub struct Otlp {
    logs: Option<Arc<LogExport>>,
}

impl Otlp {
    /// Starts delivery and makes it the receiver of the process's spans; `None` where the configuration names no receiver.
    ///
    /// # Errors
    /// A configuration that does not hold.
    pub fn start(config: &OtlpConfig) -> Result<Option<Self>, OtlpError> {
        config.validate()?;
        if !config.traces && !config.logs {
            return Ok(None);
        }
        let resource = resource::resource(config);
        if config.traces {
            let exporter = spans::exporter(config, &resource)?;
            trace::install(Spans::start(config.sampler, config.outbox, move |batch| spans::deliver(&exporter, batch))?);
        }
        let logs = config.logs.then(|| LogExport::start(config, &resource)).transpose()?;
        Ok(Some(Self { logs: logs.map(Arc::new) }))
    }

    /// The export of log records, where logs are exported.
    #[must_use]
    pub fn logs(&self) -> Option<Arc<LogExport>> {
        self.logs.clone()
    }

    /// The layer for the host's own log lines; filter it with [`exports_target`].
    #[must_use]
    pub fn layer(&self) -> Option<LogBridge> {
        self.logs.as_ref().map(|logs| OpenTelemetryTracingBridge::new(logs.provider()))
    }

    /// Waits at most `longest` until everything so far is delivered.
    pub fn flush(&self, longest: Duration) {
        if let Some(spans) = trace::spans() {
            spans.flush(longest);
        }
        if let Some(logs) = &self.logs {
            logs.flush(longest);
        }
    }
}

/// Gives `reqwest` a cryptography, of which it has no default; another part of the process may have set the same one.
pub(crate) fn use_ring() {
    let _ = rustls::crypto::ring::default_provider().install_default();
}

#[cfg(test)]
mod tests;
