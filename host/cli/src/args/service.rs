use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};
use scorehost_core::{ServiceName, VersionName};

use super::{pair, percent};

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
    /// Signature of the component, as scorer sign writes it
    #[arg(long, value_name = "FILE", requires = "scorer")]
    pub(crate) signature: Option<PathBuf>,
    /// inferenceconfig.json: builds the scorer first
    #[arg(long, value_name = "FILE", conflicts_with = "scorer")]
    pub(crate) ic: Option<PathBuf>,
    /// deploymentconfig.json: replicas, limits, timeouts
    #[arg(long, value_name = "FILE")]
    pub(crate) dc: Option<PathBuf>,
    /// Variable that the scorer can read; may be repeated
    #[arg(long = "var", value_name = "KEY=VALUE", value_parser = pair)]
    pub(crate) variables: Vec<(String, String)>,
    /// Version to deploy: a new one beside the others, or one to update [default: the default version]
    #[arg(long)]
    pub(crate) version: Option<VersionName>,
    /// Percent of the service's requests that the version gets once it is ready
    #[arg(long, value_name = "PERCENT", value_parser = percent)]
    pub(crate) traffic: Option<f64>,
    /// Let everyone call the service; otherwise a new service asks for one of two keys
    #[arg(long)]
    pub(crate) no_auth: bool,
    /// Wait until the version answers, and print what is done meanwhile; so it is unless --no-wait is given
    #[arg(long, overrides_with = "no_wait")]
    pub(crate) wait: bool,
    /// Print the operation and return at once
    #[arg(long)]
    pub(crate) no_wait: bool,
}

#[derive(Debug, Args)]
pub(crate) struct UpdateArgs {
    /// Name of the service
    pub(crate) service: ServiceName,
    /// Version to change [default: the default version]
    #[arg(long)]
    pub(crate) version: Option<VersionName>,
    /// deploymentconfig.json whose keys take the place of those in force
    #[arg(long, value_name = "FILE")]
    pub(crate) dc: Option<PathBuf>,
    /// Key of deploymentconfig.json and its value; 'null' takes it back to its default; may be repeated
    #[arg(long = "set", value_name = "KEY.PATH=VALUE", value_parser = pair)]
    pub(crate) settings: Vec<(String, String)>,
    /// Other models; may be repeated
    #[arg(short, long = "model", value_name = "NAME[:VERSION]")]
    pub(crate) models: Vec<String>,
    /// Variable that the scorer can read; may be repeated
    #[arg(long = "var", value_name = "KEY=VALUE", value_parser = pair)]
    pub(crate) variables: Vec<(String, String)>,
    /// Variable to remove; may be repeated
    #[arg(long = "unset-var", value_name = "KEY")]
    pub(crate) removed: Vec<String>,
    /// Print the operation and return at once
    #[arg(long)]
    pub(crate) no_wait: bool,
}

#[derive(Debug, Args)]
pub(crate) struct ScaleArgs {
    /// Name of the service
    pub(crate) service: ServiceName,
    /// Version to scale [default: the default version]
    #[arg(long)]
    pub(crate) version: Option<VersionName>,
    /// Always so many replicas
    #[arg(long, value_name = "N", conflicts_with_all = ["min", "max"], required_unless_present_any = ["min", "max"])]
    pub(crate) replicas: Option<u32>,
    /// At least so many; 0 lets the last one go when no request comes
    #[arg(long, value_name = "N")]
    pub(crate) min: Option<u32>,
    /// At most so many
    #[arg(long, value_name = "N")]
    pub(crate) max: Option<u32>,
    /// Print the operation and return at once
    #[arg(long)]
    pub(crate) no_wait: bool,
}

/// One of a service's two keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Key {
    /// The first
    Primary,
    /// The second
    Secondary,
}

#[derive(Debug, Args)]
pub(crate) struct KeysArgs {
    /// Name of the service
    pub(crate) service: ServiceName,
    /// Replace this key first; the other goes on working
    #[arg(long, value_enum, value_name = "KEY")]
    pub(crate) regenerate: Option<Key>,
    /// File with the new key [default: a random one]
    #[arg(long, value_name = "FILE", requires = "regenerate")]
    pub(crate) key_file: Option<PathBuf>,
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
    /// Change settings, variables or models of a version without deploying it again
    Update(UpdateArgs),
    /// Change how many replicas a version has, without making it anew
    Scale(ScaleArgs),
    /// Show the keys of a service, or replace one
    Keys(KeysArgs),
    /// Print a token for a service that asks for tokens
    Token {
        /// Name of the service
        service: ServiceName,
    },
    /// List operations, newest first
    Operations {
        /// Only those of this service
        service: Option<ServiceName>,
    },
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
    /// Lines of this version only
    #[arg(long, value_name = "VERSION")]
    pub(crate) version: Option<VersionName>,
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
    /// File with the service's key or token [default: SCOREHOST_KEY, or this command line's own credential]
    #[arg(long, value_name = "FILE")]
    pub(crate) key_file: Option<PathBuf>,
}
