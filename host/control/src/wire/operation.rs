use serde::{Deserialize, Serialize};

use super::Error;

/// How far an operation is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum OperationState {
    /// Under way.
    Running,
    /// Done.
    Succeeded,
    /// Not done; what was before still is.
    Failed,
    /// Stopped by a caller or by the host's end.
    Cancelled,
    /// Stopped by its time limit.
    TimedOut,
}

impl OperationState {
    /// Name as it is in the JSON.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Running => "Running",
            Self::Succeeded => "Succeeded",
            Self::Failed => "Failed",
            Self::Cancelled => "Cancelled",
            Self::TimedOut => "TimedOut",
        }
    }

    /// Whether it will change no more.
    #[must_use]
    pub const fn finished(self) -> bool {
        !matches!(self, Self::Running)
    }
}

/// An operation.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Operation {
    /// Id, unique over restarts.
    pub id: String,
    /// `deploy`, `update`, `scale`, `traffic`, `promote`, `regenerate key`, `delete version`, `delete`, `load` or `unload`.
    pub action: String,
    /// Service it works upon.
    pub service: String,
    /// Version it works upon; none where it is the whole service.
    #[serde(default)]
    pub version: Option<String>,
    /// How far it is.
    pub state: OperationState,
    /// What it does at the moment, or did last.
    pub phase: String,
    /// Counts changes; give it as `after` to wait for the next one.
    pub revision: u64,
    /// What the deployment asked for and this host does not do.
    pub warnings: Vec<String>,
    /// What it did so far, oldest first; empty in a list of operations.
    #[serde(default)]
    pub log: Vec<LogLine>,
    /// Unix time of the start, in milliseconds.
    pub started_ms: u64,
    /// Unix time of the last change, in milliseconds.
    pub updated_ms: u64,
    /// Why it did not succeed.
    pub error: Option<Error>,
    /// What still holds where it did not succeed: `version 1 answers as before`.
    #[serde(default)]
    pub remains: Option<String>,
}

/// One step of an operation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogLine {
    /// Unix time, in milliseconds.
    pub time_ms: u64,
    /// What was done.
    pub text: String,
}

/// Answer of `GET /operations`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Operations {
    /// Newest first, without their logs.
    pub operations: Vec<Operation>,
}
