//! The JSON documents of the management API, shared by its server and its client.

use std::collections::BTreeMap;

use scorehost_core::{ErrorKind, Failure};
use serde::{Deserialize, Serialize};

mod credential;
mod endpoint;
mod operation;
mod recording;
mod report;
mod service;

pub use credential::{Credential, Credentials, MadeCredential, NewCredential, Rotate, SigningKey, WhoAmI};
pub use endpoint::{KeyType, Keys, Regenerate, Shadow, Sticky, Token, Traffic};
pub use operation::{LogLine, Operation, OperationState, Operations};
pub use recording::{Part, Recording, RecordingShown, Recordings, Removed, Replay, ReplayReport, Replayed};
pub use report::{Differences, Report, VersionFigures};
pub use service::{
    Auth, Deployment, Manifest, Reach, Replicas, Scale, Service, ServiceState, ServiceVersion, ServiceVersions,
    Services, Settings, Update,
};

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

/// Answer of `GET /memory`: the memory that loaded models take.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ModelMemory {
    /// Bytes that all may hold; no limit where it is absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub budget: Option<u64>,
    /// Bytes that they hold.
    pub loaded_bytes: u64,
    /// Loads since the host started, reloads included.
    pub loads: u64,
    /// Evictions since the host started.
    pub evictions: u64,
    /// Models of deployments, the most recently used first; those that share their weights are one.
    pub models: Vec<LoadedModel>,
}

/// A model of a deployment, in memory or evicted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LoadedModel {
    /// `name:version` of the model that its weights were loaded for first.
    pub model: String,
    /// Digest of its graph, or of its folder where the weights are in files of their own.
    pub digest: String,
    /// What it runs on: `cpu`, `gpu` or `fpga`.
    #[serde(default)]
    pub device: String,
    /// Bytes that it holds, or held when it was loaded last, as measured.
    pub bytes: u64,
    /// Whether it is loaded.
    pub loaded: bool,
    /// Whether it is never evicted.
    pub pinned: bool,
    /// Calls that use it now.
    pub users: u32,
    /// Milliseconds since its last call; absent where there was none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub idle_ms: Option<u64>,
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
