//! The command line as it is written.

mod access;
mod device;
mod doctor;
mod endpoint;
mod gate;
mod model;
mod models;
mod observe;
mod scaling;
mod schema;
mod scorer;
mod serve;
mod service;
mod tls;

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

pub use access::AuthOptions;
pub(crate) use access::CredentialCommand;
pub use device::{DeviceOptions, ModelDevice, ModelPrecision};
pub(crate) use doctor::DoctorArgs;
pub(crate) use endpoint::{EndpointCommand, RecordingsArgs, ReplayArgs, StickyArgs};
pub use gate::{AdvisoryPolicy, GateOptions, Level};
pub(crate) use model::{DownloadArgs, ModelCommand, RegisterArgs};
pub use models::{Limit, ModelOptions};
pub use observe::ObserveOptions;
pub use scaling::ScalingOptions;
pub(crate) use scaling::{Policy, SimulateArgs, SizeArgs};
pub(crate) use schema::SchemaFile;
pub(crate) use scorer::{RunArgs, ScanArgs, ScorerCommand};
pub use serve::ServeOptions;
pub(crate) use service::{
    DeployArgs, Key, KeysArgs, LogsArgs, OperationCommand, ScaleArgs, ScoreArgs, ServiceCommand, UpdateArgs,
};
pub use tls::{ClientAuth, OldestTls, TlsOptions};

use crate::screen::Format;

/// Exit codes, for the end of the help.
const EXIT_CODES: &str = "Exit codes: 0 done; 1 failed; 2 invalid input; 3 not found; 4 conflict with another operation or use; \
5 server not reachable or busy; 6 time limit; 7 a scorer or its build failed.";

/// Deploys machine-learning models behind sandboxed scorers, and scores them.
#[derive(Debug, Parser)]
#[command(name = "scorehost", version, after_help = EXIT_CODES, propagate_version = true)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// Options of every command.
#[derive(Debug, Args)]
pub(crate) struct Global {
    /// Server to talk to [default: http://127.0.0.1:8080]
    #[arg(long, global = true, env = "SCOREHOST_URL", hide_env_values = true, value_name = "URL")]
    pub(crate) server: Option<String>,
    #[command(flatten)]
    pub(crate) trust: Trust,
    /// File with the credential to show to the server [default: SCOREHOST_TOKEN, a login, or that of the same user's server]
    #[arg(long, global = true, env = "SCOREHOST_TOKEN_FILE", hide_env_values = true, value_name = "FILE")]
    pub(crate) token_file: Option<PathBuf>,
    /// How results are printed
    #[arg(long, global = true, value_enum, default_value_t, value_name = "FORMAT")]
    pub(crate) output: Format,
}

/// Files for a server behind https.
#[derive(Debug, Args)]
pub(crate) struct Trust {
    /// Authorities to trust where the server speaks https, or its self-signed certificate, as PEM [default: the system's]
    #[arg(long, global = true, env = "SCOREHOST_CA", hide_env_values = true, value_name = "FILE")]
    pub(crate) ca: Option<PathBuf>,
    /// Certificate to show to a server that asks for one, as PEM
    #[arg(
        long,
        global = true,
        env = "SCOREHOST_CLIENT_CERT",
        hide_env_values = true,
        requires = "client_key",
        value_name = "FILE"
    )]
    pub(crate) client_cert: Option<PathBuf>,
    /// Private key of that certificate, as PEM
    #[arg(
        long,
        global = true,
        env = "SCOREHOST_CLIENT_KEY",
        hide_env_values = true,
        requires = "client_cert",
        value_name = "FILE"
    )]
    pub(crate) client_key: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
#[expect(clippy::large_enum_variant, reason = "one of them is made in the life of a process")]
pub(crate) enum Command {
    /// Start a server
    Serve(ServeOptions),
    /// Register, list, show, download and delete models
    #[command(subcommand)]
    Model(ModelCommand),
    /// Start, build, inspect, scan and sign scorers
    #[command(subcommand)]
    Scorer(ScorerCommand),
    /// Deploy models, with a scorer or without, as a service, and wait until it answers
    Deploy(DeployArgs),
    /// List, show, change, scale and delete services, read their logs, show their keys
    #[command(subcommand)]
    Service(ServiceCommand),
    /// Divide a service's requests between its versions, and compare them
    #[command(subcommand)]
    Endpoint(EndpointCommand),
    /// List, show and cancel operations
    #[command(subcommand)]
    Operation(OperationCommand),
    /// Send a body to a service and print its answer
    Score(ScoreArgs),
    /// Run a scorer once in this process, without a server, and print what it does
    Run(RunArgs),
    /// Compute how many replicas a load needs
    Size(SizeArgs),
    /// Play made-up or recorded traffic against this host's autoscaler and two others, and compare what they do
    Simulate(SimulateArgs),
    /// Check what this machine and a server need, phase by phase, and say what to fix
    Doctor(DoctorArgs),
    /// List devices that models can run on: of this machine, or of the server where one is named
    Devices {
        /// ONNX Runtime's shared library
        #[arg(long, env = "SCOREHOST_ONNXRUNTIME", hide_env_values = true, value_name = "FILE")]
        onnxruntime: Option<PathBuf>,
    },
    /// Keep a credential for a server, so that later commands find it; reads it from the terminal or standard input
    Login {
        /// The server, such as https://scores.example
        url: String,
    },
    /// Forget the credential that login kept for a server
    Logout {
        /// The server
        url: String,
    },
    /// Make, list and revoke credentials for the management of a server, and change the key that signs tokens
    #[command(subcommand)]
    Credential(CredentialCommand),
    /// Print the JSON Schema of a configuration file, with which editors complete and check it
    Schema {
        /// The file
        #[arg(value_enum, value_name = "FILE")]
        file: SchemaFile,
    },
    /// Print a completion script for a shell
    Completions {
        /// Shell to complete in
        shell: clap_complete::Shell,
    },
    /// Print the version of this program, and of the server where one answers
    Version,
    /// Print the reference page of the command line
    #[command(hide = true)]
    Reference,
}

/// `KEY=VALUE`.
fn pair(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if !key.is_empty() => Ok((key.to_owned(), value.to_owned())),
        _ => Err("expected KEY=VALUE".to_owned()),
    }
}

/// `VERSION=PERCENT`.
fn share(text: &str) -> Result<(scorehost_core::VersionName, f64), String> {
    let (version, share) = text.split_once('=').ok_or("expected VERSION=PERCENT, such as v2=10")?;
    Ok((version.parse().map_err(|error: scorehost_core::IdError| error.to_string())?, percent(share)?))
}

/// A number from 0 to 100.
fn percent(text: &str) -> Result<f64, String> {
    let number = text.trim_end_matches('%').parse::<f64>().ok().filter(|number| (0.0..=100.0).contains(number));
    number.ok_or_else(|| "expected a number from 0 to 100".to_owned())
}
