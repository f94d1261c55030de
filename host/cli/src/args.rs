//! The command line as it is written.

mod model;
mod scorer;
mod serve;
mod service;

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

pub(crate) use model::{DownloadArgs, ModelCommand, RegisterArgs};
pub(crate) use scorer::{RunArgs, ScorerCommand};
pub use serve::ServeOptions;
pub(crate) use service::{DeployArgs, LogsArgs, OperationCommand, ScoreArgs, ServiceCommand};

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
    /// How results are printed
    #[arg(long, global = true, value_enum, default_value_t, value_name = "FORMAT")]
    pub(crate) output: Format,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Start a server
    Serve(ServeOptions),
    /// Register, list, show, download and delete models
    #[command(subcommand)]
    Model(ModelCommand),
    /// Start, build and inspect scorers
    #[command(subcommand)]
    Scorer(ScorerCommand),
    /// Deploy models, with a scorer or without, as a service, and wait until it answers
    Deploy(DeployArgs),
    /// List, show and delete services, and read their logs
    #[command(subcommand)]
    Service(ServiceCommand),
    /// List, show and cancel operations
    #[command(subcommand)]
    Operation(OperationCommand),
    /// Send a body to a service and print its answer
    Score(ScoreArgs),
    /// Run a scorer once in this process, without a server, and print what it does
    Run(RunArgs),
    /// List devices that models can run on: of this machine, or of the server where one is named
    Devices {
        /// ONNX Runtime's shared library
        #[arg(long, env = "SCOREHOST_ONNXRUNTIME", hide_env_values = true, value_name = "FILE")]
        onnxruntime: Option<PathBuf>,
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
