//! The counters themselves, sharded so that cores do not write the same cache line.

use std::cell::Cell;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::time::{Duration, Instant, UNIX_EPOCH};

use scorehost_core::{ErrorKind, ServiceName};

use super::{Anchor, BatchSnapshot, Measure, ServiceSnapshot};

/// Where the time of one successful request went. The parts add up to the whole.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Timing {
    /// Waiting for a replica or a worker.
    pub queue: Duration,
    /// Bringing inputs into the executor's form.
    pub compute_input: Duration,
    /// The scorer or the model itself.
    pub compute_infer: Duration,
    /// Bringing outputs out of the executor's form.
    pub compute_output: Duration,
}

impl Timing {
    fn total(&self) -> Duration {
        self.queue + self.compute_input + self.compute_infer + self.compute_output
    }
}

/// One core's share. 128 bytes: a pair of cache lines, which the processor fetches together.
#[derive(Default)]
#[repr(align(128))]
struct Shard {
    success: AtomicU64,
    success_ns: AtomicU64,
    queue_ns: AtomicU64,
    input_ns: AtomicU64,
    infer_ns: AtomicU64,
    output_ns: AtomicU64,
    fail: AtomicU64,
    fail_ns: AtomicU64,
    cancelled: AtomicU64,
    /// Nanoseconds from the anchor to the latest finished request.
    last: AtomicU64,
}

/// The counters of one version of one service. Recording takes no lock and reads no clock.
pub struct ServiceStatistics {
    anchor: Anchor,
    shards: Box<[Shard]>,
    failures: [AtomicU64; ErrorKind::ALL.len()],
}

impl ServiceStatistics {
    pub(super) fn new(anchor: Anchor) -> Self {
        let shards = (0..shard_count()).map(|_| Shard::default()).collect();
        Self { anchor, shards, failures: [const { AtomicU64::new(0) }; ErrorKind::ALL.len()] }
    }

    /// Counts a request that succeeded at `finished`, and its own execution of one inference.
    pub fn succeeded(&self, finished: Instant, timing: Timing) {
        let shard = self.shard();
        shard.success.fetch_add(1, Relaxed);
        shard.success_ns.fetch_add(nanos(timing.total()), Relaxed);
        shard.infer_ns.fetch_add(nanos(timing.compute_infer), Relaxed);
        for (counter, part) in [
            (&shard.queue_ns, timing.queue),
            (&shard.input_ns, timing.compute_input),
            (&shard.output_ns, timing.compute_output),
        ] {
            // Mostly nothing, and an addition to shared memory costs more than the question.
            if !part.is_zero() {
                counter.fetch_add(nanos(part), Relaxed);
            }
        }
        shard.last.store(nanos(finished.saturating_duration_since(self.anchor.monotonic)), Relaxed);
    }

    /// Counts a request that failed after `took`.
    pub fn failed(&self, kind: ErrorKind, took: Duration) {
        let shard = self.shard();
        shard.fail.fetch_add(1, Relaxed);
        shard.fail_ns.fetch_add(nanos(took), Relaxed);
        self.failures[kind as usize].fetch_add(1, Relaxed);
    }

    /// Counts a request whose caller went away before the answer.
    pub fn cancelled(&self) {
        self.shard().cancelled.fetch_add(1, Relaxed);
    }

    /// The sums so far. Requests that finish meanwhile may be counted in one sum and not yet in another.
    #[must_use]
    pub fn snapshot(&self, service: &ServiceName, version: &Arc<str>) -> ServiceSnapshot {
        let sum = |field: fn(&Shard) -> &AtomicU64| self.shards.iter().map(|shard| field(shard).load(Relaxed)).sum();
        let count: u64 = sum(|shard| &shard.success);
        let measure = |field| Measure { count, ns: sum(field) };
        let compute_input = measure(|shard| &shard.input_ns);
        let compute_infer = measure(|shard| &shard.infer_ns);
        let compute_output = measure(|shard| &shard.output_ns);
        let batch = BatchSnapshot { batch_size: 1, compute_input, compute_infer, compute_output };
        ServiceSnapshot {
            service: service.clone(),
            version: Arc::clone(version),
            last_inference: if count == 0 { 0 } else { self.last_inference() },
            inference_count: count,
            execution_count: count,
            success: measure(|shard| &shard.success_ns),
            fail: Measure { count: sum(|shard| &shard.fail), ns: sum(|shard| &shard.fail_ns) },
            queue: measure(|shard| &shard.queue_ns),
            compute_input,
            compute_infer,
            compute_output,
            batches: if count == 0 { Vec::new() } else { vec![batch] },
            failures: ErrorKind::ALL.map(|kind| (kind, self.failures[kind as usize].load(Relaxed))),
            cancelled: sum(|shard| &shard.cancelled),
        }
    }

    /// Milliseconds since the Unix epoch.
    fn last_inference(&self) -> u64 {
        let since_anchor = self.shards.iter().map(|shard| shard.last.load(Relaxed)).max().unwrap_or(0);
        let last = self.anchor.wall + Duration::from_nanos(since_anchor);
        last.duration_since(UNIX_EPOCH).map_or(0, |since| u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
    }

    fn shard(&self) -> &Shard {
        // The count is a power of two.
        &self.shards[thread_number() & (self.shards.len() - 1)]
    }
}

/// Threads are numbered as they first record, so that the ingress threads get shards of their own.
fn thread_number() -> usize {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    thread_local! {
        static NUMBER: Cell<usize> = Cell::new(NEXT.fetch_add(1, Relaxed));
    }
    NUMBER.get()
}

/// As many shards as cores, up to 16: 2 KiB per service at most.
fn shard_count() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from).next_power_of_two().min(16)
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}
