//! Log records: the host's own lines by way of `tracing`, and those of services.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use opentelemetry::InstrumentationScope;
use opentelemetry::logs::{AnyValue, LogRecord, Logger, LoggerProvider as _, Severity};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::logs::{LogBatch, LogExporter as _, LogProcessor, SdkLogRecord, SdkLogger, SdkLoggerProvider};
use scorehost_core::{LogLevel, ServiceName};

use super::wait::wait;
use super::{LogExporter, OtlpConfig, OtlpError, Outbox, OutboxCounts, WithExportConfig, use_ring};
use crate::LogLine;

type Record = Box<(SdkLogRecord, InstrumentationScope)>;

/// The export of log records.
pub struct LogExport {
    provider: SdkLoggerProvider,
    services: SdkLogger,
    outbox: Arc<Outbox<Record>>,
}

impl LogExport {
    pub(super) fn start(config: &OtlpConfig, resource: &Resource) -> Result<Self, OtlpError> {
        let exporter = exporter(config, resource)?;
        let outbox = Arc::new(Outbox::start("log records", config.outbox, move |batch| deliver(&exporter, &batch))?);
        let processor = Queued(Arc::clone(&outbox));
        let provider =
            SdkLoggerProvider::builder().with_resource(resource.clone()).with_log_processor(processor).build();
        let services = provider.logger("scorehost.service");
        Ok(Self { provider, services, outbox })
    }

    pub(super) const fn provider(&self) -> &SdkLoggerProvider {
        &self.provider
    }

    /// Exports a line of a service's log.
    pub fn line(&self, service: &ServiceName, line: &LogLine) {
        let mut record = self.services.create_log_record();
        let (severity, name) = severity(line.level);
        record.set_severity_number(severity);
        record.set_severity_text(name);
        record.set_timestamp(line.time);
        record.set_observed_timestamp(SystemTime::now());
        record.set_body(AnyValue::from(line.text.to_string()));
        record.add_attribute("scorehost.service", service.to_string());
        record.add_attribute("scorehost.version", line.version.to_string());
        if !line.request_id.is_empty() {
            record.add_attribute("scorehost.request_id", line.request_id.to_string());
        }
        self.services.emit(record);
    }

    /// What became of the records so far.
    #[must_use]
    pub fn counts(&self) -> OutboxCounts {
        self.outbox.counts()
    }

    pub(super) fn flush(&self, longest: Duration) {
        self.outbox.flush(longest);
    }
}

const fn severity(level: LogLevel) -> (Severity, &'static str) {
    match level {
        LogLevel::Trace => (Severity::Trace, "TRACE"),
        LogLevel::Debug => (Severity::Debug, "DEBUG"),
        LogLevel::Info => (Severity::Info, "INFO"),
        LogLevel::Warn => (Severity::Warn, "WARN"),
        LogLevel::Error => (Severity::Error, "ERROR"),
    }
}

fn exporter(config: &OtlpConfig, resource: &Resource) -> Result<LogExporter, OtlpError> {
    use_ring();
    let builder = LogExporter::builder().with_http();
    let builder = match config.url("logs") {
        Some(url) => builder.with_endpoint(url),
        None => builder,
    };
    let mut exporter = builder.build().map_err(|error| OtlpError::Exporter(error.to_string()))?;
    exporter.set_resource(resource);
    Ok(exporter)
}

fn deliver(exporter: &LogExporter, batch: &[Record]) -> Result<(), String> {
    let records: Vec<_> = batch.iter().map(|record| (&record.0, &record.1)).collect();
    wait(exporter.export(LogBatch::new(&records))).map_err(|error| error.to_string())
}

/// Takes records from the SDK into the queue.
struct Queued(Arc<Outbox<Record>>);

impl std::fmt::Debug for Queued {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Queued")
    }
}

impl LogProcessor for Queued {
    fn emit(&self, record: &mut SdkLogRecord, scope: &InstrumentationScope) {
        self.0.put(Box::new((record.clone(), scope.clone())));
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.0.flush(Duration::from_secs(5));
        Ok(())
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.0.flush(timeout);
        Ok(())
    }
}
