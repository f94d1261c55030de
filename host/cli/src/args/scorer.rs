use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::gate::Level;
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
    /// Check a component before it runs: what it can reach, what a deployment would give it, known flaws of its parts
    Scan(ScanArgs),
    /// Make a pair of keys to sign components with
    Keygen {
        /// File for the private key; the public key goes to the same name with .pub
        #[arg(short, long = "out", value_name = "KEY")]
        out: PathBuf,
    },
    /// Sign a component
    Sign {
        /// Component to sign
        #[arg(value_name = "OUT.wasm")]
        component: PathBuf,
        /// Private key, as PEM
        #[arg(long, value_name = "KEY")]
        key: PathBuf,
        /// Signature to write [default: the component's name with .sig]
        #[arg(short, long = "out", value_name = "FILE")]
        out: Option<PathBuf>,
    },
    /// Check a component's signature
    Verify {
        /// Component that was signed
        #[arg(value_name = "OUT.wasm")]
        component: PathBuf,
        /// Its signature [default: the component's name with .sig]
        #[arg(long, value_name = "FILE")]
        signature: Option<PathBuf>,
        /// Public key, as PEM
        #[arg(long, value_name = "FILE")]
        public_key: PathBuf,
    },
}

#[derive(Debug, Args)]
pub(crate) struct ScanArgs {
    /// Component to scan
    #[arg(value_name = "OUT.wasm")]
    pub(crate) component: PathBuf,
    /// Known flaws of packages, in the OSV format
    #[arg(long, value_name = "FILE")]
    pub(crate) advisories: Option<PathBuf>,
    /// deploymentconfig.json that it would be deployed with
    #[arg(long, value_name = "FILE")]
    pub(crate) dc: Option<PathBuf>,
    /// Exit with 1 where there is a known flaw of this severity or worse
    #[arg(long, value_enum, default_value_t, value_name = "SEVERITY")]
    pub(crate) fail_on: Level,
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
    /// Host that the scorer may send HTTP requests to, with a port where it is not 80 or 443; may be repeated
    #[arg(long, value_name = "HOST[:PORT]")]
    pub(crate) outbound: Vec<String>,
    /// The same for a host whose name leads to this machine or a private network
    #[arg(long, value_name = "HOST[:PORT]")]
    pub(crate) outbound_private: Vec<String>,
    /// ONNX Runtime's shared library
    #[arg(long, env = "SCOREHOST_ONNXRUNTIME", hide_env_values = true, value_name = "FILE")]
    pub(crate) onnxruntime: Option<PathBuf>,
}
