use std::path::PathBuf;

use clap::{Args, Subcommand};
use scorehost_core::{ModelId, ModelName};

use super::pair;

#[derive(Debug, Subcommand)]
pub(crate) enum ModelCommand {
    /// Upload a file or a folder as the next version of a model, and print NAME:VERSION
    Register(RegisterArgs),
    /// List registered models
    List {
        /// Only the versions of this model
        #[arg(long)]
        name: Option<ModelName>,
    },
    /// List the models of deployments with what they take of the memory for models, loaded or evicted
    Loaded,
    /// Show a model and its files
    Show {
        /// NAME for the newest version, or NAME:VERSION
        #[arg(value_name = "NAME[:VERSION]")]
        model: String,
    },
    /// Download a model's files into a new folder; it appears only when complete and verified
    Download(DownloadArgs),
    /// Delete one version of a model that no service uses
    Delete {
        /// Model to delete
        #[arg(value_name = "NAME:VERSION")]
        model: ModelId,
    },
}

#[derive(Debug, Args)]
pub(crate) struct RegisterArgs {
    /// Name of the model; the server adds the version
    #[arg(long)]
    pub(crate) name: ModelName,
    /// File, or folder with all files of the model
    #[arg(long, value_name = "FILE_OR_DIR")]
    pub(crate) path: PathBuf,
    /// Key and value to keep with the model; may be repeated
    #[arg(long = "tag", value_name = "KEY=VALUE", value_parser = pair)]
    pub(crate) tags: Vec<(String, String)>,
    /// Text for people
    #[arg(long, default_value = "", hide_default_value = true, value_name = "TEXT")]
    pub(crate) description: String,
}

#[derive(Debug, Args)]
pub(crate) struct DownloadArgs {
    /// Model to download
    #[arg(value_name = "NAME:VERSION")]
    pub(crate) model: ModelId,
    /// Folder to make
    #[arg(short, long = "out", value_name = "DIR")]
    pub(crate) out: PathBuf,
}
