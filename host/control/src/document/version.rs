//! A version of a service, with every field of its description.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use scorehost_core::{
    Admission, Batching, Collection, CollectionFormat, DeviceRequest, Failure, Grants, IdError, ModelRef, Outbound,
    Recording, ResponseCache, Scaling, ScorerRef, ServiceSpec, UnknownWord, WarmUp,
};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{FORMAT, check_format, json, unreadable};
use crate::ControlError;
use crate::catalog::Version;

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    format: u32,
    service: String,
    version: String,
    running: bool,
    created: u64,
    updated: u64,
    config: Value,
    scorer: Option<String>,
    models: Vec<String>,
    variables: BTreeMap<String, String>,
    admission: AdmissionDocument,
    scaling: ScalingDocument,
    grants: GrantsDocument,
    collection: Option<CollectionDocument>,
    recording: Option<RecordingDocument>,
    warm_up: Option<WarmUpDocument>,
    response_cache: Option<ResponseCacheDocument>,
    #[serde(default)]
    pin_models: bool,
    /// Absent in documents of earlier releases.
    #[serde(default)]
    batching: BatchingDocument,
    /// Absent in documents of earlier releases.
    #[serde(default)]
    devices: DevicesDocument,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct AdmissionDocument {
    requests_per_replica: u32,
    max_queue_wait_ms: u64,
    max_queue: u32,
    scoring_timeout_ms: u64,
    weight: u32,
    rate_limit: Option<f64>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct ScalingDocument {
    min: u32,
    max: u32,
    target_utilization: u8,
    refresh_ms: u64,
    idle_after_ms: u64,
    processors: f64,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct GrantsDocument {
    memory_bytes: u64,
    clock: bool,
    random: bool,
    outbound: Vec<OutboundDocument>,
    #[serde(default)]
    services: Vec<String>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct OutboundDocument {
    host: String,
    port: Option<u16>,
    private: bool,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct CollectionDocument {
    inputs: bool,
    outputs: bool,
    custom: bool,
    format: FormatDocument,
    sample: f64,
    redact: Vec<String>,
    max_bytes: u64,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum FormatDocument {
    Csv,
    Parquet,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct RecordingDocument {
    sample: f64,
    max_requests: u32,
    max_body: u64,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct ResponseCacheDocument {
    max_bytes: u64,
    keep_for_ms: Option<u64>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct WarmUpDocument {
    count: u32,
    /// Base64.
    body: String,
    content_type: Option<String>,
}

#[derive(Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct BatchingDocument {
    enabled: Option<bool>,
    isolated: bool,
    max_size: Option<u32>,
    max_delay_us: Option<u64>,
    preferred: Vec<u32>,
    latency_target_us: Option<u64>,
}

#[derive(Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct DevicesDocument {
    device: Option<String>,
    precision: Option<String>,
    copies: Option<u32>,
    fallback: Option<bool>,
}

/// A version as JSON. Every description is taken apart by name, so that a new field cannot be forgotten here.
pub(super) fn encode(made: &Version) -> Vec<u8> {
    let ServiceSpec {
        name,
        version,
        scorer,
        models,
        variables,
        admission,
        scaling,
        grants,
        collection,
        recording,
        warm_up,
        response_cache,
        pin_models,
        batching,
        devices,
    } = &*made.spec;
    json(&Document {
        format: FORMAT,
        service: name.to_string(),
        version: version.to_string(),
        running: made.running,
        created: made.created,
        updated: made.updated,
        config: (*made.config).clone(),
        scorer: scorer.map(|scorer| scorer.component.to_string()),
        models: models.iter().map(|model| model.id.to_string()).collect(),
        variables: variables.clone(),
        admission: AdmissionDocument::of(*admission),
        scaling: ScalingDocument::of(*scaling),
        grants: GrantsDocument::of(grants),
        collection: collection.as_ref().map(CollectionDocument::of),
        recording: recording.as_ref().map(RecordingDocument::of),
        warm_up: warm_up.as_ref().map(WarmUpDocument::of),
        response_cache: response_cache.map(ResponseCacheDocument::of),
        pin_models: *pin_models,
        batching: BatchingDocument::of(batching),
        devices: DevicesDocument::of(*devices),
    })
}

/// The version of a document, or why it cannot be read.
pub(crate) fn decode(key: &str, content: &[u8]) -> Result<Version, ControlError> {
    let document: Document = serde_json::from_slice(content).map_err(|error| unreadable(key, error))?;
    check_format(document.format, FORMAT).map_err(|reason| unreadable(key, reason))?;
    let (running, created, updated) = (document.running, document.created, document.updated);
    let config = Arc::new(document.config.clone());
    let spec = specification(document).map_err(|failure| unreadable(key, failure))?;
    Ok(Version { spec: Arc::new(spec), config, running, created, updated })
}

fn specification(document: Document) -> Result<ServiceSpec, Failure> {
    let scorer = document.scorer.map(|component| component.parse()).transpose()?;
    Ok(ServiceSpec {
        name: document.service.parse()?,
        version: document.version.parse()?,
        scorer: scorer.map(|component| ScorerRef { component }),
        models: document.models.iter().map(|id| Ok(ModelRef { id: id.parse()? })).collect::<Result<_, IdError>>()?,
        variables: document.variables,
        admission: document.admission.read(),
        scaling: document.scaling.read(),
        grants: document.grants.read()?,
        collection: document.collection.map(CollectionDocument::read),
        recording: document.recording.map(RecordingDocument::read),
        warm_up: document.warm_up.map(WarmUpDocument::read).transpose()?,
        response_cache: document.response_cache.map(ResponseCacheDocument::read),
        pin_models: document.pin_models,
        batching: document.batching.read(),
        devices: document.devices.read()?,
    })
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

impl AdmissionDocument {
    fn of(admission: Admission) -> Self {
        let Admission { requests_per_replica, max_queue_wait, max_queue, scoring_timeout, weight, rate_limit } =
            admission;
        Self {
            requests_per_replica,
            max_queue_wait_ms: millis(max_queue_wait),
            max_queue,
            scoring_timeout_ms: millis(scoring_timeout),
            weight,
            rate_limit,
        }
    }

    fn read(self) -> Admission {
        Admission {
            requests_per_replica: self.requests_per_replica,
            max_queue_wait: Duration::from_millis(self.max_queue_wait_ms),
            max_queue: self.max_queue,
            scoring_timeout: Duration::from_millis(self.scoring_timeout_ms),
            weight: self.weight,
            rate_limit: self.rate_limit,
        }
    }
}

impl ScalingDocument {
    fn of(scaling: Scaling) -> Self {
        let Scaling { min, max, target_utilization, refresh, idle_after, processors } = scaling;
        let (refresh_ms, idle_after_ms) = (millis(refresh), millis(idle_after));
        Self { min, max, target_utilization, refresh_ms, idle_after_ms, processors }
    }

    fn read(self) -> Scaling {
        Scaling {
            min: self.min,
            max: self.max,
            target_utilization: self.target_utilization,
            refresh: Duration::from_millis(self.refresh_ms),
            idle_after: Duration::from_millis(self.idle_after_ms),
            processors: self.processors,
        }
    }
}

impl GrantsDocument {
    fn of(grants: &Grants) -> Self {
        let Grants { memory_bytes, clock, random, outbound, services } = grants;
        let outbound = outbound.iter().map(|Outbound { host, port, private }| OutboundDocument {
            host: host.clone(),
            port: *port,
            private: *private,
        });
        let services = services.iter().map(ToString::to_string).collect();
        Self { memory_bytes: *memory_bytes, clock: *clock, random: *random, outbound: outbound.collect(), services }
    }

    fn read(self) -> Result<Grants, IdError> {
        let outbound =
            self.outbound.into_iter().map(|OutboundDocument { host, port, private }| Outbound { host, port, private });
        Ok(Grants {
            memory_bytes: self.memory_bytes,
            clock: self.clock,
            random: self.random,
            outbound: outbound.collect(),
            services: self.services.iter().map(|name| name.parse()).collect::<Result<_, _>>()?,
        })
    }
}

impl CollectionDocument {
    fn of(collection: &Collection) -> Self {
        let Collection { inputs, outputs, custom, format, sample, redact, max_bytes } = collection;
        Self {
            inputs: *inputs,
            outputs: *outputs,
            custom: *custom,
            format: match format {
                CollectionFormat::Csv => FormatDocument::Csv,
                CollectionFormat::Parquet => FormatDocument::Parquet,
            },
            sample: *sample,
            redact: redact.clone(),
            max_bytes: *max_bytes,
        }
    }

    fn read(self) -> Collection {
        Collection {
            inputs: self.inputs,
            outputs: self.outputs,
            custom: self.custom,
            format: match self.format {
                FormatDocument::Csv => CollectionFormat::Csv,
                FormatDocument::Parquet => CollectionFormat::Parquet,
            },
            sample: self.sample,
            redact: self.redact,
            max_bytes: self.max_bytes,
        }
    }
}

impl RecordingDocument {
    fn of(recording: &Recording) -> Self {
        let Recording { sample, max_requests, max_body } = recording;
        Self { sample: *sample, max_requests: *max_requests, max_body: *max_body }
    }

    fn read(self) -> Recording {
        Recording { sample: self.sample, max_requests: self.max_requests, max_body: self.max_body }
    }
}

impl ResponseCacheDocument {
    fn of(cache: ResponseCache) -> Self {
        let ResponseCache { max_bytes, keep_for } = cache;
        Self { max_bytes, keep_for_ms: keep_for.map(millis) }
    }

    fn read(self) -> ResponseCache {
        ResponseCache { max_bytes: self.max_bytes, keep_for: self.keep_for_ms.map(Duration::from_millis) }
    }
}

impl WarmUpDocument {
    fn of(warm_up: &WarmUp) -> Self {
        let WarmUp { count, body, content_type } = warm_up;
        Self { count: *count, body: STANDARD.encode(body), content_type: content_type.clone() }
    }

    fn read(self) -> Result<WarmUp, Failure> {
        let body =
            STANDARD.decode(&self.body).map_err(|error| Failure::invalid(format!("the warm-up's body: {error}")))?;
        Ok(WarmUp { count: self.count, body: body.into(), content_type: self.content_type })
    }
}

impl BatchingDocument {
    fn of(batching: &Batching) -> Self {
        let Batching { enabled, isolated, max_size, max_delay, preferred, latency_target } = batching;
        let micros = |duration: &Duration| u64::try_from(duration.as_micros()).unwrap_or(u64::MAX);
        Self {
            enabled: *enabled,
            isolated: *isolated,
            max_size: *max_size,
            max_delay_us: max_delay.as_ref().map(micros),
            preferred: preferred.clone(),
            latency_target_us: latency_target.as_ref().map(micros),
        }
    }

    fn read(self) -> Batching {
        Batching {
            enabled: self.enabled,
            isolated: self.isolated,
            max_size: self.max_size,
            max_delay: self.max_delay_us.map(Duration::from_micros),
            preferred: self.preferred,
            latency_target: self.latency_target_us.map(Duration::from_micros),
        }
    }
}

impl DevicesDocument {
    fn of(request: DeviceRequest) -> Self {
        let DeviceRequest { device, precision, copies, fallback } = request;
        Self {
            device: device.map(|device| device.name().to_owned()),
            precision: precision.map(|precision| precision.name().to_owned()),
            copies,
            fallback,
        }
    }

    fn read(self) -> Result<DeviceRequest, Failure> {
        let unknown = |error: UnknownWord| Failure::invalid(error.to_string());
        Ok(DeviceRequest {
            device: self.device.map(|word| word.parse()).transpose().map_err(unknown)?,
            precision: self.precision.map(|word| word.parse()).transpose().map_err(unknown)?,
            copies: self.copies,
            fallback: self.fallback,
        })
    }
}
