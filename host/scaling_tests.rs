#![allow(clippy::unwrap_used, reason = "tests")]

use std::sync::atomic::{AtomicUsize, Ordering};

use scorehost_core::{
    BoxFuture, CallContext, Failure, Interface, NamedTensors, RawRequest, RawResponse, Replica, ReplicaFactory,
    Scaling, Signature,
};
use scorehost_pool::{Lent, PoolConfig, Want};
use scorehost_telemetry::LogConfig;
use tokio::runtime::Handle;
use tokio::task::JoinHandle;
use tokio::time::Instant as Timer;

use super::*;

const GIB: u64 = 1 << 30;

/// A replica of 1 GiB that does nothing.
struct Idle(Interface);

impl Replica for Idle {
    fn interface(&self) -> &Interface {
        &self.0
    }

    fn infer<'a>(&'a mut self, _: NamedTensors, _: &'a CallContext) -> BoxFuture<'a, Result<NamedTensors, Failure>> {
        Box::pin(std::future::ready(Ok(Vec::new())))
    }

    fn score<'a>(&'a mut self, _: RawRequest, _: &'a CallContext) -> BoxFuture<'a, Result<RawResponse, Failure>> {
        Box::pin(std::future::ready(Err(Failure::invalid("tensors only"))))
    }

    fn healthy(&self) -> bool {
        true
    }

    fn memory(&self) -> u64 {
        GIB
    }
}

struct Factory;

impl ReplicaFactory for Factory {
    fn create(&self) -> BoxFuture<'_, Result<Box<dyn Replica>, Failure>> {
        let replica = Box::new(Idle(Interface::Tensors(Signature::default())));
        Box::pin(std::future::ready(Ok(replica as Box<dyn Replica>)))
    }
}

/// The paused clock of tokio.
struct Paused(Timer);

impl Clock for Paused {
    fn now(&self) -> Instant {
        self.0.into_std() + self.0.elapsed()
    }

    fn wall(&self) -> std::time::SystemTime {
        std::time::SystemTime::UNIX_EPOCH
    }
}

/// A machine with so much to spare, that counts how often it is asked: once for each decision.
struct Roomy(u64, Arc<AtomicUsize>);

impl Machine for Roomy {
    fn spare_memory(&self) -> u64 {
        self.1.fetch_add(1, Ordering::SeqCst);
        self.0
    }
}

struct Stage {
    autoscaler: Arc<Autoscaler>,
    clock: Arc<dyn Clock>,
    logs: Arc<LogBook>,
    passes: Arc<AtomicUsize>,
}

const PLENTY: Limits = Limits { memory: Some(1000 * GIB), processors: 1000.0, replicas: 1000 };

impl Stage {
    fn new(limits: Limits) -> Self {
        let clock: Arc<dyn Clock> = Arc::new(Paused(Timer::now()));
        let logs = Arc::new(LogBook::new(LogConfig::default(), Arc::clone(&clock)));
        let passes = Arc::new(AtomicUsize::new(0));
        let machine = Box::new(Roomy(100 * GIB, Arc::clone(&passes)));
        let autoscaler = Autoscaler::new(Arc::clone(&clock), machine, limits, Arc::clone(&logs));
        tokio::spawn(Arc::clone(&autoscaler).run());
        Self { autoscaler, clock, logs, passes }
    }

    /// A version that is in the table.
    async fn live(&self, name: &str, scaling: Scaling) -> Arc<Pool> {
        let spec = spec(name, scaling);
        let (clock, runtime) = (Arc::clone(&self.clock), Handle::current());
        let pool = Pool::new(Arc::new(Factory), PoolConfig::of(&spec), runtime, clock);
        pool.warm().await.unwrap();
        self.autoscaler.went_live(&spec, &pool);
        pool
    }

    fn decided(&self, name: &str) -> Decided {
        self.autoscaler.decided(&spec(name, Scaling::default()).key()).unwrap()
    }

    fn log(&self, name: &str) -> String {
        let log = self.logs.find(&name.parse().unwrap()).unwrap();
        let (lines, _) = log.tail_and_follow(None, 100);
        lines.iter().map(|line| format!("{}\n", line.text)).collect()
    }
}

fn spec(name: &str, scaling: Scaling) -> ServiceSpec {
    ServiceSpec { scaling, ..ServiceSpec::new(name.parse().unwrap()) }
}

fn from_to(min: u32, max: u32) -> Scaling {
    Scaling { min, max, ..Scaling::default() }
}

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

async fn settle() {
    for _ in 0..50 {
        tokio::task::yield_now().await;
    }
}

/// Requests that come at once; each holds its replica for a while.
fn requests(pool: &Arc<Pool>, count: usize, hold: Duration) -> Vec<JoinHandle<bool>> {
    let request = |pool: Arc<Pool>| async move {
        let lent: Result<Lent, _> = pool.lend(&Want::default()).await;
        sleep(hold).await;
        lent.is_ok()
    };
    (0..count).map(|_| tokio::spawn(request(Arc::clone(pool)))).collect()
}

async fn all_answered(requests: Vec<JoinHandle<bool>>) -> bool {
    let mut answered = true;
    for request in requests {
        answered &= request.await.unwrap();
    }
    answered
}

#[tokio::test(start_paused = true)]
async fn load_raises_the_number_to_the_target_and_a_stable_minute_takes_it_down_again() {
    let stage = Stage::new(PLENTY);
    let pool = stage.live("busy", from_to(1, 20)).await;
    assert_eq!(pool.signals().total(), 1);
    let load = requests(&pool, 7, seconds(4));
    settle().await;
    assert_eq!((pool.signals().busy, pool.signals().queued), (7, 0), "calls make their replicas themselves");
    sleep(seconds(3)).await;
    assert_eq!(pool.signals().total(), 10, "seven requests at a time are 70 % of ten replicas");
    assert!(all_answered(load).await);
    sleep(seconds(50)).await;
    assert_eq!(pool.signals().idle, 10);
    sleep(seconds(20)).await;
    assert_eq!((pool.signals().idle, stage.decided("busy").wanted), (1, 1));
    let log = stage.log("busy");
    assert!(log.contains("scaled from 1 to 7 replicas") || log.contains("scaled from 1 to 10 replicas"), "{log}");
    assert!(log.contains("to 1 replicas: fewer were enough for 60 s"), "{log}");
    let count = |direction| stage.decided("busy").decisions.iter().filter(|(found, ..)| *found == direction).count();
    assert!(count("up") > 0 && count("down") > 0, "{:?}", stage.decided("busy"));
}

#[tokio::test(start_paused = true)]
async fn a_load_that_comes_in_bursts_moves_nothing_once_it_is_known() {
    let stage = Stage::new(PLENTY);
    let pool = stage.live("bursts", from_to(1, 20)).await;
    for _ in 0..10 {
        assert!(all_answered(requests(&pool, 5, Duration::from_millis(40))).await);
        sleep(seconds(20)).await;
        assert_eq!(pool.signals().idle, 5);
    }
    assert_eq!(stage.decided("bursts").decisions, [("up", "load", 1)]);
}

#[tokio::test(start_paused = true)]
async fn a_service_without_requests_goes_to_zero_and_comes_back_inside_one() {
    let stage = Stage::new(PLENTY);
    let pool = stage.live("rare", Scaling { idle_after: seconds(5), ..from_to(0, 10) }).await;
    sleep(seconds(4)).await;
    assert_eq!(pool.signals().total(), 1);
    sleep(seconds(2)).await;
    assert_eq!((pool.signals().total(), stage.decided("rare").wanted), (0, 0));
    let start = Timer::now();
    assert!(all_answered(requests(&pool, 3, Duration::ZERO)).await);
    assert_eq!(start.elapsed(), Duration::ZERO);
    sleep(seconds(7)).await;
    assert_eq!(pool.signals().total(), 0);
    assert!(
        stage.log("rare").contains("scaled from 1 to 0 replicas: no request came for 5 s"),
        "{}",
        stage.log("rare")
    );
}

#[tokio::test(start_paused = true)]
async fn a_number_that_a_person_sets_holds_at_once_and_ends_no_call() {
    let stage = Stage::new(PLENTY);
    let pool = stage.live("manual", from_to(1, 10)).await;
    let rescale = |scaling| stage.autoscaler.rescale(&spec("manual", scaling));
    rescale(Scaling::fixed(5));
    settle().await;
    assert_eq!(pool.signals().idle, 5);
    let load = requests(&pool, 4, seconds(2));
    settle().await;
    rescale(Scaling::fixed(2));
    settle().await;
    assert_eq!((pool.signals().busy, pool.signals().idle), (4, 0), "calls go on");
    assert!(all_answered(load).await);
    sleep(seconds(2)).await;
    assert_eq!(pool.signals().idle, 2);
    assert_eq!(stage.decided("manual").decisions, [("up", "bounds", 1), ("down", "bounds", 1)]);
}

#[tokio::test(start_paused = true)]
async fn a_short_host_is_shared_and_says_so() {
    let stage = Stage::new(Limits { memory: Some(6 * GIB), ..PLENTY });
    let (first, second) = (stage.live("first", from_to(1, 10)).await, stage.live("second", from_to(1, 10)).await);
    let patient = Duration::from_millis(300);
    let greedy = requests(&first, 6, patient);
    settle().await;
    sleep(Duration::from_millis(20)).await;
    assert_eq!(first.signals().total() + second.signals().total(), 6);
    assert!(all_answered(greedy).await, "whoever waits gets a replica that others give back");
    // Both want more than there is now.
    let both = [requests(&first, 6, patient), requests(&second, 6, patient)];
    sleep(seconds(1)).await;
    assert_eq!((first.signals().total(), second.signals().total()), (3, 3));
    for requests in both {
        let mut answered = 0;
        for request in requests {
            answered += usize::from(request.await.unwrap());
        }
        assert!(answered >= 3);
    }
    let log = stage.log("second");
    assert!(log.contains("replicas and gets") && log.contains("--max-replica-memory"), "{log}");
    assert!(stage.decided("second").wanted > stage.decided("second").allowed);
}

#[tokio::test(start_paused = true)]
async fn memory_that_is_not_limited_is_what_the_machine_can_spare() {
    let stage = Stage::new(Limits { memory: None, ..PLENTY });
    let pool = stage.live("only", from_to(1, 1000)).await;
    assert_eq!((pool.signals().total(), stage.decided("only").allowed), (1, 101), "100 GiB more than it has");
}

#[tokio::test(start_paused = true)]
async fn waiting_callers_get_what_others_leave_before_the_period_ends() {
    let stage = Stage::new(Limits { replicas: 10, ..PLENTY });
    let slow = Scaling { refresh: seconds(600), ..from_to(1, 10) };
    let (pool, _other) = (stage.live("pool", slow).await, stage.live("other", slow).await);
    assert_eq!(stage.decided("pool").allowed, 5, "half of what is left is the other's until somebody needs it");
    let start = Timer::now();
    let load = requests(&pool, 8, seconds(1));
    while pool.signals().busy < 8 {
        sleep(Duration::from_millis(1)).await;
        assert!(start.elapsed() < Duration::from_millis(10));
    }
    assert!(all_answered(load).await);
}

#[tokio::test(start_paused = true)]
async fn callers_that_nothing_helps_keep_nobody_busy() {
    let stage = Stage::new(Limits { replicas: 1, memory: None, ..PLENTY });
    let pool = stage.live("full", from_to(1, 10)).await;
    let before = stage.passes.load(Ordering::SeqCst);
    for _ in 0..100 {
        drop(requests(&pool, 20, Duration::from_millis(50)));
        sleep(Duration::from_millis(100)).await;
    }
    let passes = stage.passes.load(Ordering::SeqCst) - before;
    assert!((10..=25).contains(&passes), "{passes} decisions in 10 periods");
}

#[tokio::test(start_paused = true)]
async fn a_new_generation_goes_on_with_the_load_of_the_former() {
    let stage = Stage::new(PLENTY);
    let former = stage.live("again", from_to(1, 20)).await;
    let load = requests(&former, 7, seconds(3));
    sleep(seconds(2)).await;
    let next = stage.live("again", from_to(1, 20)).await;
    stage.autoscaler.leave(&former);
    settle().await;
    assert_eq!(next.signals().idle, 10);
    assert!(all_answered(load).await);
    assert_eq!(stage.decided("again").wanted, 10);
}

#[tokio::test(start_paused = true)]
async fn versions_that_left_are_left_alone() {
    let stage = Stage::new(PLENTY);
    let pool = stage.live("gone", from_to(3, 5)).await;
    stage.autoscaler.leave(&pool);
    pool.drain().await;
    sleep(seconds(5)).await;
    assert_eq!(pool.signals().total(), 0);
    assert!(stage.autoscaler.decided(&spec("gone", Scaling::default()).key()).is_none());
}
