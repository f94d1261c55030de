#![allow(clippy::unwrap_used, reason = "tests")]

use std::time::Duration;

use scorehost_core::ErrorKind;

use super::*;

struct Fixed(Anchor);

impl Clock for Fixed {
    fn now(&self) -> Instant {
        self.0.monotonic
    }

    fn wall(&self) -> SystemTime {
        self.0.wall
    }
}

fn start() -> Anchor {
    Anchor { monotonic: Instant::now(), wall: SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000) }
}

fn timing(queue: u64, infer: u64) -> Timing {
    Timing { queue: Duration::from_nanos(queue), compute_infer: Duration::from_nanos(infer), ..Timing::default() }
}

#[test]
fn a_snapshot_holds_what_was_recorded() {
    let start = start();
    let statistics = Statistics::new(&Fixed(start));
    let (name, version) = ("echo".parse().unwrap(), Arc::from("1"));
    let counters = statistics.service(&name, &version);
    counters.succeeded(start.monotonic + Duration::from_millis(250), timing(100, 900));
    counters.succeeded(start.monotonic + Duration::from_millis(1500), timing(0, 500));
    counters.failed(ErrorKind::Overloaded, Duration::from_nanos(70));
    counters.cancelled();

    let snapshot = &statistics.snapshot_of("echo")[0];
    assert_eq!((snapshot.inference_count, snapshot.execution_count), (2, 2));
    assert_eq!(snapshot.success, Measure { count: 2, ns: 1500 });
    assert_eq!(snapshot.queue, Measure { count: 2, ns: 100 });
    assert_eq!(snapshot.compute_infer, Measure { count: 2, ns: 1400 });
    assert_eq!(snapshot.fail, Measure { count: 1, ns: 70 });
    assert_eq!(snapshot.last_inference, 1_000_001_500);
    assert_eq!(snapshot.batches[0].compute_infer, snapshot.compute_infer);
    assert_eq!(snapshot.cancelled, 1);
    let by_kind: Vec<_> = snapshot.failures.into_iter().filter(|(_, count)| *count > 0).collect();
    assert_eq!(by_kind, [(ErrorKind::Overloaded, 1)]);
}

#[test]
fn nothing_recorded_reads_as_nothing() {
    let statistics = Statistics::new(&Fixed(start()));
    statistics.service(&"idle".parse().unwrap(), &Arc::from("1"));
    let snapshot = &statistics.snapshot()[0];
    assert_eq!((snapshot.last_inference, snapshot.inference_count), (0, 0));
    assert!(snapshot.batches.is_empty());
    assert!(statistics.snapshot_of("other").is_empty());
}

#[test]
fn versions_are_kept_apart_and_a_deleted_service_is_forgotten() {
    let start = start();
    let statistics = Statistics::new(&Fixed(start));
    let name: ServiceName = "echo".parse().unwrap();
    statistics.service(&name, &Arc::from("1")).succeeded(start.monotonic, timing(0, 1));
    statistics.service(&name, &Arc::from("2")).succeeded(start.monotonic, timing(0, 1));
    statistics.service(&name, &Arc::from("2")).succeeded(start.monotonic, timing(0, 1));
    let counts: Vec<_> = statistics.snapshot().iter().map(|s| (s.version.to_string(), s.inference_count)).collect();
    assert_eq!(counts, [("1".to_owned(), 1), ("2".to_owned(), 2)]);
    statistics.remove(&name);
    assert!(statistics.snapshot().is_empty());
}

#[test]
fn requests_that_ran_together_are_one_execution_of_their_size() {
    let start = start();
    let statistics = Statistics::new(&Fixed(start));
    let counters = statistics.service(&"echo".parse().unwrap(), &Arc::from("1"));
    for _ in 0..6 {
        counters.succeeded(start.monotonic, timing(0, 100));
    }
    counters.waited_for_worker(Duration::from_nanos(50));
    counters.ran_together(2, 2, Duration::from_nanos(80));
    counters.ran_together(3, 7, Duration::from_nanos(90));
    let snapshot = &statistics.snapshot()[0];
    assert_eq!((snapshot.inference_count, snapshot.execution_count), (6, 3));
    assert_eq!((snapshot.queue.ns, snapshot.compute_infer.ns), (50, 550));
    let sizes: Vec<_> = snapshot.batches.iter().map(|batch| (batch.batch_size, batch.compute_infer)).collect();
    let measure = |count, ns| Measure { count, ns };
    assert_eq!(sizes, [(1, measure(1, 120)), (2, measure(1, 80)), (7, measure(1, 90))]);
}

#[test]
fn threads_lose_no_count() {
    let start = start();
    let statistics = Statistics::new(&Fixed(start));
    let counters = statistics.service(&"echo".parse().unwrap(), &Arc::from("1"));
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| (0..10_000).for_each(|_| counters.succeeded(start.monotonic, timing(1, 2))));
        }
    });
    let snapshot = &statistics.snapshot()[0];
    assert_eq!(snapshot.success, Measure { count: 80_000, ns: 240_000 });
}
