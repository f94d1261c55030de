//! Answers of one version, kept for requests with the same content.
//!
//! The key is a SHA-256 of everything that such a version's answer may depend on, so that nobody can make two requests that
//! share an answer. Model, scorer and version are not in it: an update makes another version object, with a cache of its own.
//! Only answers are kept, no failures. They are copied out of the memory of the model that made them, which may be evicted.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use bytes::Bytes;
use moka::sync::Cache;
use scorehost_core::{
    Clock, Header, InferRequest, InferResponse, NamedTensor, NamedTensors, RawRequest, RawResponse, ResponseCache,
    Tensor,
};
use sha2::{Digest, Sha256};

/// Name of the header that says where an answer came from.
const HEADER: &str = "x-scorehost-cache";
/// What an entry takes beside its content, in bytes: key, links, allocations.
const OVERHEAD: u64 = 256;

type Key = [u8; 32];

/// What became of the requests of a version whose answers are kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CacheSignals {
    /// Answers kept.
    pub entries: u64,
    /// Bytes that they take.
    pub bytes: u64,
    /// Requests answered by them.
    pub hits: u64,
    /// Requests that were not.
    pub misses: u64,
    /// Time of the hits.
    pub hit_time: Duration,
    /// Time that looking up and keeping took the misses.
    pub miss_time: Duration,
}

#[derive(Clone)]
enum Answer {
    Tensors(NamedTensors),
    Body(RawResponse),
}

struct Entry {
    answer: Answer,
    bytes: u64,
    /// When it is no longer given.
    ends: Option<Instant>,
}

/// The kept answers of a version.
pub(crate) struct Answers {
    limits: ResponseCache,
    kept: Cache<Key, Arc<Entry>>,
    clock: Arc<dyn Clock>,
    hits: AtomicU64,
    misses: AtomicU64,
    hit_nanos: AtomicU64,
    miss_nanos: AtomicU64,
}

/// A request whose answer is not kept yet.
pub(crate) struct Miss {
    key: Key,
    took: Duration,
}

impl Answers {
    pub(crate) fn new(limits: ResponseCache, clock: Arc<dyn Clock>) -> Self {
        let weigh = |_: &Key, entry: &Arc<Entry>| u32::try_from(entry.bytes).unwrap_or(u32::MAX);
        Self {
            kept: Cache::builder().max_capacity(limits.max_bytes).weigher(weigh).build(),
            limits,
            clock,
            hits: AtomicU64::new(0),
            misses: AtomicU64::new(0),
            hit_nanos: AtomicU64::new(0),
            miss_nanos: AtomicU64::new(0),
        }
    }

    pub(crate) fn signals(&self) -> CacheSignals {
        CacheSignals {
            entries: self.kept.entry_count(),
            bytes: self.kept.weighted_size(),
            hits: self.hits.load(Relaxed),
            misses: self.misses.load(Relaxed),
            hit_time: Duration::from_nanos(self.hit_nanos.load(Relaxed)),
            miss_time: Duration::from_nanos(self.miss_nanos.load(Relaxed)),
        }
    }

    /// The kept answer to a request of tensors.
    pub(crate) fn infer(&self, request: &InferRequest) -> Result<InferResponse, Miss> {
        let (key, began) = (of_tensors(request), self.clock.now());
        self.find(key, began, |answer| match answer {
            Answer::Tensors(outputs) => Some(InferResponse { outputs: outputs.clone(), cached: Some(true) }),
            Answer::Body(_) => None,
        })
    }

    /// The kept answer to a body.
    pub(crate) fn score(&self, request: &RawRequest) -> Result<RawResponse, Miss> {
        let (key, began) = (of_body(request), self.clock.now());
        self.find(key, began, |answer| match answer {
            Answer::Tensors(_) => None,
            Answer::Body(response) => Some(marked(response.clone(), "hit")),
        })
    }

    fn find<T>(&self, key: Key, began: Instant, read: impl FnOnce(&Answer) -> Option<T>) -> Result<T, Miss> {
        let entry = self.kept.get(&key);
        let now = self.clock.now();
        let took = now.saturating_duration_since(began);
        let fresh = entry.filter(|entry| entry.ends.is_none_or(|ends| now < ends));
        match fresh.and_then(|entry| read(&entry.answer)) {
            Some(answer) => {
                self.hits.fetch_add(1, Relaxed);
                self.hit_nanos.fetch_add(took.as_nanos() as u64, Relaxed);
                Ok(answer)
            }
            None => Err(Miss { key, took }),
        }
    }

    /// Keeps an answer of tensors.
    pub(crate) fn keep_tensors(&self, miss: &Miss, response: &mut InferResponse) {
        response.cached = Some(false);
        let size = response.outputs.iter().map(|output| output.tensor.data().len() as u64).sum();
        self.keep(miss, size, || {
            let copy = |output: &NamedTensor| {
                let tensor = &output.tensor;
                let data = Bytes::copy_from_slice(tensor.data());
                Some(NamedTensor {
                    name: Arc::clone(&output.name),
                    tensor: Tensor::new(tensor.dtype(), tensor.shape(), data).ok()?,
                })
            };
            Some(Answer::Tensors(response.outputs.iter().map(copy).collect::<Option<_>>()?))
        });
    }

    /// Keeps an answer of a scorer, where it succeeded.
    pub(crate) fn keep_body(&self, miss: &Miss, response: RawResponse) -> RawResponse {
        let size = response.headers.iter().map(|(name, value)| (name.len() + value.len()) as u64).sum::<u64>();
        let size = size + response.body.len() as u64;
        if (200..300).contains(&response.status) {
            self.keep(miss, size, || {
                let body = Bytes::copy_from_slice(&response.body);
                Some(Answer::Body(RawResponse { body, ..response.clone() }))
            });
        } else {
            self.count_miss(miss, Duration::ZERO);
        }
        marked(response, "miss")
    }

    /// Counts a request that failed: nothing is kept of it.
    pub(crate) fn failed(&self, miss: &Miss) {
        self.count_miss(miss, Duration::ZERO);
    }

    fn keep(&self, miss: &Miss, size: u64, copy: impl FnOnce() -> Option<Answer>) {
        let began = self.clock.now();
        let bytes = size + OVERHEAD;
        // One answer does not take the place of all others.
        if bytes <= self.limits.max_bytes.min(u64::from(u32::MAX))
            && let Some(answer) = copy()
        {
            let ends = self.limits.keep_for.and_then(|keep| began.checked_add(keep));
            self.kept.insert(miss.key, Arc::new(Entry { answer, bytes, ends }));
        }
        self.count_miss(miss, self.clock.now().saturating_duration_since(began));
    }

    fn count_miss(&self, miss: &Miss, keeping: Duration) {
        self.misses.fetch_add(1, Relaxed);
        self.miss_nanos.fetch_add((miss.took + keeping).as_nanos() as u64, Relaxed);
    }
}

fn marked(mut response: RawResponse, how: &str) -> RawResponse {
    let others = |header: &Header| !header.0.eq_ignore_ascii_case(HEADER);
    response.headers.retain(others);
    response.headers.push((HEADER.to_owned(), how.to_owned()));
    response
}

/// A hash of parts that are told apart by their lengths.
struct Parts(Sha256);

impl Parts {
    fn new(kind: &[u8]) -> Self {
        Self(Sha256::new()).with(kind)
    }

    fn with(mut self, part: &[u8]) -> Self {
        self.0.update((part.len() as u64).to_le_bytes());
        self.0.update(part);
        self
    }

    fn number(mut self, number: u64) -> Self {
        self.0.update(number.to_le_bytes());
        self
    }

    fn key(self) -> Key {
        self.0.finalize().into()
    }
}

fn of_tensors(request: &InferRequest) -> Key {
    let mut parts = Parts::new(b"tensors").number(request.inputs.len() as u64);
    for input in &request.inputs {
        let tensor = &input.tensor;
        parts = parts.with(input.name.as_bytes()).with(tensor.dtype().name().as_bytes());
        parts = parts.number(tensor.shape().len() as u64);
        parts = tensor.shape().iter().fold(parts, |parts, dim| parts.number(*dim));
        parts = parts.with(tensor.data());
    }
    request.outputs.iter().fold(parts, |parts, output| parts.with(output.as_bytes())).key()
}

fn of_body(request: &RawRequest) -> Key {
    let RawRequest { method, path, query, body, content_type } = request;
    let parts = Parts::new(b"body").with(method.as_bytes()).with(path.as_bytes()).with(query.as_bytes());
    let parts = match content_type {
        Some(content_type) => parts.number(1).with(content_type.as_bytes()),
        None => parts.number(0),
    };
    parts.with(body).key()
}

#[cfg(test)]
mod tests;
