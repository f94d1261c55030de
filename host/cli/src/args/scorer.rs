use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::pair;

#[derive(Debug, Subcommand)]
pub(crate) enum ScorerCommand {
    /// Make a new scorer from a template
    New {
        /// rust, python, javascript or c
        #[arg(value_name = "LANG")]
        language: String,
        /// Folder to make
        dir: PathBuf,
    },
    /// Compile a scorer's source to a component; answers from the build cache where nothing changed
    Build {
        /// Folder of the source
        dir: PathBuf,
        /// Component to write
        #[arg(short, long = "out", value_name = "OUT.wasm")]
        out: PathBuf,
    },
    /// Show what a component is and what it can reach
    Inspect {
        /// Component to read
        #[arg(value_name = "OUT.wasm")]
        component: PathBuf,
    },
}

#[derive(Debug, Args)]
pub(crate) struct RunArgs {
    /// Component to run
    #[arg(long, value_name = "OUT.wasm")]
    pub(crate) scorer: PathBuf,
    /// Model files or folders; the scorer opens each by its name without extension, or by the NAME given
    #[arg(short = 'm', long = "model", num_args = 1.., value_name = "[NAME=]FILE")]
    pub(crate) models: Vec<String>,
    /// Body of the request; standard input where it is not given or is '-'
    #[arg(long, value_name = "BODY")]
    pub(crate) file: Option<PathBuf>,
    /// Content type of the body
    #[arg(long, default_value = "application/json", value_name = "TYPE")]
    pub(crate) content_type: String,
    /// Variable that the scorer can read; may be repeated
    #[arg(long = "var", value_name = "KEY=VALUE", value_parser = pair)]
    pub(crate) variables: Vec<(String, String)>,
    /// Longest time of the call, in milliseconds
    #[arg(long, default_value_t = 60_000, value_name = "MS", value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) timeout_ms: u64,
    /// Memory of the scorer, in MiB
    #[arg(long, default_value_t = 512, value_name = "MIB", value_parser = clap::value_parser!(u64).range(1..=4096))]
    pub(crate) memory_mib: u64,
    /// Let the scorer see the machine's clocks
    #[arg(long)]
    pub(crate) clock: bool,
    /// Give the scorer real random numbers
    #[arg(long)]
    pub(crate) random: bool,
    /// ONNX Runtime's shared library
    #[arg(long, env = "SCOREHOST_ONNXRUNTIME", hide_env_values = true, value_name = "FILE")]
    pub(crate) onnxruntime: Option<PathBuf>,
}
