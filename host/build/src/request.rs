//! What is asked of a build, and what it gives.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use scorehost_core::Digest;

use crate::suggest::did_you_mean;
use crate::{BuildError, PythonPackages};

/// The language of a scorer's source.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Language {
    /// A cargo package with a `cdylib`.
    Rust,
    /// A module with `init()` and `run()`.
    Python,
    /// An ES module.
    JavaScript,
    /// C sources.
    C,
}

impl Language {
    /// Every language.
    pub const ALL: [Self; 4] = [Self::Rust, Self::Python, Self::JavaScript, Self::C];

    /// The name used on the command line and in `scorehost.toml`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Rust => "rust",
            Self::Python => "python",
            Self::JavaScript => "javascript",
            Self::C => "c",
        }
    }
}

impl fmt::Display for Language {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Language {
    type Err = BuildError;

    fn from_str(name: &str) -> Result<Self, BuildError> {
        Self::ALL.into_iter().find(|language| language.name() == name).ok_or_else(|| BuildError::Language {
            name: name.to_owned(),
            suggestion: did_you_mean(name, Self::ALL.map(Self::name)),
        })
    }
}

/// Which of the two worlds of `scorehost:scoring` a scorer implements.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum World {
    /// Tensors in, tensors out.
    Scorer,
    /// A request body in, a response out.
    #[default]
    EntryScript,
}

impl World {
    /// The world's name in WIT.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Scorer => "scorer",
            Self::EntryScript => "entry-script",
        }
    }
}

/// A scorer to build.
#[derive(Clone, Debug, Default)]
pub struct BuildRequest {
    /// The folder of the source.
    pub source: PathBuf,
    /// Where to write the component; `None` only returns it.
    pub out: Option<PathBuf>,
    /// The main file below `source`; overrides `scorehost.toml` and detection.
    pub entry: Option<String>,
    /// Python packages that the scorer needs; overrides the environment file that `scorehost.toml` names.
    pub python: Option<PythonPackages>,
}

/// Where the component came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CacheUse {
    /// `.scorehost/cache` in the source folder.
    Workspace,
    /// The user's shared cache.
    Shared,
    /// Neither had it: a compiler ran.
    Built,
}

impl CacheUse {
    /// How the component was had, for people.
    #[must_use]
    pub const fn description(self) -> &'static str {
        match self {
            Self::Workspace => "found in the workspace cache",
            Self::Shared => "found in the shared cache",
            Self::Built => "built",
        }
    }
}

/// A built scorer.
#[derive(Clone, Debug)]
pub struct BuildOutcome {
    /// The component.
    pub component: Vec<u8>,
    /// SHA-256 of the component.
    pub digest: Digest,
    /// Where it came from.
    pub cache: CacheUse,
    /// How long finding or building took.
    pub took: Duration,
    /// The source's language.
    pub language: Language,
    /// The compiler that made it, such as `componentize-py 0.25.1`.
    pub toolchain: String,
    /// What the tools printed; empty where a cache had the component.
    pub log: String,
}
