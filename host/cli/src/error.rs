//! How a command fails: what was tried, why it did not work, what to do next, and the exit code.

use std::io;
use std::path::PathBuf;

use scorehost_build::BuildError;
use scorehost_control::wire;
use scorehost_core::{ErrorKind, Failure};

/// Why a command failed.
#[derive(Debug, thiserror::Error)]
pub enum CliError {
    /// A server or a room said no.
    #[error("could not {doing}")]
    Failed {
        /// What was tried, after "could not".
        doing: String,
        /// Why not.
        failure: Failure,
    },
    /// An operation ended without success.
    #[error("could not {} service '{}': {}", operation.action, operation.service, operation.state.name())]
    Operation {
        /// How it ended.
        operation: Box<wire::Operation>,
        /// Last lines of the service's log.
        log: Vec<String>,
    },
    /// A service answered with a status that is no success.
    #[error("service '{service}' answered {status}")]
    Answer {
        /// The service.
        service: String,
        /// HTTP status.
        status: u16,
        /// Its message.
        message: String,
    },
    /// A scorer failed in a local run.
    #[error("the scorer failed")]
    Scorer {
        /// Why; `detail` holds the backtrace.
        failure: Failure,
    },
    /// A scorer was not built.
    #[error("could not build the scorer")]
    Build(#[source] BuildError),
    /// A scan found what must not run.
    #[error("the component should not be deployed")]
    Scan {
        /// Known flaws that count.
        flaws: usize,
        /// From which severity on they count.
        level: &'static str,
        /// Why a host would refuse it.
        refused: Vec<String>,
    },
    /// A file could not be used.
    #[error("could not {action} '{}'", path.display())]
    File {
        /// What was tried.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// Standard output could not be written.
    #[error("could not write the result")]
    Output(#[from] io::Error),
}

/// Gives a failure the words for what was tried.
pub(crate) trait Doing<T> {
    /// `doing` follows "could not".
    fn doing(self, doing: impl FnOnce() -> String) -> Result<T, CliError>;
}

impl<T, E: Into<Failure>> Doing<T> for Result<T, E> {
    fn doing(self, doing: impl FnOnce() -> String) -> Result<T, CliError> {
        self.map_err(|error| CliError::Failed { doing: doing(), failure: error.into() })
    }
}

impl CliError {
    /// Whether the reader of standard output has gone.
    pub(crate) fn is_broken_pipe(&self) -> bool {
        matches!(self, Self::Output(error) if error.kind() == io::ErrorKind::BrokenPipe)
    }

    /// The process's exit code: 1 other failures, 2 invalid input, 3 not found, 4 conflict, 5 server not reachable or
    /// busy, 6 time limit, 7 a scorer or its build failed.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Failed { failure, .. } | Self::Scorer { failure } => code(failure.kind),
            Self::Operation { operation, .. } => {
                operation.error.clone().map_or(1, |error| code(Failure::from(error).kind))
            }
            Self::Answer { status, .. } => match status {
                404 => 3,
                409 => 4,
                503 => 5,
                504 => 6,
                502 => 7,
                400..=499 => 2,
                _ => 1,
            },
            Self::Build(BuildError::Compiler { .. }) => 7,
            Self::Build(BuildError::Io { .. } | BuildError::Install { .. } | BuildError::Toolchain { .. }) => 1,
            Self::Build(_) => 2,
            Self::File { source, .. } if source.kind() == io::ErrorKind::NotFound => 3,
            Self::Output(error) if error.kind() == io::ErrorKind::BrokenPipe => 0,
            Self::File { .. } | Self::Output(_) | Self::Scan { .. } => 1,
        }
    }

    /// `error:`, the cause indented, `hint:`.
    pub(crate) fn render(&self) -> String {
        let mut text = format!("error: {self}\n");
        for line in self.cause().lines() {
            text += &format!("  {line}\n");
        }
        if let Some(hint) = self.hint() {
            text += &format!("hint: {hint}\n");
        }
        text
    }

    fn cause(&self) -> String {
        match self {
            Self::Failed { failure, .. } => failure.to_string(),
            Self::Scorer { failure } => with_detail(failure.to_string(), failure.detail.as_deref()),
            Self::Operation { operation, log } => {
                let mut message = operation.error.as_ref().map(|error| error.message.clone()).unwrap_or_default();
                if let Some(remains) = &operation.remains {
                    message += &format!("\n{remains}");
                }
                if log.is_empty() { message } else { format!("{message}\nlog of the service:\n{}", log.join("\n")) }
            }
            Self::Answer { message, .. } => message.clone(),
            Self::Build(error) => with_detail(error.to_string(), error.output()),
            Self::Scan { flaws, level, refused } => {
                let mut lines = refused.clone();
                if *flaws > 0 {
                    lines.push(format!("known flaws of severity {level} or worse: {flaws}"));
                }
                lines.join("\n")
            }
            Self::File { source, .. } | Self::Output(source) => source.to_string(),
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::Failed { failure, .. } | Self::Scorer { failure } => failure.hint.as_ref().map(ToString::to_string),
            Self::Operation { operation, .. } => {
                let hint = operation.error.as_ref().and_then(|error| error.hint.clone());
                Some(hint.unwrap_or_else(|| format!("scorehost service logs {}", operation.service)))
            }
            Self::Answer { service, status, .. } => match status {
                401 | 403 => Some(format!(
                    "give a key with SCOREHOST_KEY; who may see it finds it with: scorehost service keys {service}"
                )),
                404 => Some("scorehost service list".to_owned()),
                500..=599 => Some(format!("scorehost service logs {service}")),
                _ => None,
            },
            Self::Build(error) => error.hint(),
            Self::Scan { flaws, .. } if *flaws > 0 => {
                Some("build it with the versions that mend them, or accept them with --fail-on".to_owned())
            }
            Self::Scan { .. } => Some("docs/reference/sandbox.md says what is granted".to_owned()),
            Self::File { .. } | Self::Output(_) => None,
        }
    }
}

const fn code(kind: ErrorKind) -> u8 {
    match kind {
        ErrorKind::InvalidInput | ErrorKind::TooLarge | ErrorKind::Unsupported => 2,
        ErrorKind::NotFound => 3,
        ErrorKind::Conflict => 4,
        ErrorKind::Unavailable | ErrorKind::Overloaded => 5,
        ErrorKind::Deadline => 6,
        ErrorKind::ScorerFault => 7,
        ErrorKind::Unauthenticated | ErrorKind::Forbidden | ErrorKind::Internal => 1,
    }
}

fn with_detail(message: String, detail: Option<&str>) -> String {
    match detail {
        Some(detail) => format!("{message}\n{}", detail.trim_end()),
        None => message,
    }
}
