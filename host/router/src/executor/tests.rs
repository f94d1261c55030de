#![allow(clippy::unwrap_used, reason = "tests")]

use std::collections::BTreeMap;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use scorehost_core::SystemClock;
use scorehost_telemetry::Statistics;

use super::*;

/// Processor time that only the fakes below use.
#[derive(Default)]
struct Used(AtomicU64);

impl Meter for Used {
    fn thread_time(&self) -> Duration {
        Duration::from_nanos(self.0.load(Relaxed))
    }
}

/// A call that computes for `slice` at every poll, and ends after `polls` of them.
struct Guest {
    meter: Arc<Used>,
    slice: Duration,
    polls: u32,
    name: &'static str,
    slices: Arc<Mutex<Vec<&'static str>>>,
    /// Where its waker goes when it waits instead of yielding.
    waits: Option<Arc<Mutex<Option<Waker>>>>,
    _alive: Arc<()>,
}

impl Future for Guest {
    type Output = &'static str;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<&'static str> {
        self.meter.0.fetch_add(self.slice.as_nanos() as u64, Relaxed);
        self.slices.lock().push(self.name);
        self.polls = self.polls.saturating_sub(1);
        if self.polls == 0 {
            return Poll::Ready(self.name);
        }
        match &self.waits {
            Some(waker) => *waker.lock() = Some(cx.waker().clone()),
            None => cx.waker().wake_by_ref(),
        }
        Poll::Pending
    }
}

struct Bench {
    executor: Arc<Executor>,
    meter: Arc<Used>,
    statistics: Statistics,
    slices: Arc<Mutex<Vec<&'static str>>>,
    alive: Arc<()>,
}

impl Bench {
    fn new() -> Self {
        let meter = Arc::new(Used::default());
        let statistics = Statistics::new(&SystemClock);
        Self {
            executor: Executor::stepped(meter.clone()),
            meter,
            statistics,
            slices: Arc::default(),
            alive: Arc::default(),
        }
    }

    fn share(&self, service: &str, weight: u32) -> Share {
        let name: ServiceName = service.parse().unwrap();
        let statistics = self.statistics.service(&name, &"1".into());
        Share { flow: self.executor.flow(&name), weight, statistics: Some(statistics) }
    }

    fn guest(&self, name: &'static str, polls: u32) -> Guest {
        let (meter, slices, _alive) = (self.meter.clone(), self.slices.clone(), self.alive.clone());
        Guest { meter, slice: Duration::from_millis(1), polls, name, slices, waits: None, _alive }
    }

    fn run(&self, steps: usize) -> BTreeMap<&'static str, usize> {
        (0..steps).for_each(|_| {
            self.executor.step();
        });
        let mut counts = BTreeMap::new();
        self.slices.lock().drain(..).for_each(|name| *counts.entry(name).or_default() += 1);
        counts
    }

    fn guests(&self) -> usize {
        Arc::strong_count(&self.alive) - 1
    }
}

const FOREVER: u32 = u32::MAX;
const NORMAL: Priority = Priority::Normal;

fn done<T>(handed: &mut Handed<T>) -> Option<(T, Duration)> {
    match Pin::new(handed).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => output,
        Poll::Pending => None,
    }
}

#[test]
fn a_flood_of_endless_loops_gets_one_share() {
    let bench = Bench::new();
    let (a, b) = (bench.share("tenant-a", 100), bench.share("tenant-b", 100));
    let _loops: Vec<_> = (0..50).map(|_| bench.executor.spawn(&a, NORMAL, bench.guest("a", FOREVER))).collect();
    let mut answered = 0;
    for _ in 0..100 {
        let mut call = bench.executor.spawn(&b, NORMAL, bench.guest("b", 5));
        bench.run(11);
        answered += usize::from(done(&mut call).is_some());
    }
    assert_eq!(answered, 100, "each call of 5 slices ended within 11 slices of the one thread");
}

#[test]
fn weights_divide_the_threads() {
    let bench = Bench::new();
    let (a, b) = (bench.share("tenant-a", 100), bench.share("tenant-b", 300));
    let _a = bench.executor.spawn(&a, NORMAL, bench.guest("a", FOREVER));
    let _b = bench.executor.spawn(&b, NORMAL, bench.guest("b", FOREVER));
    let counts = bench.run(400);
    assert_eq!((counts["a"], counts["b"]), (100, 300));
}

#[test]
fn versions_of_a_service_share_what_is_the_services() {
    let bench = Bench::new();
    let (old, new, other) = (bench.share("same", 100), bench.share("same", 100), bench.share("other", 100));
    let _calls = [
        bench.executor.spawn(&old, NORMAL, bench.guest("same", FOREVER)),
        bench.executor.spawn(&new, NORMAL, bench.guest("same", FOREVER)),
        bench.executor.spawn(&other, NORMAL, bench.guest("other", FOREVER)),
    ];
    let counts = bench.run(400);
    assert_eq!((counts["same"], counts["other"]), (200, 200));
}

#[test]
fn calls_of_one_service_end_in_their_order_and_an_endless_one_gives_way() {
    let bench = Bench::new();
    let share = bench.share("one", 100);
    let mut calls: Vec<_> = ["1", "2"].map(|name| bench.executor.spawn(&share, NORMAL, bench.guest(name, 20))).into();
    bench.run(20);
    assert_eq!(done(&mut calls[0]).unwrap(), ("1", Duration::from_millis(20)));
    assert!(done(&mut calls[1]).is_none());
    let _endless = bench.executor.spawn(&share, NORMAL, bench.guest("endless", FOREVER));
    bench.run(20);
    assert_eq!(done(&mut calls[1]).unwrap().0, "2");
    let mut behind = bench.executor.spawn(&share, NORMAL, bench.guest("behind", 1));
    bench.run(100);
    assert!(done(&mut behind).is_none(), "the endless one has its turn");
    bench.run(1);
    assert_eq!(done(&mut behind).unwrap().0, "behind");
}

#[test]
fn a_call_of_high_priority_goes_first_in_its_service() {
    let bench = Bench::new();
    let share = bench.share("one", 100);
    let _low = bench.executor.spawn(&share, Priority::Low, bench.guest("low", 3));
    let mut high = bench.executor.spawn(&share, Priority::High, bench.guest("high", 3));
    bench.run(3);
    assert_eq!(done(&mut high).unwrap().0, "high");
}

#[test]
fn a_call_that_waits_takes_no_thread_and_goes_on_when_it_is_woken() {
    let bench = Bench::new();
    let share = bench.share("one", 100);
    let waker = Arc::new(Mutex::new(None));
    let guest = Guest { waits: Some(Arc::clone(&waker)), ..bench.guest("waits", 2) };
    let mut call = bench.executor.spawn(&share, NORMAL, guest);
    assert!(bench.executor.step() && !bench.executor.step());
    let woken: Waker = waker.lock().take().unwrap();
    woken.wake_by_ref();
    woken.wake();
    assert!(bench.executor.step() && !bench.executor.step(), "two wake-ups are one slice");
    assert_eq!(done(&mut call).unwrap().0, "waits");
}

#[test]
fn dropping_a_call_ends_it_at_once_wherever_it_is() {
    let bench = Bench::new();
    let share = bench.share("one", 100);
    let waker = Arc::new(Mutex::new(None));
    let waiting = Guest { waits: Some(Arc::clone(&waker)), ..bench.guest("waits", 2) };
    let idle = bench.executor.spawn(&share, NORMAL, waiting);
    bench.run(1);
    let queued = bench.executor.spawn(&share, NORMAL, bench.guest("queued", FOREVER));
    assert_eq!(bench.guests(), 2);
    drop(idle);
    drop(queued);
    assert_eq!(bench.guests(), 0);
    if let Some(waker) = waker.lock().take() {
        Waker::wake(waker);
    }
    assert!(bench.run(3).is_empty(), "nothing is left to go on with");
}

/// Aborts the call that it is part of, from within its own slice.
struct Suicidal {
    handed: Arc<Mutex<Option<Handed<()>>>>,
    _alive: Arc<()>,
}

impl Future for Suicidal {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        drop(self.handed.lock().take());
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}

#[test]
fn a_call_dropped_while_it_runs_ends_with_its_slice() {
    let bench = Bench::new();
    let cell = Arc::new(Mutex::new(None));
    let call = Suicidal { handed: Arc::clone(&cell), _alive: bench.alive.clone() };
    let handed = bench.executor.spawn(&bench.share("one", 100), NORMAL, call);
    *cell.lock() = Some(handed);
    assert!(bench.executor.step());
    assert_eq!(bench.guests(), 0);
    assert!(!bench.executor.step());
}

#[test]
fn short_calls_elsewhere_count_only_while_others_wait() {
    let bench = Bench::new();
    let (short, long) = (bench.share("short", 100), bench.share("long", 100));
    bench.executor.used_elsewhere(&short, Duration::from_secs(3600));
    assert!(!bench.executor.is_ahead(&short), "nobody waited");
    let _loops = [(); 2].map(|()| bench.executor.spawn(&long, NORMAL, bench.guest("long", FOREVER)));
    bench.run(100);
    bench.executor.used_elsewhere(&short, Duration::from_millis(4));
    assert!(!bench.executor.is_ahead(&short), "a little ahead is nothing");
    bench.executor.used_elsewhere(&short, Duration::from_millis(4));
    assert!(bench.executor.is_ahead(&short));
    bench.run(10);
    assert!(!bench.executor.is_ahead(&short), "the others have caught up");
}

#[test]
fn threads_finish_what_is_handed_to_them_and_count_it() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let executor = Executor::start(2, runtime.handle()).unwrap();
    let statistics = Statistics::new(&SystemClock);
    let name: ServiceName = "real".parse().unwrap();
    let counters = statistics.service(&name, &"1".into());
    let share = Share { flow: executor.flow(&name), weight: 100, statistics: Some(counters) };
    let calls: Vec<_> = (0..20_u64)
        .map(|number| {
            let call = Box::pin(async move {
                // A timer of the runtime, from a thread that is none of its own.
                tokio::time::sleep(Duration::from_millis(1)).await;
                (0..200_000_u64).fold(number, |sum, next| sum.wrapping_mul(31).wrapping_add(next))
            });
            executor.spawn(&share, NORMAL, call)
        })
        .collect();
    let spent: Duration = calls.into_iter().map(|call| runtime.block_on(call).unwrap().1).sum();
    assert!(spent > Duration::ZERO);
    assert_eq!(statistics.snapshot()[0].computed, spent);
}

#[test]
fn a_panic_ends_one_call_and_no_thread() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let executor = Executor::start(1, runtime.handle()).unwrap();
    let bench = Bench::new();
    let share = bench.share("one", 100);
    async fn falls() {
        panic!("as told")
    }
    let bad = executor.spawn(&share, NORMAL, Box::pin(falls()));
    assert!(runtime.block_on(bad).is_none());
    let good = executor.spawn(&share, NORMAL, Box::pin(async { 7 }));
    assert_eq!(runtime.block_on(good).map(|(output, _)| output), Some(7));
}
