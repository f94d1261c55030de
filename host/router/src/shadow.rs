//! Shadow traffic: copies of requests for a version whose answers nobody waits for.
//!
//! A copy starts after the caller's answer is made, on the worker runtime, and behind all other requests. It shares the
//! request's bytes. What cannot be taken in is dropped and counted. Every answer is compared with the caller's.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

use scorehost_core::{
    BoxFuture, CallContext, Clock, Deadline, ErrorKind, Failure, InferRequest, InferResponse, NamedTensors, Priority,
    RawRequest, RawResponse, Service, ServiceStatus, Shadow,
};
use scorehost_telemetry::{Comparison, Comparisons, Verdict};
use tokio::runtime::Handle;

use crate::difference;
use crate::endpoint::{reach, share};

/// Copies of one service's requests under way at once.
const MAX_COPIES: usize = 32;
/// Bytes of requests and answers that the copies of all services hold.
const MAX_BYTES: usize = 256 << 20;
/// Longest time of one copy; the version's own scoring timeout is mostly shorter.
const LONGEST: Duration = Duration::from_secs(60);

/// Where copies run and what they are compared in; one for all services.
pub struct Mirror {
    workers: Handle,
    clock: Arc<dyn Clock>,
    comparisons: Arc<Comparisons>,
    bytes: AtomicUsize,
}

impl Mirror {
    /// Copies on `workers`, which must have timers; their deadlines are moments of `clock`.
    #[must_use]
    pub const fn new(workers: Handle, clock: Arc<dyn Clock>, comparisons: Arc<Comparisons>) -> Self {
        Self { workers, clock, comparisons, bytes: AtomicUsize::new(0) }
    }
}

/// Copies of one service's requests under way.
#[derive(Default)]
pub(crate) struct Places(AtomicUsize);

/// Which requests of a service are copied, and where to.
#[derive(Clone)]
pub(crate) struct Copies {
    /// The shadow's place among the versions; its own requests are not copied.
    at: usize,
    reach: u64,
    /// For each version that may answer.
    lanes: Vec<Arc<Lane>>,
}

/// The way of copies of requests that one version answered.
struct Lane {
    shadow: Arc<dyn Service>,
    comparison: Arc<Comparison>,
    places: Arc<Places>,
    mirror: Arc<Mirror>,
}

impl Copies {
    /// `None` while the shadow is not live, or where nothing is copied.
    pub(crate) fn new(
        versions: &[Arc<dyn Service>],
        shadow: &Shadow,
        places: &Arc<Places>,
        mirror: &Arc<Mirror>,
    ) -> Option<Self> {
        let part = share(shadow.percent);
        let at = versions.iter().position(|service| service.status().version == *shadow.version.as_str())?;
        let lane = |answering: &Arc<dyn Service>| {
            let ServiceStatus { name, version, .. } = answering.status();
            Arc::new(Lane {
                shadow: Arc::clone(&versions[at]),
                comparison: mirror.comparisons.pair(name, shadow.version.as_str(), version),
                places: Arc::clone(places),
                mirror: Arc::clone(mirror),
            })
        };
        (part > 0.0).then(|| Self { at, reach: reach(part), lanes: versions.iter().map(lane).collect() })
    }

    /// The version at `at`, with a copy of its request where the point is within the share.
    pub(crate) fn with_copy(&self, service: Arc<dyn Service>, at: usize, point: u64) -> Arc<dyn Service> {
        if at == self.at || point > self.reach {
            return service;
        }
        Arc::new(Mirrored { answering: service, lane: Arc::clone(&self.lanes[at]) })
    }
}

/// A version whose next request is copied.
struct Mirrored {
    answering: Arc<dyn Service>,
    lane: Arc<Lane>,
}

impl Service for Mirrored {
    fn status(&self) -> &ServiceStatus {
        self.answering.status()
    }

    fn infer<'a>(&'a self, request: InferRequest, call: CallContext) -> BoxFuture<'a, Result<InferResponse, Failure>> {
        Box::pin(async move {
            let (copy, context) = (request.clone(), call.clone());
            let answer = self.answering.infer(request, call).await;
            let bytes = size(&copy.inputs) + answer.as_ref().map_or(0, |answer| size(&answer.outputs));
            if let Some(running) = self.lane.enter(&answer, bytes) {
                let ours = answer.as_ref().ok().map(|answer| answer.outputs.clone());
                running.start(context, move |shadow, call| async move {
                    let theirs = shadow.infer(copy, call).await;
                    Some(difference::of_tensors(&ours?, &theirs.ok()?.outputs).verdict())
                });
            }
            answer
        })
    }

    fn score<'a>(&'a self, request: RawRequest, call: CallContext) -> BoxFuture<'a, Result<RawResponse, Failure>> {
        Box::pin(async move {
            let (copy, context) = (request.clone(), call.clone());
            let answer = self.answering.score(request, call).await;
            let bytes = copy.body.len() + answer.as_ref().map_or(0, |answer| answer.body.len());
            if let Some(running) = self.lane.enter(&answer, bytes) {
                let ours = answer.as_ref().ok().map(|answer| (answer.status, answer.body.clone()));
                running.start(context, move |shadow, call| async move {
                    let theirs = shadow.score(copy, call).await;
                    let (status, body) = ours?;
                    let theirs = theirs.ok()?;
                    Some(difference::of_bodies((status, &body), (theirs.status, &theirs.body)).verdict())
                });
            }
            answer
        })
    }
}

fn size(tensors: &NamedTensors) -> usize {
    tensors.iter().map(|named| named.tensor.data().len()).sum()
}

impl Lane {
    /// A place for a copy, or nothing: where no more may run, and where the service refused the request because it has
    /// too much to do already.
    fn enter<T>(self: &Arc<Self>, answer: &Result<T, Failure>, bytes: usize) -> Option<Running> {
        let kind = answer.as_ref().err().map(|failure| failure.kind);
        if matches!(kind, Some(ErrorKind::Overloaded | ErrorKind::Unavailable | ErrorKind::Deadline)) {
            return None;
        }
        let verdict = kind.is_none().then_some(Verdict::Failed);
        let mut running = Running { lane: Arc::clone(self), bytes, verdict };
        let copies = self.places.0.fetch_add(1, Relaxed);
        let held = self.mirror.bytes.fetch_add(bytes, Relaxed);
        if copies < MAX_COPIES && held.saturating_add(bytes) <= MAX_BYTES {
            self.comparison.copied();
            return Some(running);
        }
        running.verdict = None;
        self.comparison.dropped();
        None
    }
}

/// A copy under way. Whatever ends it, a panic included, gives its place back and counts its verdict.
struct Running {
    lane: Arc<Lane>,
    bytes: usize,
    /// `None` where the caller's request failed, so that there is nothing to compare with.
    verdict: Option<Verdict>,
}

impl Running {
    fn start<F>(self, call: CallContext, ask: impl FnOnce(Arc<dyn Service>, CallContext) -> F + Send + 'static)
    where
        F: Future<Output = Option<Verdict>> + Send + 'static,
    {
        let workers = self.lane.mirror.workers.clone();
        workers.spawn(async move {
            // The task holds all of it, so that the place is given back when the task ends.
            let mut running = self;
            let deadline = Some(Deadline::after(running.lane.mirror.clock.now(), LONGEST));
            let call = CallContext { deadline, priority: Priority::Low, trace: None, ..call };
            let work = ask(Arc::clone(&running.lane.shadow), call);
            if let Ok(Some(verdict)) = tokio::time::timeout(LONGEST, work).await {
                running.verdict = Some(verdict);
            }
        });
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.lane.places.0.fetch_sub(1, Relaxed);
        self.lane.mirror.bytes.fetch_sub(self.bytes, Relaxed);
        if let Some(verdict) = self.verdict {
            self.lane.comparison.compared(verdict);
        }
    }
}

#[cfg(test)]
mod tests;
