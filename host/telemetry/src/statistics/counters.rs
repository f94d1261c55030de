//! The counters themselves, sharded so that cores do not write the same cache line.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::time::{Duration, Instant, UNIX_EPOCH};

use parking_lot::Mutex;
use scorehost_core::{DeviceKind, ErrorKind, ServiceName};

use super::{Anchor, BatchSnapshot, Measure, ServiceSnapshot};
use crate::histogram::{Histogram, HistogramSnapshot};
use crate::note;

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

/// One core's share, aligned to the pair of cache lines that the processor fetches together.
#[derive(Default)]
#[repr(align(128))]
struct Shard {
    /// Successful requests: the number and the sum of their durations, too.
    latency: Histogram,
    queue_ns: AtomicU64,
    input_ns: AtomicU64,
    infer_ns: AtomicU64,
    output_ns: AtomicU64,
    fail: AtomicU64,
    fail_ns: AtomicU64,
    cancelled: AtomicU64,
    /// Nanoseconds that the scorer computed.
    computed_ns: AtomicU64,
    /// Nanoseconds from the anchor to the latest finished request.
    last: AtomicU64,
}

/// Runs of a service's model in which several calls went together, also those of other services.
#[derive(Default)]
struct Together {
    /// By calls in the run: how many runs, and how long they took.
    runs: BTreeMap<u64, Measure>,
    /// Calls of this service in them.
    calls: u64,
    /// The time of these calls, each with the whole run's.
    ns: u64,
}

/// The counters of one version of one service. Recording takes no lock and reads no clock.
pub struct ServiceStatistics {
    anchor: Anchor,
    shards: Box<[Shard]>,
    /// Waits for a replica that were not zero. Not sharded: who waits has been through a lock.
    waits: Histogram,
    failures: [AtomicU64; ErrorKind::ALL.len()],
    cold_starts: AtomicU64,
    /// Nanoseconds of waiting for a worker, which whoever timed the request took for computing.
    worker_ns: AtomicU64,
    /// Nanoseconds of devices beside the CPU, by kind.
    device_ns: [AtomicU64; DeviceKind::ALL.len()],
    /// Runs in which calls went together; only those take the lock.
    together: Mutex<Together>,
    service: ServiceName,
    version: Arc<str>,
}

impl ServiceStatistics {
    pub(super) fn new(anchor: Anchor, service: ServiceName, version: Arc<str>) -> Self {
        let shards = (0..shard_count()).map(|_| Shard::default()).collect();
        let (waits, failures) = (Histogram::default(), [const { AtomicU64::new(0) }; ErrorKind::ALL.len()]);
        let (cold_starts, worker_ns, together) = (AtomicU64::new(0), AtomicU64::new(0), Mutex::default());
        let device_ns = [const { AtomicU64::new(0) }; DeviceKind::ALL.len()];
        Self { anchor, shards, waits, failures, cold_starts, worker_ns, device_ns, together, service, version }
    }

    /// Counts a request that succeeded at `finished`, and its own execution of one inference.
    pub fn succeeded(&self, finished: Instant, timing: Timing) {
        let shard = self.shard();
        shard.latency.record(timing.total());
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
        if !timing.queue.is_zero() {
            self.waits.record(timing.queue);
        }
        shard.last.store(nanos(finished.saturating_duration_since(self.anchor.monotonic)), Relaxed);
        note::write(|note| {
            note.answered_by(&self.service, &self.version);
            (note.queue, note.compute) = (timing.queue, timing.total() - timing.queue);
        });
    }

    /// Counts a request that failed after `took`.
    pub fn failed(&self, kind: ErrorKind, took: Duration) {
        let shard = self.shard();
        shard.fail.fetch_add(1, Relaxed);
        shard.fail_ns.fetch_add(nanos(took), Relaxed);
        self.failures[kind as usize].fetch_add(1, Relaxed);
        note::write(|note| note.answered_by(&self.service, &self.version));
    }

    /// Counts a request whose caller went away before the answer.
    pub fn cancelled(&self) {
        self.shard().cancelled.fetch_add(1, Relaxed);
    }

    /// Counts time that a call of the scorer spent computing on a thread.
    pub fn computed(&self, time: Duration) {
        self.shard().computed_ns.fetch_add(nanos(time), Relaxed);
    }

    /// Counts a request that found no replica at all and had to wait for one to be made.
    pub fn started_cold(&self) {
        self.cold_starts.fetch_add(1, Relaxed);
    }

    /// Counts a successful request's wait for a worker as waiting, not as computing.
    pub fn waited_for_worker(&self, wait: Duration) {
        self.worker_ns.fetch_add(nanos(wait), Relaxed);
    }

    /// Counts time that runs of models for this service occupied a device; of the CPU's, nothing is counted here.
    pub fn occupied(&self, device: DeviceKind, time: Duration) {
        if device != DeviceKind::Cpu {
            self.device_ns[device as usize].fetch_add(nanos(time), Relaxed);
        }
    }

    /// Counts a run of the service's model that answered `own` requests of this service among `calls` of it and others.
    pub fn ran_together(&self, own: u64, calls: u64, took: Duration) {
        let mut together = self.together.lock();
        let runs = together.runs.entry(calls).or_default();
        runs.count += 1;
        runs.ns += nanos(took);
        together.calls += own;
        together.ns += own * nanos(took);
    }

    /// The sums so far. Requests that finish meanwhile may be counted in one sum and not yet in another.
    #[must_use]
    pub fn snapshot(&self) -> ServiceSnapshot {
        let sum = |field: fn(&Shard) -> &AtomicU64| self.shards.iter().map(|shard| field(shard).load(Relaxed)).sum();
        let mut latency = HistogramSnapshot::default();
        self.shards.iter().for_each(|shard| shard.latency.add_to(&mut latency));
        let mut queue_wait = HistogramSnapshot::default();
        self.waits.add_to(&mut queue_wait);
        let count = latency.count();
        let measure = |field| Measure { count, ns: sum(field) };
        let compute_input = measure(|shard| &shard.input_ns);
        let mut compute_infer = measure(|shard| &shard.infer_ns);
        let mut queue = measure(|shard| &shard.queue_ns);
        let waited = self.worker_ns.load(Relaxed).min(compute_infer.ns);
        (compute_infer.ns, queue.ns) = (compute_infer.ns - waited, queue.ns + waited);
        let compute_output = measure(|shard| &shard.output_ns);
        let batches = self.batches(compute_infer);
        ServiceSnapshot {
            service: self.service.clone(),
            version: Arc::clone(&self.version),
            last_inference: if count == 0 { 0 } else { self.last_inference() },
            inference_count: count,
            execution_count: batches.iter().map(|batch| batch.compute_infer.count).sum(),
            success: Measure { count, ns: nanos(latency.sum()) },
            fail: Measure { count: sum(|shard| &shard.fail), ns: sum(|shard| &shard.fail_ns) },
            queue,
            compute_input,
            compute_infer,
            compute_output,
            batches,
            failures: ErrorKind::ALL.map(|kind| (kind, self.failures[kind as usize].load(Relaxed))),
            cancelled: sum(|shard| &shard.cancelled),
            latency,
            queue_wait,
            computed: Duration::from_nanos(sum(|shard| &shard.computed_ns)),
            cold_starts: self.cold_starts.load(Relaxed),
            on_devices: DeviceKind::ALL
                .map(|kind| (kind, Duration::from_nanos(self.device_ns[kind as usize].load(Relaxed)))),
        }
    }

    /// Runs by calls: those that were recorded as shared, and of all others one for each request.
    fn batches(&self, all: Measure) -> Vec<BatchSnapshot> {
        let of = |batch_size, compute_infer: Measure| {
            let moved = Measure { count: compute_infer.count, ns: 0 };
            BatchSnapshot { batch_size, compute_input: moved, compute_infer, compute_output: moved }
        };
        let together = self.together.lock();
        let (count, ns) = (all.count.saturating_sub(together.calls), all.ns.saturating_sub(together.ns));
        let alone = (count > 0).then(|| of(1, Measure { count, ns }));
        alone.into_iter().chain(together.runs.iter().map(|(calls, runs)| of(*calls, *runs))).collect()
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

/// As many shards as cores, up to 8, of a KiB each: 9 KiB per version of a service at most.
fn shard_count() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from).next_power_of_two().min(8)
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}
