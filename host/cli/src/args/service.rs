use std::path::PathBuf;

use clap::{Args, Subcommand};
use scorehost_core::ServiceName;

use super::pair;

#[derive(Debug, Args)]
pub(crate) struct DeployArgs {
    /// Name of the service; one of that name is updated without a failed request
    #[arg(short, long)]
    pub(crate) name: ServiceName,
    /// Model to deploy; may be repeated. NAME alone is the newest version
    #[arg(short, long = "model", value_name = "NAME[:VERSION]")]
    pub(crate) models: Vec<String>,
    /// Component that handles requests; without one the only model answers itself
    #[arg(long, value_name = "OUT.wasm")]
    pub(crate) scorer: Option<PathBuf>,
    /// inferenceconfig.json: builds the scorer first
    #[arg(long, value_name = "FILE", conflicts_with = "scorer")]
    pub(crate) ic: Option<PathBuf>,
    /// deploymentconfig.json: replicas, limits, timeouts
    #[arg(long, value_name = "FILE")]
    pub(crate) dc: Option<PathBuf>,
    /// Variable that the scorer can read; may be repeated
    #[arg(long = "var", value_name = "KEY=VALUE", value_parser = pair)]
    pub(crate) variables: Vec<(String, String)>,
    /// Print the operation and return at once
    #[arg(long)]
    pub(crate) no_wait: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum ServiceCommand {
    /// List services
    List,
    /// Show a service, its settings and its addresses
    Show {
        /// Name of the service
        service: ServiceName,
    },
    /// Print a service's log
    Logs(LogsArgs),
    /// Stop and forget a service
    Delete {
        /// Name of the service
        service: ServiceName,
        /// Print the operation and return at once
        #[arg(long)]
        no_wait: bool,
    },
}

#[derive(Debug, Args)]
pub(crate) struct LogsArgs {
    /// Name of the service
    pub(crate) service: ServiceName,
    /// Stay and print lines as they come
    #[arg(short, long)]
    pub(crate) follow: bool,
    /// Lines to start with
    #[arg(long, default_value_t = 100, value_name = "N")]
    pub(crate) tail: u64,
}

#[derive(Debug, Subcommand)]
pub(crate) enum OperationCommand {
    /// List operations, newest first
    List,
    /// Show an operation
    Show {
        /// Id of the operation
        id: String,
        /// Stay until it has ended
        #[arg(long)]
        wait: bool,
    },
    /// Stop an operation; what ran before runs on
    Cancel {
        /// Id of the operation
        id: String,
    },
}

#[derive(Debug, Args)]
pub(crate) struct ScoreArgs {
    /// Name of the service
    pub(crate) service: ServiceName,
    /// Body of the request; standard input where it is not given or is '-'
    #[arg(long, value_name = "BODY")]
    pub(crate) file: Option<PathBuf>,
    /// Content type of the body
    #[arg(long, default_value = "application/json", value_name = "TYPE")]
    pub(crate) content_type: String,
}
