#![allow(clippy::unwrap_used, reason = "tests")]

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use scorehost_core::{
    BoxFuture, CallContext, Deadline, ErrorKind, NamedTensors, Priority, RawRequest, RawResponse, Signature,
    SystemClock,
};
use tokio::time::sleep;

use super::*;

/// Makes numbered replicas and counts those alive and lent.
#[derive(Default)]
struct Fake {
    made: AtomicUsize,
    alive: Arc<AtomicUsize>,
    failing: AtomicBool,
    /// How long making one takes.
    takes: Duration,
}

struct FakeReplica {
    number: usize,
    interface: Interface,
    healthy: bool,
    alive: Arc<AtomicUsize>,
}

impl Drop for FakeReplica {
    fn drop(&mut self) {
        self.alive.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Replica for FakeReplica {
    fn interface(&self) -> &Interface {
        &self.interface
    }

    /// Fails with its number, so that a test can tell replicas apart; an empty request id breaks the replica.
    fn infer<'a>(&'a mut self, _: NamedTensors, call: &'a CallContext) -> BoxFuture<'a, Result<NamedTensors, Failure>> {
        self.healthy = !call.request_id.is_empty();
        Box::pin(std::future::ready(Err(Failure::invalid(self.number.to_string()))))
    }

    fn score<'a>(&'a mut self, _: RawRequest, _: &'a CallContext) -> BoxFuture<'a, Result<RawResponse, Failure>> {
        Box::pin(std::future::ready(Err(Failure::invalid("tensors only"))))
    }

    fn healthy(&self) -> bool {
        self.healthy
    }
}

impl ReplicaFactory for Fake {
    fn create(&self) -> BoxFuture<'_, Result<Box<dyn Replica>, Failure>> {
        Box::pin(async {
            if !self.takes.is_zero() {
                sleep(self.takes).await;
            }
            let number = self.made.fetch_add(1, Ordering::SeqCst);
            if self.failing.load(Ordering::SeqCst) {
                return Err(Failure::new(ErrorKind::ScorerFault, "init failed: no vocabulary"));
            }
            self.alive.fetch_add(1, Ordering::SeqCst);
            let (interface, alive) = (Interface::Tensors(Signature::default()), Arc::clone(&self.alive));
            Ok(Box::new(FakeReplica { number, interface, healthy: true, alive }) as Box<dyn Replica>)
        })
    }
}

fn pool(fake: &Arc<Fake>, config: PoolConfig) -> Arc<Pool> {
    Pool::new(fake.clone(), config, Handle::current(), Arc::new(SystemClock))
}

/// A caller without wishes.
const ANY: Want = Want { deadline: None, priority: Priority::Normal, takes: None };

fn bounds(min: usize, max: usize) -> PoolConfig {
    PoolConfig { min, max, ..PoolConfig::default() }
}

async fn number(lent: &mut Lent) -> usize {
    let failure = lent.infer(vec![], &CallContext::new("r")).await.unwrap_err();
    failure.message.parse().unwrap()
}

async fn break_replica(mut lent: Lent) {
    let _ = lent.infer(vec![], &CallContext::new("")).await;
}

async fn settle() {
    for _ in 0..50 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn warming_makes_the_minimum() {
    let fake = Arc::new(Fake::default());
    let pool = pool(&fake, bounds(3, 5));
    assert_eq!(pool.warm().await.unwrap(), Interface::Tensors(Signature::default()));
    assert_eq!(pool.signals(), PoolSignals { idle: 3, ..PoolSignals::default() });
}

#[tokio::test]
async fn warming_tells_what_init_said() {
    let fake = Arc::new(Fake { failing: true.into(), ..Fake::default() });
    let failure = pool(&fake, bounds(1, 1)).warm().await.unwrap_err();
    assert_eq!((failure.kind, &*failure.message), (ErrorKind::ScorerFault, "init failed: no vocabulary"));
}

#[tokio::test]
async fn the_replica_used_last_is_lent_first() {
    let fake = Arc::new(Fake::default());
    let pool = pool(&fake, bounds(2, 2));
    pool.warm().await.unwrap();
    let (mut a, mut b) = (pool.lend(&ANY).await.unwrap(), pool.lend(&ANY).await.unwrap());
    let (first, last) = (number(&mut a).await, number(&mut b).await);
    assert_ne!(first, last);
    drop(a);
    drop(b);
    assert_eq!(number(&mut pool.try_lend().unwrap()).await, last);
}

#[tokio::test]
async fn replicas_are_made_on_demand_up_to_the_maximum() {
    let fake = Arc::new(Fake::default());
    let pool = pool(&fake, bounds(0, 2));
    let _a = pool.lend(&ANY).await.unwrap();
    let _b = pool.lend(&ANY).await.unwrap();
    assert_eq!(pool.signals(), PoolSignals { busy: 2, ..PoolSignals::default() });
    let waiting = tokio::spawn({
        let pool = Arc::clone(&pool);
        async move { pool.lend(&ANY).await.map(drop) }
    });
    settle().await;
    assert_eq!(pool.signals(), PoolSignals { busy: 2, queued: 1, ..PoolSignals::default() });
    drop(_a);
    waiting.await.unwrap().unwrap();
    assert_eq!(fake.made.load(Ordering::SeqCst), 2);
}

#[tokio::test]
async fn callers_are_served_in_their_order() {
    let fake = Arc::new(Fake::default());
    let pool = pool(&fake, bounds(1, 1));
    pool.warm().await.unwrap();
    let held = pool.try_lend().unwrap();
    let order = Arc::new(Mutex::new(Vec::new()));
    let mut callers = Vec::new();
    for caller in 0..5 {
        let (pool, order) = (Arc::clone(&pool), Arc::clone(&order));
        callers.push(tokio::spawn(async move {
            let _lent = pool.lend(&ANY).await.unwrap();
            order.lock().push(caller);
        }));
        settle().await;
    }
    drop(held);
    for caller in callers {
        caller.await.unwrap();
    }
    assert_eq!(*order.lock(), [0, 1, 2, 3, 4]);
}

#[tokio::test(start_paused = true)]
async fn waiting_ends_with_the_longest_wait_or_the_deadline() {
    let fake = Arc::new(Fake::default());
    let pool = pool(&fake, bounds(1, 1));
    let _held = pool.lend(&ANY).await.unwrap();
    let start = tokio::time::Instant::now();
    let error = pool.lend(&ANY).await.err().unwrap();
    assert_eq!(error.to_string(), "no replica became free within 500 ms");
    assert_eq!((error.kind(), start.elapsed()), (ErrorKind::Overloaded, Duration::from_millis(500)));
    let soon = Deadline::after(Instant::now(), Duration::from_millis(20));
    assert_eq!(pool.lend(&Want::by(soon)).await.err().unwrap().kind(), ErrorKind::Deadline);
    assert_eq!(pool.signals().queued, 0, "both left the line");
}

#[tokio::test]
async fn a_full_line_refuses_at_once() {
    let fake = Arc::new(Fake::default());
    let pool = pool(&fake, PoolConfig { max_queue: 0, ..bounds(1, 1) });
    pool.warm().await.unwrap();
    let _held = pool.try_lend().unwrap();
    let error = pool.lend(&ANY).await.err().unwrap();
    assert!(matches!(error, PoolError::QueueFull { queued: 0 }), "{error}");
}

/// Lines up with `want` while every replica is lent, and notes who got one.
async fn line_up(pool: &Arc<Pool>, want: Want, order: &Arc<Mutex<Vec<&'static str>>>, name: &'static str) -> Outcome {
    let (pool, order) = (Arc::clone(pool), Arc::clone(order));
    let caller = tokio::spawn(async move {
        let _lent = pool.lend(&want).await?;
        order.lock().push(name);
        Ok(())
    });
    settle().await;
    caller
}

type Outcome = tokio::task::JoinHandle<Result<(), PoolError>>;

fn of(priority: Priority) -> Want {
    Want { priority, ..ANY }
}

#[tokio::test]
async fn callers_of_high_priority_are_served_first_and_low_ones_give_way_in_a_full_line() {
    let fake = Arc::new(Fake::default());
    let pool = pool(&fake, PoolConfig { max_queue: 3, ..bounds(1, 1) });
    pool.warm().await.unwrap();
    let (held, order) = (pool.try_lend().unwrap(), Arc::default());
    let low = line_up(&pool, of(Priority::Low), &order, "low").await;
    let normal = line_up(&pool, of(Priority::Normal), &order, "normal").await;
    let second = line_up(&pool, of(Priority::Normal), &order, "second").await;
    let refused = line_up(&pool, of(Priority::Low), &order, "refused").await.await.unwrap();
    assert!(matches!(refused, Err(PoolError::QueueFull { queued: 3 })), "{refused:?}");
    let high = line_up(&pool, of(Priority::High), &order, "high").await;
    let displaced = low.await.unwrap();
    assert!(matches!(displaced, Err(PoolError::QueueFull { queued: 3 })), "{displaced:?}");
    let refused = line_up(&pool, of(Priority::Normal), &order, "refused").await.await.unwrap();
    assert!(refused.is_err(), "it is below nobody in the line");
    drop(held);
    for caller in [high, normal, second] {
        caller.await.unwrap().unwrap();
    }
    assert_eq!(*order.lock(), ["high", "normal", "second"]);
}

/// A pool of one replica whose line moves on every 100 ms.
async fn at_a_pace(clock: &Arc<Paused>) -> Arc<Pool> {
    let fake = Arc::new(Fake::default());
    let pool = Pool::new(fake, bounds(1, 1), Handle::current(), clock.clone());
    pool.warm().await.unwrap();
    let order = Arc::default();
    for _ in 0..20 {
        let held = pool.try_lend().unwrap();
        let next = line_up(&pool, ANY, &order, "next").await;
        sleep(Duration::from_millis(100)).await;
        drop(held);
        next.await.unwrap().unwrap();
    }
    pool
}

#[tokio::test(start_paused = true)]
async fn whoever_would_wait_in_vain_is_told_at_once() {
    let clock = Arc::new(Paused(tokio::time::Instant::now()));
    let pool = at_a_pace(&clock).await;
    let _held = pool.try_lend().unwrap();
    let order = Arc::default();
    let within = |millis| Want::by(Deadline::after(clock.now(), Duration::from_millis(millis)));
    let mut waiting = vec![line_up(&pool, ANY, &order, "first").await];
    let start = tokio::time::Instant::now();
    // The second place is served after 200 ms, and its call takes 100 ms then.
    let want = Want { takes: Some(Duration::from_millis(100)), ..within(250) };
    let hopeless = pool.lend(&want).await.err().unwrap();
    assert_eq!(hopeless.to_string(), "an answer would take about 300 ms, and the request has 250 ms left");
    assert_eq!(hopeless.kind(), ErrorKind::Overloaded);
    let hopeful = Want { takes: Some(Duration::from_millis(100)), ..within(350) };
    waiting.push(line_up(&pool, hopeful, &order, "second").await);
    for _ in 0..3 {
        waiting.push(line_up(&pool, ANY, &order, "more").await);
    }
    let long = pool.lend(&ANY).await.err().unwrap();
    assert_eq!(long.to_string(), "a replica would be free in about 600 ms, and requests wait at most 500 ms");
    assert_eq!((start.elapsed(), pool.signals().queued), (Duration::ZERO, 5));
}

#[tokio::test(start_paused = true)]
async fn a_replica_is_not_lent_to_a_call_that_could_not_end_in_time() {
    let clock = Arc::new(Paused(tokio::time::Instant::now()));
    let fake = Arc::new(Fake::default());
    let pool = Pool::new(fake, bounds(1, 1), Handle::current(), clock.clone());
    pool.warm().await.unwrap();
    let (held, order) = (pool.try_lend().unwrap(), Arc::default());
    let by = Want::by(Deadline::after(clock.now(), Duration::from_millis(100)));
    let slow = line_up(&pool, Want { takes: Some(Duration::from_millis(60)), ..by }, &order, "slow").await;
    let quick = line_up(&pool, Want { takes: Some(Duration::from_millis(20)), ..by }, &order, "quick").await;
    sleep(Duration::from_millis(50)).await;
    drop(held);
    quick.await.unwrap().unwrap();
    let refused = slow.await.unwrap().unwrap_err();
    assert_eq!(refused.to_string(), "an answer would take about 60 ms, and the request has 50 ms left");
    assert_eq!(*order.lock(), ["quick"]);
}

#[tokio::test]
async fn an_unhealthy_replica_is_replaced() {
    let fake = Arc::new(Fake::default());
    let pool = pool(&fake, bounds(1, 1));
    pool.warm().await.unwrap();
    break_replica(pool.try_lend().unwrap()).await;
    assert_eq!(fake.alive.load(Ordering::SeqCst), 0);
    settle().await;
    assert_eq!(number(&mut pool.try_lend().unwrap()).await, 1);
}

#[tokio::test]
async fn a_caller_in_line_gets_the_replacement() {
    let fake = Arc::new(Fake::default());
    let pool = pool(&fake, bounds(0, 1));
    let broken = pool.lend(&ANY).await.unwrap();
    let (next, ()) = tokio::join!(pool.lend(&ANY), break_replica(broken));
    assert_eq!(number(&mut next.unwrap()).await, 1);
}

#[tokio::test(start_paused = true)]
async fn failing_creations_back_off_and_tell_the_cause() {
    let fake = Arc::new(Fake::default());
    // Both clocks must move together here: creations are paused by the pool's clock, callers by the timer's.
    let clock = Arc::new(Paused(tokio::time::Instant::now()));
    let pool = Pool::new(fake.clone(), bounds(1, 1), Handle::current(), clock);
    fake.failing.store(true, Ordering::SeqCst);
    for _ in 0..3 {
        let error = pool.lend(&ANY).await.err().unwrap();
        assert_eq!(error.to_string(), "no replica can be made ready: init failed: no vocabulary");
        assert_eq!(error.kind(), ErrorKind::Unavailable);
    }
    assert_eq!(fake.made.load(Ordering::SeqCst), 1, "the second and third were refused without another try");
    sleep(Duration::from_millis(101)).await;
    assert!(pool.lend(&ANY).await.is_err());
    assert_eq!(fake.made.load(Ordering::SeqCst), 2);
    sleep(Duration::from_millis(101)).await;
    assert!(pool.lend(&ANY).await.is_err());
    assert_eq!(fake.made.load(Ordering::SeqCst), 2, "the pause doubled");
    fake.failing.store(false, Ordering::SeqCst);
    sleep(Duration::from_millis(100)).await;
    pool.lend(&ANY).await.unwrap();
}

struct Paused(tokio::time::Instant);

impl Clock for Paused {
    fn now(&self) -> Instant {
        self.0.into_std() + self.0.elapsed()
    }

    fn wall(&self) -> std::time::SystemTime {
        std::time::SystemTime::UNIX_EPOCH
    }
}

#[tokio::test(start_paused = true)]
async fn a_replica_that_comes_free_serves_before_one_that_is_still_made() {
    let fake = Arc::new(Fake { takes: Duration::from_millis(400), ..Fake::default() });
    let pool = pool(&fake, bounds(0, 2));
    let held = pool.lend(&ANY).await.unwrap();
    let start = tokio::time::Instant::now();
    let (next, ()) = tokio::join!(pool.lend(&ANY), async {
        sleep(Duration::from_millis(10)).await;
        drop(held);
    });
    assert_eq!((next.is_ok(), start.elapsed()), (true, Duration::from_millis(10)));
    sleep(Duration::from_millis(400)).await;
    assert_eq!(pool.signals(), PoolSignals { busy: 1, idle: 1, ..PoolSignals::default() });
}

#[tokio::test]
async fn bounds_change_while_it_works() {
    let fake = Arc::new(Fake::default());
    let pool = pool(&fake, bounds(1, 1));
    pool.warm().await.unwrap();
    pool.resize(4, 4);
    settle().await;
    assert_eq!(pool.signals().idle, 4);
    let busy = pool.try_lend().unwrap();
    pool.resize(0, 1);
    assert_eq!(pool.signals(), PoolSignals { busy: 1, ..PoolSignals::default() });
    drop(busy);
    assert_eq!((pool.signals().idle, fake.alive.load(Ordering::SeqCst)), (1, 1));
}

#[tokio::test]
async fn draining_lets_calls_finish_and_serves_stragglers() {
    let fake = Arc::new(Fake::default());
    let pool = pool(&fake, bounds(2, 2));
    pool.warm().await.unwrap();
    let busy = pool.try_lend().unwrap();
    let draining = tokio::spawn({
        let pool = Arc::clone(&pool);
        async move { pool.drain().await }
    });
    settle().await;
    assert!(!draining.is_finished());
    assert_eq!(pool.signals(), PoolSignals { busy: 1, ..PoolSignals::default() });
    let straggler = pool.lend(&ANY).await.unwrap();
    drop(busy);
    settle().await;
    assert!(!draining.is_finished());
    drop(straggler);
    draining.await.unwrap();
    assert_eq!(fake.alive.load(Ordering::SeqCst), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_thousand_lends_with_random_cancels_lose_nothing() {
    let fake = Arc::new(Fake::default());
    let config = PoolConfig { max_queue: 20_000, max_queue_wait: Duration::from_secs(60), ..bounds(2, 8) };
    let pool = pool(&fake, config);
    pool.warm().await.unwrap();
    let served = Arc::new(AtomicUsize::new(0));
    // A fixed linear congruential generator: the schedule of the threads varies, the choices do not.
    let mut random = 0x2545_F491_4F6C_DD1D_u64;
    let mut calls = Vec::new();
    for _ in 0..10_000 {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let choice = random >> 60;
        let (pool, served) = (Arc::clone(&pool), Arc::clone(&served));
        let call = tokio::spawn(async move {
            let lent = pool.lend(&ANY).await.unwrap();
            tokio::task::yield_now().await;
            served.fetch_add(1, Ordering::SeqCst);
            if choice == 1 {
                break_replica(lent).await;
            }
        });
        if choice < 4 && choice != 1 {
            if choice == 0 {
                tokio::task::yield_now().await;
            }
            call.abort();
        }
        calls.push(call);
    }
    let mut cancelled = 0;
    for call in calls {
        match call.await {
            Ok(()) => {}
            Err(error) => {
                assert!(error.is_cancelled(), "{error}");
                cancelled += 1;
            }
        }
    }
    assert!(cancelled > 0 && served.load(Ordering::SeqCst) >= 10_000 - cancelled);
    pool.drain().await;
    assert_eq!(pool.signals(), PoolSignals::default());
    assert_eq!(fake.alive.load(Ordering::SeqCst), 0);
    pool.lend(&ANY).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn the_load_is_integrated_over_time_and_not_sampled() {
    let clock = Arc::new(Paused(tokio::time::Instant::now()));
    let fake = Arc::new(Fake::default());
    let pool = Pool::new(fake, bounds(2, 2), Handle::current(), clock);
    pool.warm().await.unwrap();
    assert_eq!((pool.load().busy_time, pool.load().peak), (Duration::ZERO, 0));
    let (first, second) = (pool.try_lend().unwrap(), pool.try_lend().unwrap());
    sleep(Duration::from_millis(300)).await;
    drop(first);
    sleep(Duration::from_millis(400)).await;
    // One is still busy: what it has used so far counts.
    assert_eq!((pool.load().busy_time, pool.load().peak), (Duration::from_millis(1000), 1));
    drop(second);
    sleep(Duration::from_millis(300)).await;
    let load = pool.load();
    assert_eq!((load.busy_time, load.peak, load.now.busy), (Duration::from_millis(1000), 1, 0));
    assert_eq!(pool.load().peak, 0, "each reading begins a new period");
}

#[tokio::test]
async fn callers_in_line_count_for_the_peak() {
    let fake = Arc::new(Fake::default());
    let pool = pool(&fake, bounds(1, 1));
    pool.warm().await.unwrap();
    let (held, order) = (pool.try_lend().unwrap(), Arc::default());
    let callers = [line_up(&pool, ANY, &order, "a").await, line_up(&pool, ANY, &order, "b").await];
    drop(held);
    for caller in callers {
        caller.await.unwrap().unwrap();
    }
    assert_eq!(pool.load().peak, 3);
}

#[tokio::test]
async fn replicas_that_are_not_kept_go_and_calls_make_them_again() {
    let fake = Arc::new(Fake::default());
    let pool = pool(&fake, bounds(3, 5));
    pool.warm().await.unwrap();
    let busy = pool.try_lend().unwrap();
    pool.resize(0, 2);
    assert_eq!(pool.signals(), PoolSignals { busy: 1, ..PoolSignals::default() });
    drop(busy);
    assert_eq!(pool.signals().idle, 1, "it goes with the next decision");
    pool.resize(0, 2);
    assert_eq!((pool.signals(), fake.alive.load(Ordering::SeqCst)), (PoolSignals::default(), 0));
    let _first = pool.lend(&ANY).await.unwrap();
    let _second = pool.lend(&ANY).await.unwrap();
    assert_eq!(pool.signals().busy, 2);
}

#[tokio::test]
async fn whoever_may_allow_more_hears_that_callers_wait() {
    let fake = Arc::new(Fake::default());
    let pool = pool(&fake, bounds(1, 1));
    pool.warm().await.unwrap();
    let heard = Arc::new(AtomicUsize::new(0));
    pool.when_short(Box::new({
        let heard = Arc::clone(&heard);
        move || {
            heard.fetch_add(1, Ordering::SeqCst);
        }
    }));
    let (held, order) = (pool.try_lend().unwrap(), Arc::default());
    assert_eq!(heard.load(Ordering::SeqCst), 0);
    let waiting = line_up(&pool, ANY, &order, "waiting").await;
    assert_eq!(heard.load(Ordering::SeqCst), 1);
    pool.resize(1, 2);
    waiting.await.unwrap().unwrap();
    assert_eq!(heard.load(Ordering::SeqCst), 1, "there is room now");
    drop(held);
}
