//! The JSON documents of the management API, shared by its server and its client.

use std::collections::BTreeMap;

use scorehost_core::{ErrorKind, Failure};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Body of `POST /models`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NewModel {
    /// Name; the server adds the version.
    pub name: String,
    /// For people.
    #[serde(default)]
    pub description: String,
    /// Free key-value pairs.
    #[serde(default)]
    pub tags: BTreeMap<String, String>,
    /// Files, their contents uploaded before.
    pub files: Vec<ModelFile>,
}

/// One file of a model.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModelFile {
    /// Path below the model's folder, `/`-separated.
    pub path: String,
    /// `sha256:…` of the content.
    pub digest: String,
    /// Bytes.
    pub size: u64,
}

/// A registered model.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Model {
    /// `name:version`.
    pub id: String,
    /// Name.
    pub name: String,
    /// Version, from 1 on.
    pub version: u32,
    /// For people.
    pub description: String,
    /// Free key-value pairs.
    pub tags: BTreeMap<String, String>,
    /// Unix time of registration, in seconds.
    pub created: u64,
    /// Bytes of all files.
    pub size: u64,
    /// Files, sorted by path.
    pub files: Vec<ModelFile>,
}

/// Answer of `GET /models`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Models {
    /// Sorted by name, then version.
    pub models: Vec<Model>,
}

/// Body of `PUT /services/{name}`.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Deployment {
    /// `name:version`, or `name` for the newest version.
    pub models: Vec<String>,
    /// `sha256:…` of an uploaded component; none for a no-code service.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scorer: Option<String>,
    /// Content of a `deploymentconfig.json`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deployment: Option<Value>,
    /// Variables that the scorer can read.
    #[serde(default)]
    pub variables: BTreeMap<String, String>,
}

/// What a service is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ServiceState {
    /// Being made.
    Transitioning,
    /// Answers.
    Healthy,
    /// Could not be made; see the message.
    Failed,
    /// Unloaded; its description is kept.
    Stopped,
}

impl ServiceState {
    /// Name as it is in the JSON.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Transitioning => "Transitioning",
            Self::Healthy => "Healthy",
            Self::Failed => "Failed",
            Self::Stopped => "Stopped",
        }
    }
}

/// A service.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Service {
    /// Name.
    pub name: String,
    /// What it is doing.
    pub state: ServiceState,
    /// Phase while it is made, cause where it failed.
    pub message: Option<String>,
    /// `no-code` or `scorer`.
    pub kind: String,
    /// `sha256:…` of the component.
    pub scorer: Option<String>,
    /// `name:version` of its models.
    pub models: Vec<String>,
    /// Names of its variables; values may be secret and are not shown.
    pub variables: Vec<String>,
    /// Settings in force.
    pub settings: Settings,
    /// Operation under way.
    pub operation: Option<String>,
    /// Path of the scoring URI on the HTTP door.
    pub scoring_path: String,
    /// Path of the Open Inference Protocol on the HTTP door.
    pub inference_path: String,
    /// Unix time of the first deployment, in seconds.
    pub created: u64,
    /// Unix time of the last change, in seconds.
    pub updated: u64,
}

/// Settings of a service, in the words of `deploymentconfig.json`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Settings {
    /// Replicas at least.
    pub min_replicas: u32,
    /// Replicas at most.
    pub max_replicas: u32,
    /// Requests that one replica handles at a time.
    pub max_concurrent_requests_per_container: u32,
    /// Longest time in the queue, in milliseconds.
    pub max_queue_wait_ms: u64,
    /// Requests that may wait at once.
    pub max_queue: u32,
    /// Longest time of one scoring call, in milliseconds.
    pub scoring_timeout_ms: u64,
    /// Linear memory of one replica, in bytes.
    pub memory_bytes: u64,
    /// Whether collected data is stored.
    pub collect: bool,
}

/// Answer of `GET /services`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Services {
    /// Sorted by name.
    pub services: Vec<Service>,
}

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
    /// `deploy`, `delete`, `load` or `unload`.
    pub action: String,
    /// Service it works upon.
    pub service: String,
    /// How far it is.
    pub state: OperationState,
    /// What it does at the moment, or did last.
    pub phase: String,
    /// Counts changes; give it as `after` to wait for the next one.
    pub revision: u64,
    /// What the deployment asked for and this host does not do.
    pub warnings: Vec<String>,
    /// Unix time of the start, in milliseconds.
    pub started_ms: u64,
    /// Unix time of the last change, in milliseconds.
    pub updated_ms: u64,
    /// Why it did not succeed.
    pub error: Option<Error>,
}

/// Answer of `GET /operations`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Operations {
    /// Newest first.
    pub operations: Vec<Operation>,
}

/// Body of every answer that is not a success.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Refusal {
    /// Why.
    pub error: Error,
}

/// A failure as JSON.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Error {
    /// Snake-case name of the kind.
    pub kind: String,
    /// What failed and what was expected.
    pub message: String,
    /// The next step.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
}

impl From<&Failure> for Error {
    fn from(failure: &Failure) -> Self {
        Self {
            kind: failure.kind.name().to_owned(),
            message: failure.message.to_string(),
            hint: failure.hint.as_ref().map(ToString::to_string),
        }
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        let kind = ErrorKind::ALL.into_iter().find(|kind| kind.name() == error.kind).unwrap_or(ErrorKind::Internal);
        let failure = Self::new(kind, error.message);
        match error.hint {
            Some(hint) => failure.with_hint(hint),
            None => failure,
        }
    }
}

/// A device of the host.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Device {
    /// Name, such as `cpu`.
    pub name: String,
    /// What executes on it, such as `ONNX Runtime 1.23`.
    pub executor: String,
    /// Whether models can run on it.
    pub available: bool,
    /// What it is, or why it cannot be used.
    pub detail: String,
}

/// Answer of `GET /devices`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Devices {
    /// In order of preference.
    pub devices: Vec<Device>,
}

/// Answer of `GET /version`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Version {
    /// Version of the server.
    pub version: String,
    /// Address of the HTTP door.
    pub http: String,
    /// Address of the gRPC door.
    pub grpc: Option<String>,
}
