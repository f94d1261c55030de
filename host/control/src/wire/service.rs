use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::Traffic;

/// Body of `PUT /services/{name}`: a version of a service, whole.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Deployment {
    /// `name:version`, or `name` for the newest version.
    pub models: Vec<String>,
    /// `sha256:…` of an uploaded component; none for a no-code service.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scorer: Option<String>,
    /// Signature of the component: the line that `scorehost scorer sign` writes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signature: Option<String>,
    /// Content of a `deploymentconfig.json`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deployment: Option<Value>,
    /// Variables that the scorer can read.
    #[serde(default)]
    pub variables: BTreeMap<String, String>,
    /// Which version; the default one, or `1` for a new service, where none is named.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// Percent of the service's requests that this version is to get once it is ready.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub traffic: Option<f64>,
}

/// Body of `PATCH /services/{name}`: what changes of a version; everything else stays.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Update {
    /// Which version; the default one where none is named.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// Other models.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub models: Option<Vec<String>>,
    /// Another uploaded component.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scorer: Option<String>,
    /// Signature of that component.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signature: Option<String>,
    /// Keys of a `deploymentconfig.json` that change (JSON Merge Patch, RFC 7386: `null` takes a key back to its default).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deployment: Option<Value>,
    /// Variables that change; `null` removes one.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub variables: BTreeMap<String, Option<String>>,
}

/// Body of `POST /services/{name}/scale`: a fixed number, or bounds.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Scale {
    /// Which version; the default one where none is named.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// Always so many.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub num_replicas: Option<u32>,
    /// At least so many; may be 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min_replicas: Option<u32>,
    /// At most so many.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_replicas: Option<u32>,
}

/// What a service, or a version of it, is doing.
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

/// What a caller of a service must show.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Auth {
    /// Nothing.
    None,
    /// One of two keys.
    Key,
    /// A token.
    Token,
}

impl Auth {
    /// Name as it is in the JSON.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Key => "key",
            Self::Token => "token",
        }
    }
}

/// A service.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Service {
    /// Name.
    pub name: String,
    /// What it is doing: `Failed` where any version failed, else `Transitioning` where any is being made.
    pub state: ServiceState,
    /// Phase while it is made, cause where it failed.
    pub message: Option<String>,
    /// What a caller must show.
    pub auth: Auth,
    /// `no-code` or `scorer`; of the default version, as the next four.
    pub kind: String,
    /// `sha256:…` of the component.
    pub scorer: Option<String>,
    /// `name:version` of its models.
    pub models: Vec<String>,
    /// Names of its variables; values may be secret and are not shown.
    pub variables: Vec<String>,
    /// Settings in force.
    pub settings: Settings,
    /// Replicas of all versions at this moment; none without a scorer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replicas: Option<Replicas>,
    /// Which version answers.
    pub traffic: Traffic,
    /// All versions, oldest first.
    pub versions: Vec<ServiceVersion>,
    /// Operation under way.
    pub operation: Option<String>,
    /// Path of the scoring URI on the HTTP door.
    pub scoring_path: String,
    /// Path of the Open Inference Protocol on the HTTP door.
    pub inference_path: String,
    /// What the default version's component is and can reach; not in lists.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub manifest: Option<Manifest>,
    /// Unix time of the first deployment, in seconds.
    pub created: u64,
    /// Unix time of the last change, in seconds.
    pub updated: u64,
}

/// What a component is, read from its imports, and what its deployment makes of them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// How it is called.
    pub world: Option<String>,
    /// What it can reach.
    pub capabilities: Vec<Reach>,
    /// Packages that it says it contains; none where it says nothing.
    pub dependencies: Option<usize>,
    /// Id of the key that signed it.
    pub signed_by: Option<String>,
    /// Whether this host trusts that key, and the signature was checked.
    pub trusted: bool,
}

/// One kind of thing that a component can reach.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reach {
    /// Short name, such as `models`.
    pub name: String,
    /// What this deployment gives it: `granted`, `nothing`, or the hosts.
    pub given: String,
    /// The imports, by full name.
    pub imports: Vec<String>,
}

/// A version of a service.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ServiceVersion {
    /// Name.
    pub version: String,
    /// What it is doing.
    pub state: ServiceState,
    /// Phase while it is made, cause where it failed.
    pub message: Option<String>,
    /// Whether it answers what no other version is to answer.
    pub is_default: bool,
    /// Whether the others are compared with it.
    pub is_control: bool,
    /// Percent of the requests that it gets; the default version gets what the others leave.
    pub percent: f64,
    /// `no-code` or `scorer`.
    pub kind: String,
    /// `sha256:…` of the component.
    pub scorer: Option<String>,
    /// `name:version` of its models.
    pub models: Vec<String>,
    /// Names of its variables.
    pub variables: Vec<String>,
    /// Settings in force.
    pub settings: Settings,
    /// Its replicas at this moment; none without a scorer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replicas: Option<Replicas>,
    /// Its `deploymentconfig.json`, without what belongs to the whole service.
    pub deployment: Value,
    /// Unix time of its first deployment, in seconds.
    pub created: u64,
    /// Unix time of its last change, in seconds.
    pub updated: u64,
}

/// Replicas at this moment: instances of the scorer, each of which handles one request at a time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Replicas {
    /// Ready, busy ones included.
    pub ready: u64,
    /// Handling a request.
    pub busy: u64,
    /// Being made.
    pub creating: u64,
    /// As many as the autoscaler asks for.
    pub wanted: u64,
    /// As many as the host allows until the next decision.
    pub allowed: u64,
}

impl std::ops::AddAssign for Replicas {
    fn add_assign(&mut self, other: Self) {
        self.ready += other.ready;
        self.busy += other.busy;
        self.creating += other.creating;
        self.wanted += other.wanted;
        self.allowed += other.allowed;
    }
}

/// Settings of a version, in the words of `deploymentconfig.json`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Settings {
    /// Replicas at least.
    pub min_replicas: u32,
    /// Replicas at most.
    pub max_replicas: u32,
    /// Busy replicas in percent that the autoscaler aims at.
    pub target_utilization: u8,
    /// Seconds between two decisions of the autoscaler.
    pub refresh_period_in_seconds: f64,
    /// Seconds without a request after which the last replica goes, where the minimum is 0.
    pub idle_after_seconds: f64,
    /// Requests that one replica handles at a time.
    pub max_concurrent_requests_per_container: u32,
    /// Longest time in the queue, in milliseconds.
    pub max_queue_wait_ms: u64,
    /// Requests that may wait at once.
    pub max_queue: u32,
    /// Longest time of one scoring call, in milliseconds.
    pub scoring_timeout_ms: u64,
    /// Share of the processors against other services when they are short.
    pub weight: u32,
    /// Requests per second taken in on average; no limit where none is given.
    pub requests_per_second: Option<f64>,
    /// Linear memory of one replica, in bytes.
    pub memory_bytes: u64,
    /// Whether the scorer sees the machine's clocks.
    pub clock: bool,
    /// Whether the scorer gets real random numbers.
    pub random: bool,
    /// Where the scorer may send HTTP requests: `host`, `host:port`.
    pub outbound: Vec<String>,
    /// Services of this host that the scorer may call.
    #[serde(default)]
    pub services: Vec<String>,
    /// Whether collected data is stored.
    pub collect: bool,
    /// Whether requests are kept for a replay.
    pub record: bool,
    /// Requests that a new replica answers before it takes others.
    pub warm_up: u32,
    /// Bytes of answers that are kept for equal requests; none are kept where it is absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub response_cache_bytes: Option<u64>,
    /// Seconds for which such an answer is given again; until the next update where it is absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub response_cache_seconds: Option<f64>,
    /// Whether the models stay loaded whatever else needs the memory.
    #[serde(default)]
    pub pin_models: bool,
    /// Device that the models are to run on; the host's own setting where it is absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub device: Option<String>,
    /// Arithmetic on a GPU; the host's own setting where it is absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub precision: Option<String>,
    /// Devices that hold a copy of the models each.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub device_copies: Option<u32>,
    /// Whether the CPU may take the models where the device cannot; the host's own setting where it is absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cpu_fallback: Option<bool>,
}

/// Answer of `GET /services`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Services {
    /// Sorted by name.
    pub services: Vec<Service>,
}

/// Answer of `GET /services/{name}/versions`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ServiceVersions {
    /// Oldest first.
    pub versions: Vec<ServiceVersion>,
}
