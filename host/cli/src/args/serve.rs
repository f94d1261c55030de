use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::path::PathBuf;

use clap::Args;

use super::observe::ObserveOptions;
use super::tls::TlsOptions;
use crate::{LogFormat, SmallModels};

use super::{AuthOptions, DeviceOptions, GateOptions, ModelOptions, ScalingOptions};

/// Settings of a server.
#[derive(Clone, Debug, Args)]
pub struct ServeOptions {
    /// Folder that keeps models, components and services; made where it does not exist
    #[arg(long, env = "SCOREHOST_DATA_DIR", hide_env_values = true, value_name = "DIR")]
    pub data_dir: PathBuf,
    #[command(flatten)]
    pub auth: AuthOptions,
    #[command(flatten)]
    pub gate: GateOptions,
    /// Address of the HTTP door; port 0 takes a free one
    #[arg(
        long,
        env = "SCOREHOST_HTTP",
        hide_env_values = true,
        default_value = "127.0.0.1:8080",
        value_name = "ADDRESS"
    )]
    pub http: SocketAddr,
    /// Address of the gRPC door; port 0 takes a free one
    #[arg(
        long,
        env = "SCOREHOST_GRPC",
        hide_env_values = true,
        default_value = "127.0.0.1:8081",
        value_name = "ADDRESS"
    )]
    pub grpc: SocketAddr,
    /// ONNX Runtime's shared library; the built-in reference executor runs models where none is found
    #[arg(long, env = "SCOREHOST_ONNXRUNTIME", hide_env_values = true, value_name = "FILE")]
    pub onnxruntime: Option<PathBuf>,
    /// Threads that accept and answer requests [default: cores of the machine]
    #[arg(long, env = "SCOREHOST_THREADS", hide_env_values = true, value_name = "N")]
    pub threads: Option<NonZeroUsize>,
    /// Threads that one model run may use [default: cores of the machine]
    #[arg(long, env = "SCOREHOST_MODEL_THREADS", hide_env_values = true, value_name = "N")]
    pub model_threads: Option<NonZeroUsize>,
    /// Where models run whose computation takes less than a call of ONNX Runtime does
    #[arg(long, env = "SCOREHOST_SMALL_MODELS", hide_env_values = true, value_enum, default_value_t = SmallModels::BuiltIn, value_name = "WHERE")]
    pub small_models: SmallModels,
    /// Memory of models
    #[command(flatten)]
    pub models: ModelOptions,
    #[command(flatten)]
    pub devices: DeviceOptions,
    /// Models that all services may use together; the next one is refused at deploy
    #[arg(long, env = "SCOREHOST_MAX_MODELS", hide_env_values = true, default_value_t = 1000, value_name = "N")]
    pub max_models: usize,
    /// Versions that one service may have; the next one is refused at deploy
    #[arg(long, env = "SCOREHOST_MAX_VERSIONS", hide_env_values = true, default_value = "6", value_name = "N")]
    pub max_versions: NonZeroUsize,
    /// Live scorer instances of all services together
    #[arg(long, env = "SCOREHOST_MAX_REPLICAS", hide_env_values = true, default_value_t = 4096, value_name = "N")]
    pub max_replicas: u32,
    /// Shares of replicas
    #[command(flatten)]
    pub scaling: ScalingOptions,
    /// Bytes of a request's body
    #[arg(
        long,
        env = "SCOREHOST_MAX_BODY_BYTES",
        hide_env_values = true,
        default_value_t = 100_000_000,
        value_name = "N"
    )]
    pub max_body_bytes: u64,
    /// Longest time of a deployment, in seconds
    #[arg(
        long,
        env = "SCOREHOST_OPERATION_TIMEOUT",
        hide_env_values = true,
        default_value_t = 600,
        value_name = "SECONDS"
    )]
    pub operation_timeout: u64,
    /// Longest wait for requests to end after SIGTERM, in seconds
    #[arg(long, env = "SCOREHOST_DRAIN_TIMEOUT", hide_env_values = true, default_value_t = 30, value_name = "SECONDS")]
    pub drain_timeout: u64,
    /// Object store that finished files of collected data are copied to: s3://BUCKET/PREFIX, az://CONTAINER/PREFIX,
    /// gs://BUCKET/PREFIX or file:///FOLDER; credentials come from the store's own variables, such as AWS_ACCESS_KEY_ID
    #[arg(long, env = "SCOREHOST_COLLECT_TO", hide_env_values = true, value_name = "URL")]
    pub collect_to: Option<String>,
    /// How long a file of collected data is written before it is finished and copied, in seconds
    #[arg(
        long,
        env = "SCOREHOST_COLLECT_INTERVAL",
        hide_env_values = true,
        default_value = "60",
        requires = "collect_to",
        value_name = "SECONDS"
    )]
    pub collect_interval: std::num::NonZeroU64,
    /// Origin that browsers may call from, '*' for all; may be repeated
    #[arg(
        long = "cors-origin",
        env = "SCOREHOST_CORS_ORIGINS",
        hide_env_values = true,
        value_delimiter = ',',
        value_name = "ORIGIN"
    )]
    pub cors_origins: Vec<String>,
    /// TLS of both doors
    #[command(flatten)]
    pub tls: TlsOptions,
    /// Metrics, traces and the access log
    #[command(flatten)]
    pub observe: ObserveOptions,
    /// Which log lines are written: a level, or target=level pairs
    #[arg(long, env = "SCOREHOST_LOG", hide_env_values = true, default_value = "info", value_name = "FILTER")]
    pub log: String,
    /// How log lines look
    #[arg(long, env = "SCOREHOST_LOG_FORMAT", hide_env_values = true, value_enum, default_value_t = LogFormat::Text, value_name = "FORMAT")]
    pub log_format: LogFormat,
}
