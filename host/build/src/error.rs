//! Why a scorer could not be built.

use std::path::PathBuf;

use scorehost_core::{ErrorKind, Failure};

use crate::Language;

/// Why a scorer could not be built.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// The name of a language that is none.
    #[error("'{name}' is not a language of scorers; there are rust, python, javascript and c")]
    Language { name: String, suggestion: Option<String> },
    /// Nothing in the folder says what it is.
    #[error("{} holds no scorer: no Cargo.toml, score.py, app.js, package.json or .c file, and no scorehost.toml", .0.display())]
    NothingToBuild(PathBuf),
    /// The folder holds sources of several languages and no scorehost.toml.
    #[error("{} could be several languages: {}", .folder.display(), .found.join(", "))]
    Ambiguous { folder: PathBuf, found: Vec<String> },
    /// The main file is not there.
    #[error("{} has no file '{entry}'", .folder.display())]
    NoEntry { folder: PathBuf, entry: String },
    /// A file that configures the build is wrong.
    #[error("{}: {problem}", .file.display())]
    Configuration { file: PathBuf, problem: String, hint: Option<String> },
    /// A tool that the language needs is not on this machine.
    #[error("{language} scorers cannot be built here: {missing}")]
    Toolchain { language: Language, missing: String, install: String },
    /// A tool was found and could not be made to work.
    #[error("could not install {tool}: {problem}")]
    Install { tool: String, problem: String, output: String },
    /// The compiler rejected the source; `output` is what it printed.
    #[error("{tool} could not build the scorer{}", .code.map(|code| format!(" (exit status {code})")).unwrap_or_default())]
    Compiler { tool: String, code: Option<i32>, output: String },
    /// A Python package that cannot run in a sandbox.
    #[error("the Python package '{package}' {problem}")]
    Package { package: String, problem: String },
    /// The compiler's module is no component and cannot become one.
    #[error("the compiled module cannot become a component: {0}")]
    Component(String),
    /// The new project's folder holds something.
    #[error("{} exists and is not empty", .0.display())]
    NotEmpty(PathBuf),
    /// A file could not be read or written.
    #[error("could not {action} {}: {source}", .path.display())]
    Io { action: &'static str, path: PathBuf, source: std::io::Error },
}

impl BuildError {
    pub(crate) fn io(action: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.into();
        move |source| Self::Io { action, path, source }
    }

    /// What the compiler or installer printed, exactly, where one ran.
    #[must_use]
    pub fn output(&self) -> Option<&str> {
        match self {
            Self::Compiler { output, .. } | Self::Install { output, .. } => Some(output),
            _ => None,
        }
    }

    /// Exit status of the compiler, where one ran and exited.
    #[must_use]
    pub const fn exit_code(&self) -> Option<i32> {
        match self {
            Self::Compiler { code, .. } => *code,
            _ => None,
        }
    }

    /// The next step, where there is one.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Language { suggestion, .. } => suggestion.clone(),
            Self::Toolchain { install, .. } => Some(install.clone()),
            Self::Configuration { hint, .. } => hint.clone(),
            Self::Compiler { output, .. } => import_missing(output),
            Self::Ambiguous { .. } => Some("say which in scorehost.toml: language = \"python\"".into()),
            Self::NothingToBuild(_) => Some("start from a template: scorehost scorer new python DIR".into()),
            Self::NotEmpty(_) => Some("name a new folder".into()),
            Self::Package { .. } => Some("only packages written in pure Python run in the sandbox; heavy computation belongs in a model, which the host runs".into()),
            _ => None,
        }
    }
}

/// The line of `scorehost.toml` without which a part of the SDK does not compile, where the compiler says that it misses it.
fn import_missing(output: &str) -> Option<String> {
    let missed = ["scorehost:services", "wasi:http"].into_iter().find(|import| output.contains(import))?;
    Some(format!("this part of the SDK needs the line imports = \"{missed}\" in scorehost.toml"))
}

impl From<BuildError> for Failure {
    fn from(error: BuildError) -> Self {
        let kind = match &error {
            BuildError::Io { .. } | BuildError::Install { .. } => ErrorKind::Internal,
            BuildError::Toolchain { .. } => ErrorKind::Unavailable,
            _ => ErrorKind::InvalidInput,
        };
        let hint = error.hint();
        let output = error.output().map(str::to_owned);
        let mut failure = Self::new(kind, error.to_string());
        if let Some(hint) = hint {
            failure = failure.with_hint(hint);
        }
        match output {
            Some(output) => failure.with_detail(output),
            None => failure,
        }
    }
}
