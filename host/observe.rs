//! What the host tells of its work, as `serve` sets it up: its own log, the access log, traces and logs by OTLP.

use std::sync::Arc;
use std::time::Duration;

use scorehost_cli::{LogFormat, ObserveOptions, ServeOptions};
use scorehost_core::Failure;
use scorehost_telemetry::access::{AccessFormat, AccessLog, Sink};
use scorehost_telemetry::otlp::{self, LogExport, Otlp, OtlpConfig};
use scorehost_telemetry::{LogBook, LogConfig};
use tracing_subscriber::layer::{Layer, SubscriberExt};
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Registry, filter};

/// Longest wait for the last spans and records when the host stops.
const FLUSH: Duration = Duration::from_secs(5);

/// Everything that leaves the host beside answers.
pub(crate) struct Observers {
    otlp: Option<Otlp>,
    pub(crate) access: Option<Arc<AccessLog>>,
}

impl Observers {
    /// Starts what the options ask for, the host's own log first of all.
    ///
    /// # Errors
    /// A filter, an endpoint, a part or a file that cannot be used.
    pub(crate) fn start(options: &ServeOptions) -> Result<Self, Failure> {
        let observe = &options.observe;
        let variables = |name: &str| std::env::var(name).ok();
        let (endpoint, version) = (observe.otlp_endpoint.clone(), env!("CARGO_PKG_VERSION"));
        let otlp = Otlp::start(&OtlpConfig::new(endpoint, observe.trace_sample, version, &variables)?)?;
        start_logging(options, otlp.as_ref())?;
        if otlp.is_none() && observe.trace_sample.is_some() {
            tracing::warn!("--trace-sample has no effect: no OTLP endpoint says where traces go");
        }
        Ok(Self { otlp, access: access_log(observe)? })
    }

    /// The logs of services, copied to the collector where there is one.
    pub(crate) fn log_book(&self, clock: Arc<dyn scorehost_core::Clock>) -> LogBook {
        let book = LogBook::new(LogConfig::default(), clock);
        match self.log_export() {
            Some(export) => book.with_sink(Arc::new(move |service, line| export.line(service, line))),
            None => book,
        }
    }

    pub(crate) fn log_export(&self) -> Option<Arc<LogExport>> {
        self.otlp.as_ref()?.logs()
    }

    /// Sends what is left.
    pub(crate) fn flush(&self) {
        if let Some(access) = &self.access {
            access.flush();
        }
        if let Some(otlp) = &self.otlp {
            otlp.flush(FLUSH);
        }
    }
}

fn access_log(options: &ObserveOptions) -> Result<Option<Arc<AccessLog>>, Failure> {
    let Some(format) = options.access_log else { return Ok(None) };
    let format = match format {
        LogFormat::Text => AccessFormat::Text,
        LogFormat::Json => AccessFormat::Json,
    };
    let refused = |path: &std::path::Path, error: std::io::Error| {
        Failure::invalid(format!("the access log cannot be written to '{}': {error}", path.display()))
            .with_hint("--access-log-file names a file in a folder that exists and that this user may write to")
    };
    let sink = match &options.access_log_file {
        None => Sink::Stream(Box::new(std::io::stderr())),
        Some(path) => Sink::file(path.clone()).map_err(|error| refused(path, error))?,
    };
    let log = AccessLog::start(format, sink).map_err(Failure::internal)?;
    Ok(Some(Arc::new(log)))
}

fn start_logging(options: &ServeOptions, otlp: Option<&Otlp>) -> Result<(), Failure> {
    let lines = tracing_subscriber::fmt::layer().with_writer(std::io::stderr);
    let lines: Box<dyn Layer<Registry> + Send + Sync> = match options.log_format {
        LogFormat::Text => lines.with_ansi(false).with_filter(log_filter(options)?).boxed(),
        LogFormat::Json => lines.json().with_filter(log_filter(options)?).boxed(),
    };
    let mut layers = vec![lines];
    if let Some(bridge) = otlp.and_then(Otlp::layer) {
        let exported = filter::filter_fn(|metadata| otlp::exports_target(metadata.target()));
        layers.push(bridge.with_filter(log_filter(options)?).with_filter(exported).boxed());
    }
    tracing_subscriber::registry().with(layers).try_init().map_err(Failure::internal)
}

fn log_filter(options: &ServeOptions) -> Result<EnvFilter, Failure> {
    EnvFilter::try_new(&options.log).map_err(|error| {
        Failure::invalid(format!("log filter '{}': {error}", options.log))
            .with_hint("use a level such as info, or target=level pairs such as scorehost_ingress=debug")
    })
}
