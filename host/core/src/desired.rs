//! What should run: the one description that `control` writes and the rooms below realise.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use bytes::Bytes;

mod batching;
mod endpoint;
mod grants;
mod placement;

pub use batching::Batching;
pub use endpoint::{Access, EndpointSpec, Secret, Shadow, Sticky, Traffic};
pub use grants::{Grants, Outbound};
pub use placement::{DeviceKind, DeviceRequest, Placement, Precision, UnknownWord};

use crate::{Digest, ModelId, ServiceName, VersionName};

/// Which version of which service.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct VersionKey {
    /// The service, which is the endpoint where it has several versions.
    pub service: ServiceName,
    /// The version.
    pub version: VersionName,
}

impl fmt::Display for VersionKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.service, self.version)
    }
}

/// One version of a service as it should be.
#[derive(Clone, Debug, PartialEq)]
pub struct ServiceSpec {
    /// The service's name.
    pub name: ServiceName,
    /// Which version of it; [`VersionName::first`] where the service has only one.
    pub version: VersionName,
    /// The component that handles requests; `None` for a no-code service, which answers with its only model.
    pub scorer: Option<ScorerRef>,
    /// Models given to the scorer, or the one model of a no-code service.
    pub models: Vec<ModelRef>,
    /// Variables that the scorer can read.
    pub variables: BTreeMap<String, String>,
    /// How many requests run and wait, and for how long.
    pub admission: Admission,
    /// How many replicas there are.
    pub scaling: Scaling,
    /// What the sandbox may use.
    pub grants: Grants,
    /// Which data is stored; `None` stores nothing.
    pub collection: Option<Collection>,
    /// Which requests are kept for a replay; `None` keeps none.
    pub recording: Option<Recording>,
    /// A request that every new replica answers before it takes others.
    pub warm_up: Option<WarmUp>,
    /// Which answers are kept and given again to equal requests; `None` keeps none.
    pub response_cache: Option<ResponseCache>,
    /// Whether its models stay loaded whatever else needs the memory.
    pub pin_models: bool,
    /// How calls of its models are merged.
    pub batching: Batching,
    /// What its models run on.
    pub devices: DeviceRequest,
}

impl ServiceSpec {
    /// A no-code service without a model yet: first version, everything else by default.
    #[must_use]
    pub fn new(name: ServiceName) -> Self {
        Self {
            name,
            version: VersionName::first(),
            scorer: None,
            models: Vec::new(),
            variables: BTreeMap::new(),
            admission: Admission::default(),
            scaling: Scaling::default(),
            grants: Grants::default(),
            collection: None,
            recording: None,
            warm_up: None,
            response_cache: None,
            pin_models: false,
            batching: Batching::default(),
            devices: DeviceRequest::default(),
        }
    }

    /// Service and version.
    #[must_use]
    pub fn key(&self) -> VersionKey {
        VersionKey { service: self.name.clone(), version: self.version.clone() }
    }
}

/// A stored component.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ScorerRef {
    /// SHA-256 of the component's bytes.
    pub component: Digest,
}

/// A registered model, and the file that is its graph.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ModelRef {
    /// Name and version.
    pub id: ModelId,
}

/// How a service takes requests in.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Admission {
    /// Requests that one replica handles at a time.
    pub requests_per_replica: u32,
    /// Longest time in the queue before a request is refused.
    pub max_queue_wait: Duration,
    /// Requests that may wait at once.
    pub max_queue: u32,
    /// Longest time of one scoring call, after which the guest is stopped.
    pub scoring_timeout: Duration,
    /// Share of the host's processors against other services when they are short: 1-1000, 100 where nothing is said.
    pub weight: u32,
    /// Requests per second taken in on average, with bursts of one second; `None` sets no limit.
    pub rate_limit: Option<f64>,
}

impl Default for Admission {
    /// The defaults of `deploymentconfig.json`: 1 request per replica, 500 ms in the queue, 60 s of scoring.
    fn default() -> Self {
        Self {
            requests_per_replica: 1,
            max_queue_wait: Duration::from_millis(500),
            max_queue: 1000,
            scoring_timeout: Duration::from_secs(60),
            weight: 100,
            rate_limit: None,
        }
    }
}

/// How many replicas a service has.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Scaling {
    /// Replicas at least; 0 lets the last one go after [`Scaling::idle_after`].
    pub min: u32,
    /// Replicas at most; at least 1.
    pub max: u32,
    /// Busy replicas in percent of all that the autoscaler aims at, 1-100.
    pub target_utilization: u8,
    /// Time between two decisions.
    pub refresh: Duration,
    /// How long no request must have come before the last replica goes. Acts only where `min` is 0.
    pub idle_after: Duration,
    /// Cores that one replica counts for where the host's are shared out; above 0.
    pub processors: f64,
}

impl Scaling {
    /// Always `replicas`.
    #[must_use]
    pub fn fixed(replicas: u32) -> Self {
        Self { min: replicas, max: replicas, ..Self::default() }
    }

    /// Whether the number never changes.
    #[must_use]
    pub const fn is_fixed(&self) -> bool {
        self.min == self.max
    }
}

impl Default for Scaling {
    /// The defaults of `deploymentconfig.json`: 1-10 replicas, 70 %, every second, 0.1 cores each.
    fn default() -> Self {
        Self {
            min: 1,
            max: 10,
            target_utilization: 70,
            refresh: Duration::from_secs(1),
            idle_after: Duration::from_secs(60),
            processors: 0.1,
        }
    }
}

/// Which data of a service is stored.
#[derive(Clone, Debug, PartialEq)]
pub struct Collection {
    /// Request bodies and input tensors.
    pub inputs: bool,
    /// Response bodies and output tensors.
    pub outputs: bool,
    /// What the scorer hands over itself.
    pub custom: bool,
    /// Form of the files.
    pub format: CollectionFormat,
    /// Part of the requests that is stored, 0-1; chosen by request id, so that all records of a request are kept or none.
    pub sample: f64,
    /// Names of columns, tensors or JSON members whose values are replaced before they are stored.
    pub redact: Vec<String>,
    /// Bytes that the service's files may take altogether; the oldest go first.
    pub max_bytes: u64,
}

impl Default for Collection {
    /// Everything, as CSV, without redaction, at most 10 GiB.
    fn default() -> Self {
        Self {
            inputs: true,
            outputs: true,
            custom: true,
            format: CollectionFormat::Csv,
            sample: 1.0,
            redact: Vec::new(),
            max_bytes: 10 << 30,
        }
    }
}

/// Form of collected data's files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CollectionFormat {
    /// Comma-separated values.
    Csv,
    /// Apache Parquet.
    Parquet,
}

/// Which requests of a service are kept whole, for a replay.
#[derive(Clone, Debug, PartialEq)]
pub struct Recording {
    /// Part of the requests that is kept, 0-1.
    pub sample: f64,
    /// Requests kept at most; the oldest go first.
    pub max_requests: u32,
    /// Bytes of one request's body above which it is not kept.
    pub max_body: u64,
}

/// Which answers of a service are kept and given again to requests with the same content.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ResponseCache {
    /// Bytes that the answers may take altogether; those used least go first.
    pub max_bytes: u64,
    /// How long an answer is given again; `None` until the service is updated.
    pub keep_for: Option<Duration>,
}

impl Default for ResponseCache {
    /// 64 MiB, until the service is updated.
    fn default() -> Self {
        Self { max_bytes: 64 << 20, keep_for: None }
    }
}

/// A request that every new replica answers before it takes others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WarmUp {
    /// How often.
    pub count: u32,
    /// The body of the scoring door; empty calls `init` alone.
    pub body: Bytes,
    /// Its content type.
    pub content_type: Option<String>,
}
