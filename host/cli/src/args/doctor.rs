//! The preflight, as it is written on the command line.

use std::path::PathBuf;

use clap::Args;
use scorehost_core::ServiceName;

use crate::doctor::Phase;

#[derive(Debug, Args)]
pub(crate) struct DoctorArgs {
    /// Phase to check; may be repeated [default: host, devices, build, and with --server or SCOREHOST_URL those of a server]
    #[arg(long = "phase", value_enum, value_name = "PHASE")]
    pub(crate) phases: Vec<Phase>,
    /// Data directory of a server on this machine
    #[arg(long, env = "SCOREHOST_DATA_DIR", hide_env_values = true, value_name = "DIR")]
    pub(crate) data_dir: Option<PathBuf>,
    /// ONNX Runtime's shared library
    #[arg(long, env = "SCOREHOST_ONNXRUNTIME", hide_env_values = true, value_name = "FILE")]
    pub(crate) onnxruntime: Option<PathBuf>,
    /// Only this service, in the phase score [default: all]
    #[arg(long, value_name = "SERVICE")]
    pub(crate) service: Option<ServiceName>,
    /// JSON file that the service is to score
    #[arg(long, requires = "service", value_name = "FILE")]
    pub(crate) sample: Option<PathBuf>,
    /// Issuers as given to serve
    #[arg(
        long = "issuer",
        env = "SCOREHOST_ISSUERS",
        hide_env_values = true,
        value_delimiter = ' ',
        value_name = "URL[,AUDIENCE...][,jwks=URL]"
    )]
    pub(crate) issuers: Vec<String>,
    /// Certificates that issuers' servers are trusted by, as given to serve
    #[arg(long, env = "SCOREHOST_ISSUER_CA", hide_env_values = true, value_name = "FILE")]
    pub(crate) issuer_ca: Option<PathBuf>,
    /// Where collected data goes: the URL of an object store, or a folder
    #[arg(long, value_name = "URL")]
    pub(crate) collection: Option<String>,
    /// Longest time of a check, in seconds
    #[arg(long, default_value_t = 10, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..=600))]
    pub(crate) within: u64,
}
