//! Recorded requests: a sample of what services are asked and answer, kept whole, for asking another version the same.
//!
//! `<folder>/<service>/<id>.recording`, one file each, which appears when it is complete. Whoever is recorded never waits: what
//! finds the queue full is dropped and counted. Headers that hold credentials are not kept.

use std::collections::{HashMap, VecDeque};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::time::{Duration, UNIX_EPOCH};

use parking_lot::Mutex;
use scorehost_core::{
    CallContext, Clock, ErrorKind, Failure, InferRequest, InferResponse, RawRequest, RawResponse, Recording,
    ServiceName, ServiceSpec,
};

mod file;
mod headers;
mod shelf;

pub use file::{Answered, Asked, Flaw, Recorded};
use shelf::Shelf;
pub(crate) use shelf::make_private;

use crate::collector::sample::Share;
use crate::outbox::{Outbox, OutboxConfig, OutboxCounts};

/// Requests that wait to be written.
const MAX_QUEUED: usize = 1000;
/// Bytes of requests and answers that wait to be written.
const MAX_QUEUED_BYTES: usize = 64 << 20;

/// Keeps recorded requests of all services.
pub struct Recorder {
    shelf: Arc<Mutex<Shelf>>,
    outbox: Outbox<Waiting>,
    queued_bytes: Arc<AtomicUsize>,
    dropped: AtomicU64,
    /// Makes ids of one millisecond different.
    turn: AtomicU64,
    clock: Arc<dyn Clock>,
}

struct Waiting {
    recorded: Recorded,
    bytes: usize,
    limit: usize,
    queued_bytes: Arc<AtomicUsize>,
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.queued_bytes.fetch_sub(self.bytes, Relaxed);
    }
}

impl Recorder {
    /// Starts the thread that writes below `folder`.
    ///
    /// # Errors
    /// When the thread does not start.
    pub fn start(folder: PathBuf, clock: Arc<dyn Clock>) -> std::io::Result<Arc<Self>> {
        let shelf = Arc::new(Mutex::new(Shelf::new(folder)));
        let kept = Arc::clone(&shelf);
        let config = OutboxConfig { max_queued: MAX_QUEUED, max_batch: 1, delay: Duration::ZERO };
        let outbox = Outbox::start("recorder", config, move |batch: Vec<Waiting>| {
            let mut shelf = kept.lock();
            batch
                .iter()
                .try_for_each(|waiting| shelf.put(&waiting.recorded, waiting.limit))
                .map_err(|error| error.to_string())
        })?;
        let queued_bytes = Arc::default();
        Ok(Arc::new(Self { shelf, outbox, queued_bytes, dropped: AtomicU64::new(0), turn: AtomicU64::new(0), clock }))
    }

    /// The recorder of a version; `None` where its deployment records nothing.
    #[must_use]
    pub fn service(self: &Arc<Self>, spec: &ServiceSpec) -> Option<Arc<ServiceRecorder>> {
        let asked = spec.recording.clone()?;
        let (service, version) = (spec.name.clone(), Arc::clone(spec.version.as_str()));
        Some(Arc::new(ServiceRecorder {
            recorder: Arc::clone(self),
            service,
            version,
            share: Share::new(asked.sample),
            asked,
        }))
    }

    /// What became of requests so far.
    #[must_use]
    pub fn counts(&self) -> OutboxCounts {
        let counts = self.outbox.counts();
        OutboxCounts { dropped: counts.dropped + self.dropped.load(Relaxed), ..counts }
    }

    /// The ids of a service's recorded requests, newest first.
    #[must_use]
    pub fn ids(&self, service: &ServiceName) -> Vec<String> {
        self.shelf.lock().ids(service)
    }

    /// One recorded request; `None` where there is none, or no more.
    ///
    /// # Errors
    /// Where its file cannot be read or is damaged.
    pub fn get(&self, service: &ServiceName, id: &str) -> std::io::Result<Option<Recorded>> {
        // Read without the lock: a file never changes.
        let path = self.shelf.lock().path(service, id);
        shelf::read(path)
    }

    /// Removes one recorded request, or all of the service; how many there were.
    ///
    /// # Errors
    /// Where a file cannot be removed.
    pub fn remove(&self, service: &ServiceName, id: Option<&str>) -> std::io::Result<usize> {
        self.shelf.lock().remove(service, id)
    }

    /// Waits at most `longest` until everything recorded so far is in its file.
    pub fn flush(&self, longest: Duration) {
        self.outbox.flush(longest);
    }

    fn put(&self, recorded: Recorded, bytes: usize, limit: usize) {
        let queued_bytes = Arc::clone(&self.queued_bytes);
        let queued = queued_bytes.fetch_add(bytes, Relaxed) + bytes;
        // From here on its end gives the bytes back.
        let waiting = Waiting { recorded, bytes, limit, queued_bytes };
        if queued <= MAX_QUEUED_BYTES {
            self.outbox.put(waiting);
        } else {
            self.dropped.fetch_add(1, Relaxed);
        }
    }
}

/// Records requests of one version of a service.
pub struct ServiceRecorder {
    recorder: Arc<Recorder>,
    service: ServiceName,
    version: Arc<str>,
    share: Share,
    asked: Recording,
}

/// A request that is being answered.
pub(crate) struct Begun {
    asked: Asked,
    request_id: Arc<str>,
    headers: Vec<(String, String)>,
    at: std::time::Instant,
}

impl ServiceRecorder {
    /// Takes a request of tensors, if it is one to be kept.
    pub(crate) fn infer(&self, request: &InferRequest, call: &CallContext) -> Option<Begun> {
        let bytes = || request.inputs.iter().map(|input| input.tensor.data().len()).sum();
        self.begin(call, bytes, || Asked::Tensors(request.clone()))
    }

    /// Takes a request of an entry script, if it is one to be kept.
    pub(crate) fn score(&self, request: &RawRequest, call: &CallContext) -> Option<Begun> {
        self.begin(call, || request.body.len(), || Asked::Body(request.clone()))
    }

    fn begin(&self, call: &CallContext, bytes: impl Fn() -> usize, asked: impl Fn() -> Asked) -> Option<Begun> {
        if !self.share.takes(&call.request_id) {
            return None;
        }
        if bytes() as u64 > self.asked.max_body {
            self.recorder.dropped.fetch_add(1, Relaxed);
            return None;
        }
        let headers = call.headers.as_deref().map(headers::kept).unwrap_or_default();
        let (asked, request_id, at) = (asked(), Arc::clone(&call.request_id), self.recorder.clock.now());
        Some(Begun { asked, request_id, headers, at })
    }

    pub(crate) fn inferred(&self, begun: Begun, answer: &Result<InferResponse, Failure>) {
        self.end(begun, answer, |answer| Answered::Tensors(answer.outputs.clone()));
    }

    pub(crate) fn scored(&self, begun: Begun, answer: &Result<RawResponse, Failure>) {
        self.end(begun, answer, |answer| Answered::Body(answer.clone()));
    }

    fn end<T>(&self, begun: Begun, answer: &Result<T, Failure>, of: impl Fn(&T) -> Answered) {
        let answered = match answer {
            Ok(answer) => of(answer),
            // Says something of the moment, and nothing of the version.
            Err(failure) if failure.kind.retryable() || failure.kind == ErrorKind::Deadline => return,
            Err(failure) => Answered::Failed(failure.kind.name().to_owned()),
        };
        let Begun { asked, request_id, headers, at } = begun;
        let bytes = asked.bytes() + answered.bytes();
        // An answer may be far larger than its request.
        if answered.bytes() as u64 > self.asked.max_body {
            self.recorder.dropped.fetch_add(1, Relaxed);
            return;
        }
        let clock = &self.recorder.clock;
        let time = clock.wall().duration_since(UNIX_EPOCH).unwrap_or_default();
        let id = format!("{:013}-{:04x}", time.as_millis(), self.recorder.turn.fetch_add(1, Relaxed) & 0xffff);
        let recorded = Recorded {
            id,
            service: self.service.clone(),
            version: self.version.to_string(),
            request_id: request_id.to_string(),
            time,
            took: clock.now().saturating_duration_since(at),
            headers,
            asked,
            answered,
        };
        self.recorder.put(recorded, bytes, self.asked.max_requests as usize);
    }
}

/// Ids by age and bytes of each file.
type Known = HashMap<ServiceName, VecDeque<(String, u64)>>;

#[cfg(test)]
mod tests;
