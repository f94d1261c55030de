//! The block `scorehost`: what the Azure file has no key for.

use std::time::Duration;

use bytes::Bytes;
use scorehost_core::{
    Batching, Collection, CollectionFormat, DeviceKind, DeviceRequest, Outbound, Precision, Recording, ResponseCache,
    ServiceName, WarmUp,
};
use serde_json::Value;

use super::{batching, outbound};
use crate::files::reader::{Findings, Object, brief};

/// The block `scorehost`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Extension {
    /// `scaling`.
    pub scaling: ExtraScaling,
    /// `admission`.
    pub admission: ExtraAdmission,
    /// `grants`.
    pub grants: ExtraGrants,
    /// `collection`: turns collection on, and says what is stored.
    pub collection: Option<Collection>,
    /// `recording`: turns recording on, and says what is kept.
    pub recording: Option<Recording>,
    /// `warmUp`.
    pub warm_up: Option<WarmUp>,
    /// `responseCache`: turns the cache on, and says what it may take.
    pub response_cache: Option<ResponseCache>,
    /// `modelMemory.pin` (false): the models stay loaded.
    pub pin_models: bool,
    /// `batching`.
    pub batching: Batching,
    /// `placement`, without `gpuCores`.
    pub placement: DeviceRequest,
}

/// `scorehost.scaling`. `None` where the file does not say.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ExtraScaling {
    /// `minReplicas`: takes the place of `autoScaler.minReplicas`, and may be 0.
    pub min_replicas: Option<u32>,
    /// `idleAfterSeconds` (60): how long no request must have come before the last replica goes.
    pub idle_after_seconds: Option<u32>,
}

/// `scorehost.admission`. `None` where the file does not say.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct ExtraAdmission {
    /// `maxQueue` (1000): requests that may wait at once.
    pub max_queue: Option<u32>,
    /// `weight` (1000 for each core of `cpu`, at most 1000): share of the processors when they are short.
    pub weight: Option<u32>,
    /// `requestsPerSecond` (no limit): requests taken in on average.
    pub requests_per_second: Option<f64>,
}

/// `scorehost.grants`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ExtraGrants {
    /// `clock` (false): the machine's clocks.
    pub clock: bool,
    /// `random` (false): real randomness.
    pub random: bool,
    /// `outbound` (nowhere): where the scorer may send HTTP requests.
    pub outbound: Vec<Outbound>,
    /// `services` (none): services of this host that the scorer may call; sorted, each once.
    pub services: Vec<ServiceName>,
}

/// Keys of the block, and of each block in it.
pub(crate) const BLOCKS: [(&str, &[&str]); 10] = [
    ("scaling", &["minReplicas", "idleAfterSeconds"]),
    ("admission", &["maxQueue", "weight", "requestsPerSecond"]),
    ("grants", &["clock", "random", "outbound", "services"]),
    ("collection", &["inputs", "outputs", "custom", "format", "sample", "redact", "maxBytes"]),
    ("recording", &["sample", "maxRequests", "maxBodyBytes"]),
    ("warmUp", &["count", "body", "bodyBase64", "contentType"]),
    ("responseCache", &["maxBytes", "ttlSeconds"]),
    ("modelMemory", &["pin"]),
    ("batching", &batching::KEYS),
    ("placement", &["device", "precision", "cpuFallback"]),
];

/// Replicas at most in any setting: more than any host holds.
const MOST: u64 = 1_000_000;

/// Reads the block of an opened file; the defaults where it has none.
pub(super) fn read(root: &Object<'_>, found: &mut Findings) -> Extension {
    let names = BLOCKS.map(|(name, _)| name);
    let Some(block) = root.object("scorehost", &names, found) else { return Extension::default() };
    let mut part = |index: usize| {
        let (name, known): (&str, &[&str]) = BLOCKS[index];
        block.object(name, known, found)
    };
    let [scaling, admission, grants, collection, recording, warm_up, response_cache, model_memory, batching, placement] =
        std::array::from_fn(&mut part);
    Extension {
        scaling: scaling.map(|block| self::scaling(&block, found)).unwrap_or_default(),
        admission: admission.map(|block| self::admission(&block, found)).unwrap_or_default(),
        grants: grants.map(|block| self::grants(&block, found)).unwrap_or_default(),
        collection: collection.map(|block| self::collection(&block, found)),
        recording: recording.map(|block| self::recording(&block, found)),
        warm_up: warm_up.map(|block| self::warm_up(&block, found)),
        response_cache: response_cache.map(|block| self::response_cache(&block, found)),
        pin_models: model_memory.and_then(|block| block.flag("pin", found)).unwrap_or(false),
        batching: batching.map(|block| batching::read(&block, found)).unwrap_or_default(),
        placement: placement.map(|block| self::placement(&block, found)).unwrap_or_default(),
    }
}

fn placement(block: &Object<'_>, found: &mut Findings) -> DeviceRequest {
    DeviceRequest {
        device: block.word("device", &DeviceKind::ALL.map(|kind| (kind.name(), kind)), found),
        precision: block.word("precision", &Precision::ALL.map(|precision| (precision.name(), precision)), found),
        copies: None,
        fallback: block.flag("cpuFallback", found),
    }
}

fn scaling(block: &Object<'_>, found: &mut Findings) -> ExtraScaling {
    let min = block.whole("minReplicas", 0, MOST, "a whole number from 0 to 1000000", found);
    ExtraScaling { min_replicas: min.map(|min| min as u32), idle_after_seconds: block.count("idleAfterSeconds", found) }
}

fn admission(block: &Object<'_>, found: &mut Findings) -> ExtraAdmission {
    let queue = block.whole("maxQueue", 0, MOST, "a whole number from 0 to 1000000", found);
    let weight = block.whole("weight", 1, 1000, "a whole number from 1 to 1000", found);
    ExtraAdmission {
        max_queue: queue.map(|queue| queue as u32),
        weight: weight.map(|weight| weight as u32),
        requests_per_second: block.positive("requestsPerSecond", found),
    }
}

fn grants(block: &Object<'_>, found: &mut Findings) -> ExtraGrants {
    ExtraGrants {
        clock: block.flag("clock", found).unwrap_or(false),
        random: block.flag("random", found).unwrap_or(false),
        outbound: outbound::read(block, found),
        services: services(block, found),
    }
}

fn services(block: &Object<'_>, found: &mut Findings) -> Vec<ServiceName> {
    let mut names = Vec::new();
    for (path, item) in block.list("services", found) {
        match item.as_str().map(str::parse::<ServiceName>) {
            Some(Ok(name)) => names.push(name),
            Some(Err(error)) => found.add(path, format!("must be the name of a service: {error}")),
            None => found.add(path, format!("must be the name of a service, is {}", brief(item))),
        }
    }
    names.sort();
    names.dedup();
    names
}

fn response_cache(block: &Object<'_>, found: &mut Findings) -> ResponseCache {
    let defaults = ResponseCache::default();
    let bytes = block.whole("maxBytes", 1, 1 << 50, "a whole number of bytes above 0", found);
    ResponseCache {
        max_bytes: bytes.unwrap_or(defaults.max_bytes),
        keep_for: block.positive("ttlSeconds", found).and_then(|seconds| Duration::try_from_secs_f64(seconds).ok()),
    }
}

fn collection(block: &Object<'_>, found: &mut Findings) -> Collection {
    let defaults = Collection::default();
    let words = [("csv", CollectionFormat::Csv), ("parquet", CollectionFormat::Parquet)];
    Collection {
        inputs: block.flag("inputs", found).unwrap_or(defaults.inputs),
        outputs: block.flag("outputs", found).unwrap_or(defaults.outputs),
        custom: block.flag("custom", found).unwrap_or(defaults.custom),
        format: block.word("format", &words, found).unwrap_or(defaults.format),
        sample: block.between("sample", 0.0, 1.0, found).unwrap_or(defaults.sample),
        redact: redacted(block, found),
        max_bytes: block
            .whole("maxBytes", 1, 1 << 50, "a whole number of bytes above 0", found)
            .unwrap_or(defaults.max_bytes),
    }
}

fn redacted(block: &Object<'_>, found: &mut Findings) -> Vec<String> {
    let mut names = Vec::new();
    for (path, item) in block.list("redact", found) {
        match item.as_str().filter(|name| !name.is_empty()) {
            Some(name) => names.push(name.to_owned()),
            None => found.add(path, "must be the name of a column, tensor or JSON member"),
        }
    }
    names
}

fn recording(block: &Object<'_>, found: &mut Findings) -> Recording {
    Recording {
        sample: block.between("sample", 0.0, 1.0, found).unwrap_or(1.0),
        max_requests: block.count("maxRequests", found).unwrap_or(1000),
        max_body: block.whole("maxBodyBytes", 0, 1 << 40, "a whole number of bytes", found).unwrap_or(1 << 20),
    }
}

fn warm_up(block: &Object<'_>, found: &mut Findings) -> WarmUp {
    let count = block.whole("count", 1, 1000, "a whole number from 1 to 1000", found);
    let content_type = block.text("contentType", found);
    if block.value("body").is_some() && block.value("bodyBase64").is_some() {
        found.add(block.at("bodyBase64"), "must not be given where body is");
    }
    let (body, of_body) = match block.value("body") {
        Some(Value::String(text)) => (Bytes::from(text.clone()), Some("application/json")),
        Some(document) => (Bytes::from(document.to_string()), Some("application/json")),
        None => (decoded(block, found), None),
    };
    let content_type = content_type.or_else(|| of_body.map(str::to_owned));
    WarmUp { count: count.map_or(1, |count| count as u32), body, content_type }
}

fn decoded(block: &Object<'_>, found: &mut Findings) -> Bytes {
    use base64::Engine as _;

    let Some(text) = block.text("bodyBase64", found) else { return Bytes::new() };
    match base64::engine::general_purpose::STANDARD.decode(text.as_bytes()) {
        Ok(body) => Bytes::from(body),
        Err(error) => {
            found.add(block.at("bodyBase64"), format!("must be Base64 of RFC 4648 with padding: {error}"));
            Bytes::new()
        }
    }
}
