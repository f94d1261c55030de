//! What a server tells of its work, as it is written on the command line.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::Args;

use crate::LogFormat;

/// Settings of metrics, traces and the access log.
#[derive(Clone, Debug, Default, Args)]
pub struct ObserveOptions {
    /// Address that answers GET /metrics, without a credential, and nothing else; port 0 takes a free one
    #[arg(long, env = "SCOREHOST_METRICS", hide_env_values = true, value_name = "ADDRESS")]
    pub metrics: Option<SocketAddr>,
    /// Let everyone read /metrics at the HTTP door, which asks for a reader's credential unless it listens on loopback
    #[arg(long, env = "SCOREHOST_OPEN_METRICS", hide_env_values = true)]
    pub open_metrics: bool,
    /// OpenTelemetry collector that gets traces and logs by OTLP over HTTP, such as http://127.0.0.1:4318; OTEL_* variables
    /// say the rest
    #[arg(long, env = "SCOREHOST_OTLP_ENDPOINT", hide_env_values = true, value_name = "URL")]
    pub otlp_endpoint: Option<String>,
    /// Part of the requests that is traced, 0-1, where the caller's traceparent does not decide [default: 0.01]
    #[arg(long, env = "SCOREHOST_TRACE_SAMPLE", hide_env_values = true, value_name = "PART")]
    pub trace_sample: Option<f64>,
    /// Write a line per request, in this form; to standard error unless --access-log-file says where
    #[arg(long, env = "SCOREHOST_ACCESS_LOG", hide_env_values = true, value_enum, value_name = "FORMAT")]
    pub access_log: Option<LogFormat>,
    /// File that the access log is appended to; begun anew where it was moved away
    #[arg(
        long,
        env = "SCOREHOST_ACCESS_LOG_FILE",
        hide_env_values = true,
        requires = "access_log",
        value_name = "FILE"
    )]
    pub access_log_file: Option<PathBuf>,
}
