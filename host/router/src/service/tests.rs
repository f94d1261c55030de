#![allow(clippy::unwrap_used, reason = "tests")]

use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::thread::ThreadId;
use std::time::{Instant, SystemTime};

use bytes::Bytes;
use parking_lot::Mutex;
use scorehost_core::order::long_slice;
use scorehost_core::{
    DType, EntryScriptDescription, ErrorKind, ModelMetadata, NamedTensor, NamedTensors, Priority, Replica,
    ReplicaFactory, Scaling, Signature, SystemClock, Tensor, TensorSpec,
};
use scorehost_pool::PoolConfig;
use scorehost_telemetry::{Measure, ServiceSnapshot, Statistics};
use tokio::runtime::Handle;
use tokio::sync::Semaphore;

use super::*;
use crate::executor::Meter;

/// A clock that only fakes move.
struct Moved {
    start: Instant,
    nanos: AtomicU64,
}

impl Moved {
    fn new() -> Arc<Self> {
        Arc::new(Self { start: Instant::now(), nanos: AtomicU64::new(0) })
    }

    fn advance(&self, by: Duration) {
        self.nanos.fetch_add(by.as_nanos() as u64, Ordering::Relaxed);
    }
}

/// Only fakes compute.
impl Meter for Moved {
    fn thread_time(&self) -> Duration {
        Duration::from_nanos(self.nanos.load(Ordering::Relaxed))
    }
}

impl Clock for Moved {
    fn now(&self) -> Instant {
        self.start + Duration::from_nanos(self.nanos.load(Ordering::Relaxed))
    }

    fn wall(&self) -> SystemTime {
        SystemTime::UNIX_EPOCH
    }
}

/// What a fake does in each call: computing moves the clock, waiting takes a permit, and a panic is one.
struct Script {
    clock: Arc<Moved>,
    computes: Mutex<Duration>,
    gate: Option<Semaphore>,
    /// Says beforehand that computing will take long.
    announces: AtomicBool,
    panics: bool,
    outputs: Vec<&'static str>,
    threads: Mutex<Vec<ThreadId>>,
    broken: AtomicUsize,
}

impl Script {
    fn new() -> Self {
        let (computes, threads) = (Mutex::default(), Mutex::default());
        let (clock, broken, announces) = (Moved::new(), AtomicUsize::new(0), AtomicBool::new(false));
        Self { clock, computes, gate: None, announces, panics: false, outputs: vec!["y", "z"], threads, broken }
    }

    fn gated() -> Self {
        Self { gate: Some(Semaphore::new(0)), ..Self::new() }
    }

    async fn play(&self) {
        self.threads.lock().push(std::thread::current().id());
        if self.announces.load(Ordering::Relaxed) {
            long_slice().await;
        }
        self.clock.advance(*self.computes.lock());
        assert!(!self.panics, "as told");
        if let Some(gate) = &self.gate {
            gate.acquire().await.unwrap().forget();
        }
    }
}

fn signature() -> Signature {
    let spec = |name: &str| TensorSpec { name: name.into(), dtype: DType::F32, shape: vec![-1] };
    Signature { inputs: vec![spec("x")], outputs: vec![spec("y"), spec("z")] }
}

struct FakeModel(Arc<Script>, ModelMetadata);

impl FakeModel {
    fn new(script: &Arc<Script>) -> Arc<Self> {
        let metadata = ModelMetadata {
            id: "m:1".parse().unwrap(),
            platform: "fake",
            signature: signature(),
            batching: Default::default(),
        };
        Arc::new(Self(Arc::clone(script), metadata))
    }
}

impl Model for FakeModel {
    fn metadata(&self) -> &ModelMetadata {
        &self.1
    }

    fn run<'a>(
        &'a self,
        inputs: NamedTensors,
        _: &'a [Arc<str>],
        call: &'a CallContext,
    ) -> BoxFuture<'a, Result<NamedTensors, Failure>> {
        Box::pin(async move {
            assert!(call.deadline.is_some(), "every call carries a deadline");
            self.0.play().await;
            match &*call.request_id {
                "full" => Err(Failure::new(ErrorKind::Overloaded, "model 'm:1' is overloaded: 5 calls wait")),
                _ => Ok(inputs),
            }
        })
    }
}

/// A replica that is healthy while each call that began also ended.
struct FakeReplica {
    script: Arc<Script>,
    interface: Interface,
    healthy: bool,
}

impl Replica for FakeReplica {
    fn interface(&self) -> &Interface {
        &self.interface
    }

    fn infer<'a>(
        &'a mut self,
        inputs: NamedTensors,
        _: &'a CallContext,
    ) -> BoxFuture<'a, Result<NamedTensors, Failure>> {
        Box::pin(async move {
            self.healthy = false;
            self.script.play().await;
            self.healthy = true;
            let output = |name: &&str| NamedTensor::new(*name, inputs[0].tensor.clone());
            Ok(self.script.outputs.iter().map(output).collect())
        })
    }

    fn score<'a>(&'a mut self, request: RawRequest, _: &'a CallContext) -> BoxFuture<'a, Result<RawResponse, Failure>> {
        Box::pin(async move {
            self.healthy = false;
            self.script.play().await;
            self.healthy = true;
            Ok(RawResponse { status: 200, headers: vec![], body: request.body })
        })
    }

    fn healthy(&self) -> bool {
        self.healthy
    }
}

impl Drop for FakeReplica {
    fn drop(&mut self) {
        self.script.broken.fetch_add(usize::from(!self.healthy), Ordering::SeqCst);
    }
}

struct Factory(Arc<Script>, Interface);

impl ReplicaFactory for Factory {
    fn create(&self) -> BoxFuture<'_, Result<Box<dyn Replica>, Failure>> {
        let (script, interface) = (Arc::clone(&self.0), self.1.clone());
        Box::pin(async move {
            if let Interface::EntryScript(EntryScriptDescription { raw_http: true, .. }) = interface {
                return Err(Failure::new(ErrorKind::ScorerFault, "init failed"));
            }
            Ok(Box::new(FakeReplica { script, interface, healthy: true }) as Box<dyn Replica>)
        })
    }
}

fn spec(admission: Admission) -> ServiceSpec {
    ServiceSpec { admission, scaling: Scaling::fixed(1), ..ServiceSpec::new("echo".parse().unwrap()) }
}

/// A service under test with its statistics.
struct Bench {
    service: Arc<RoutedService>,
    statistics: Statistics,
}

impl Bench {
    fn new(clock: Arc<dyn Clock>, make: impl FnOnce(ServiceVersion) -> RoutedService) -> Self {
        let statistics = Statistics::new(&*clock);
        let version: Arc<str> = "1".into();
        let counters = statistics.service(&"echo".parse().unwrap(), &version);
        let service = Arc::new(make(ServiceVersion { version, statistics: counters, clock }));
        Self { service, statistics }
    }

    fn no_code(script: &Arc<Script>, admission: Admission) -> Self {
        let runtime = Runtime::new(Executor::driven(script.clock.clone()));
        let make = |version| RoutedService::no_code(&spec(admission), version, FakeModel::new(script), runtime);
        Self::new(script.clock.clone(), make)
    }

    fn scorer(script: &Arc<Script>, interface: Interface, admission: Admission) -> Self {
        let factory = Arc::new(Factory(Arc::clone(script), interface.clone()));
        let pool = Pool::new(factory, PoolConfig::of(&spec(admission)), Handle::current(), Arc::new(SystemClock));
        let runtime = Runtime::new(Executor::driven(script.clock.clone()));
        let make = |version| RoutedService::scorer(&spec(admission), version, interface, pool, runtime);
        Self::new(script.clock.clone(), make)
    }

    async fn infer(&self) -> Result<InferResponse, Failure> {
        self.service.infer(request(&[]), CallContext::new("r")).await
    }

    fn spawn(&self) -> tokio::task::JoinHandle<Result<InferResponse, Failure>> {
        let service = Arc::clone(&self.service);
        tokio::spawn(async move { service.infer(request(&[]), CallContext::new("r")).await })
    }

    fn counts(&self) -> ServiceSnapshot {
        self.statistics.snapshot().remove(0)
    }
}

fn request(outputs: &[&str]) -> InferRequest {
    let x = NamedTensor::new("x", Tensor::from_f32([1u64].as_slice(), &[1.0]).unwrap());
    InferRequest { inputs: vec![x], outputs: outputs.iter().map(|name| Arc::from(*name)).collect() }
}

fn tensors() -> Interface {
    Interface::Tensors(signature())
}

fn script_interface() -> Interface {
    Interface::EntryScript(EntryScriptDescription::default())
}

async fn settle() {
    for _ in 0..50 {
        tokio::task::yield_now().await;
    }
}

fn micros(micros: u64) -> Duration {
    Duration::from_micros(micros)
}

#[tokio::test]
async fn statistics_equal_what_was_done() {
    let script = Arc::new(Script::new());
    *script.computes.lock() = micros(7);
    let bench = Bench::no_code(&script, Admission::default());
    for _ in 0..3 {
        bench.infer().await.unwrap();
    }
    let failure = bench.service.infer(request(&[]), CallContext::new("full")).await.unwrap_err();
    assert_eq!(&*failure.message, "service 'echo' is overloaded: model 'm:1' is overloaded: 5 calls wait");
    let counts = bench.counts();
    assert_eq!(counts.success, Measure { count: 3, ns: 21_000 });
    assert_eq!((counts.compute_infer.ns, counts.queue.ns), (21_000, 0));
    assert_eq!(counts.fail, Measure { count: 1, ns: 7_000 });
    assert_eq!((counts.cancelled, bench.service.signals()), (0, ServiceSignals::default()));
}

#[tokio::test(start_paused = true)]
async fn the_scoring_timeout_and_the_callers_deadline_end_a_call() {
    let script = Arc::new(Script::gated());
    let bench = Bench::no_code(&script, Admission::default());
    let start = tokio::time::Instant::now();
    let failure = bench.infer().await.unwrap_err();
    assert_eq!(
        (failure.kind, &*failure.message),
        (ErrorKind::Deadline, "service 'echo' did not answer within its scoring timeout of 60000 ms")
    );
    assert_eq!(start.elapsed(), Duration::from_secs(60));

    let soon = Some(Deadline::after(script.clock.now(), Duration::from_millis(40)));
    let call = CallContext { deadline: soon, ..CallContext::new("r") };
    let failure = bench.service.infer(request(&[]), call).await.unwrap_err();
    assert_eq!(
        (&*failure.message, failure.kind),
        ("the deadline of the request to service 'echo' passed", ErrorKind::Deadline)
    );
    assert_eq!(start.elapsed(), Duration::from_millis(60_040));

    let passed = CallContext { deadline: Some(Deadline::at(script.clock.now())), ..CallContext::new("r") };
    assert!(bench.service.infer(request(&[]), passed).await.is_err());
    assert_eq!(script.threads.lock().len(), 2, "a call that is late already does not run");
    assert_eq!((bench.counts().fail.count, bench.service.signals().in_flight), (3, 0));
}

#[tokio::test]
async fn more_requests_than_may_wait_are_refused_as_overloaded() {
    let script = Arc::new(Script::gated());
    let bench = Bench::no_code(&script, Admission { max_queue: 1, ..Admission::default() });
    let calls = [bench.spawn(), bench.spawn()];
    settle().await;
    let failure = bench.infer().await.unwrap_err();
    assert_eq!(
        (failure.kind, &*failure.message),
        (ErrorKind::Overloaded, "service 'echo' is overloaded: 2 requests are being handled already")
    );
    script.gate.as_ref().unwrap().add_permits(2);
    for call in calls {
        call.await.unwrap().unwrap();
    }
    assert_eq!((bench.counts().success.count, bench.counts().fail.count), (2, 1));
}

#[tokio::test(start_paused = true)]
async fn a_request_queued_too_long_is_refused_by_name() {
    let script = Arc::new(Script::gated());
    let bench = Bench::scorer(&script, tensors(), Admission::default());
    let running = bench.spawn();
    settle().await;
    let failure = bench.infer().await.unwrap_err();
    assert_eq!(
        (failure.kind, &*failure.message),
        (ErrorKind::Overloaded, "service 'echo' is overloaded: no replica became free within 500 ms")
    );
    script.gate.as_ref().unwrap().add_permits(1);
    running.await.unwrap().unwrap();
}

#[tokio::test]
async fn a_service_without_a_replica_tells_why() {
    let script = Arc::new(Script::new());
    let raw = Interface::EntryScript(EntryScriptDescription { raw_http: true, ..Default::default() });
    let bench = Bench::scorer(&script, raw, Admission::default());
    let failure = bench.service.score(raw_request(), CallContext::new("r")).await.unwrap_err();
    assert_eq!(
        (failure.kind, &*failure.message),
        (ErrorKind::Unavailable, "service 'echo' cannot answer: no replica can be made ready: init failed")
    );
}

fn raw_request() -> RawRequest {
    let body = Bytes::from_static(b"{}");
    RawRequest { method: "POST".into(), path: "/".into(), query: String::new(), body, content_type: None }
}

#[tokio::test]
async fn the_wrong_kind_of_request_is_unsupported() {
    let script = Arc::new(Script::new());
    let kind = |failure: Failure| (failure.kind, failure.hint.is_some());
    let bench = Bench::scorer(&script, script_interface(), Admission::default());
    assert_eq!(kind(bench.infer().await.unwrap_err()), (ErrorKind::Unsupported, true));
    assert_eq!(bench.service.score(raw_request(), CallContext::new("r")).await.unwrap().body, "{}");
    for bench in
        [Bench::no_code(&script, Admission::default()), Bench::scorer(&script, tensors(), Admission::default())]
    {
        let failure = bench.service.score(raw_request(), CallContext::new("r")).await.unwrap_err();
        assert_eq!(kind(failure), (ErrorKind::Unsupported, true));
    }
}

#[tokio::test]
async fn requests_to_a_scorer_are_held_against_its_signature() {
    let script = Arc::new(Script { outputs: vec!["z", "y"], ..Script::new() });
    let bench = Bench::scorer(&script, tensors(), Admission::default());
    let refused = bench.service.infer(InferRequest::default(), CallContext::new("r")).await.unwrap_err();
    assert_eq!(&*refused.message, "service 'echo': input 'x' (FP32 [-1]) is missing");
    let refused = bench.service.infer(request(&["q"]), CallContext::new("r")).await.unwrap_err();
    assert_eq!(refused.kind, ErrorKind::InvalidInput);
    assert!(script.threads.lock().is_empty(), "neither reached a replica");
    let answer = bench.service.infer(request(&["y"]), CallContext::new("r")).await.unwrap();
    assert_eq!(answer.outputs.iter().map(|output| &*output.name).collect::<Vec<_>>(), ["y"]);
}

#[tokio::test]
async fn an_output_that_the_scorer_forgot_is_its_fault() {
    let script = Arc::new(Script { outputs: vec!["z"], ..Script::new() });
    let bench = Bench::scorer(&script, tensors(), Admission::default());
    let failure = bench.service.infer(request(&["y"]), CallContext::new("r")).await.unwrap_err();
    assert_eq!(
        (failure.kind, &*failure.message),
        (ErrorKind::ScorerFault, "the scorer of service 'echo' did not return its output 'y'")
    );
}

#[test]
fn short_scorers_run_on_the_callers_thread_and_long_ones_on_the_workers() {
    let workers = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let callers = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let here = std::thread::current().id();
    let check = |computes: u64, expected: [bool; 4]| {
        let script = Arc::new(Script::new());
        *script.computes.lock() = micros(computes);
        let factory = Arc::new(Factory(Arc::clone(&script), tensors()));
        let pool = Pool::new(factory, PoolConfig::default(), workers.handle().clone(), Arc::new(SystemClock));
        let executor = Executor::metered(1, workers.handle(), script.clock.clone());
        let runtime = Runtime::new(executor.unwrap());
        let bench = Bench::new(script.clock.clone(), |version| {
            RoutedService::scorer(&spec(Admission::default()), version, tensors(), pool, runtime)
        });
        callers.block_on(async {
            for _ in 0..4 {
                bench.infer().await.unwrap();
            }
        });
        let on_this_thread: Vec<bool> = script.threads.lock().iter().map(|thread| *thread == here).collect();
        assert_eq!(on_this_thread, expected, "{computes} µs");
    };
    check(20, [false, false, true, true]);
    check(5000, [false; 4]);
}

#[tokio::test]
async fn a_short_service_that_turns_long_leaves_the_callers_thread_in_mid_call() {
    let script = Arc::new(Script::gated());
    script.gate.as_ref().unwrap().add_permits(3);
    let factory = Arc::new(Factory(Arc::clone(&script), tensors()));
    let pool = Pool::new(factory, PoolConfig::default(), Handle::current(), Arc::new(SystemClock));
    let executor = Executor::stepped(script.clock.clone());
    let runtime = Runtime::new(Arc::clone(&executor));
    let bench = Bench::new(script.clock.clone(), |version| {
        RoutedService::scorer(&spec(Admission::default()), version, tensors(), pool, runtime)
    });
    for _ in 0..2 {
        let call = bench.spawn();
        settle().await;
        assert!(executor.step(), "what is not known to be short is handed over");
        call.await.unwrap().unwrap();
    }
    bench.infer().await.unwrap();
    *script.computes.lock() = micros(50_000);
    let call = bench.spawn();
    settle().await;
    assert_eq!(script.threads.lock().len(), 4, "it began here");
    assert!(executor.step() && !executor.step(), "and goes on there, where it waits");
    script.gate.as_ref().unwrap().add_permits(1);
    settle().await;
    assert!(executor.step());
    call.await.unwrap().unwrap();
}

#[tokio::test]
async fn a_short_service_that_announces_long_work_does_it_on_the_executor() {
    let script = Arc::new(Script::new());
    let factory = Arc::new(Factory(Arc::clone(&script), tensors()));
    let pool = Pool::new(factory, PoolConfig::default(), Handle::current(), Arc::new(SystemClock));
    let executor = Executor::stepped(script.clock.clone());
    let runtime = Runtime::new(Arc::clone(&executor));
    let bench = Bench::new(script.clock.clone(), |version| {
        RoutedService::scorer(&spec(Admission::default()), version, tensors(), pool, runtime)
    });
    for _ in 0..2 {
        let call = bench.spawn();
        settle().await;
        assert!(executor.step());
        call.await.unwrap().unwrap();
    }
    bench.infer().await.unwrap();
    script.announces.store(true, Ordering::Relaxed);
    *script.computes.lock() = micros(50_000);
    let before = script.clock.now();
    let call = bench.spawn();
    settle().await;
    assert_eq!((script.threads.lock().len(), script.clock.now()), (4, before), "it began here and computed nothing");
    assert!(executor.step());
    call.await.unwrap().unwrap();
    assert_eq!(script.clock.now() - before, micros(50_000));
}

/// A stepped executor with a service on it, and calls of another service that wait for its threads for ever.
struct Contended {
    executor: Arc<Executor>,
    _others: Vec<crate::executor::Handed<()>>,
}

impl Contended {
    fn new(script: &Arc<Script>) -> Self {
        let executor = Executor::stepped(script.clock.clone());
        let share = Share { flow: executor.flow(&"other".parse().unwrap()), weight: 100, statistics: None };
        let endless = || executor.spawn(&share, Priority::Normal, Endless(script.clock.clone()));
        let _others = (0..3).map(|_| endless()).collect();
        Self { executor, _others }
    }
}

/// Computes a millisecond at every poll and never ends.
struct Endless(Arc<Moved>);

impl std::future::Future for Endless {
    type Output = ();

    fn poll(self: std::pin::Pin<&mut Self>, cx: &mut std::task::Context<'_>) -> std::task::Poll<()> {
        self.0.advance(Duration::from_millis(1));
        cx.waker().wake_by_ref();
        std::task::Poll::Pending
    }
}

#[tokio::test]
async fn a_service_ahead_of_those_that_wait_loses_its_callers_thread() {
    let script = Arc::new(Script::new());
    let contended = Contended::new(&script);
    let runtime = Runtime::new(Arc::clone(&contended.executor));
    let make = |version| RoutedService::no_code(&spec(Admission::default()), version, FakeModel::new(&script), runtime);
    let bench = Bench::new(script.clock.clone(), make);
    *script.computes.lock() = Duration::from_millis(2);
    for _ in 0..3 {
        bench.infer().await.unwrap();
    }
    let fourth = bench.spawn();
    settle().await;
    assert_eq!(script.threads.lock().len(), 3, "6 ms ahead, it waits with the others");
    let mut steps = 0;
    while script.threads.lock().len() == 3 && steps < 20 {
        contended.executor.step();
        steps += 1;
    }
    assert!((5..10).contains(&steps), "it ran after what the others were behind: {steps} ms");
    fourth.await.unwrap().unwrap();
}

#[tokio::test]
async fn time_of_a_call_that_is_stopped_is_counted() {
    let script = Arc::new(Script::gated());
    let bench = Bench::scorer(&script, tensors(), Admission::default());
    *script.computes.lock() = micros(700);
    let call = bench.spawn();
    settle().await;
    call.abort();
    settle().await;
    assert_eq!((bench.counts().computed, bench.counts().cancelled), (micros(700), 1));
}

#[tokio::test]
async fn more_requests_than_a_second_may_bring_are_told_when_to_come_again() {
    let script = Arc::new(Script::new());
    let bench = Bench::no_code(&script, Admission { rate_limit: Some(2.0), ..Admission::default() });
    bench.infer().await.unwrap();
    bench.infer().await.unwrap();
    let failure = bench.infer().await.unwrap_err();
    assert_eq!((failure.kind, failure.retry_after), (ErrorKind::Overloaded, Some(Duration::from_millis(500))));
    assert_eq!(&*failure.message, "service 'echo' takes 2 requests per second");
    script.clock.advance(Duration::from_millis(500));
    bench.infer().await.unwrap();
    assert_eq!((bench.counts().fail.count, bench.counts().cancelled, bench.service.signals().in_flight), (1, 0, 0));
}

#[tokio::test]
async fn a_call_that_could_not_end_in_time_is_not_begun() {
    let script = Arc::new(Script::new());
    *script.computes.lock() = Duration::from_millis(10);
    let factory = Arc::new(Factory(Arc::clone(&script), tensors()));
    let config = PoolConfig { max: 4, ..PoolConfig::default() };
    let pool = Pool::new(factory, config, Handle::current(), Arc::new(SystemClock));
    let executor = Executor::stepped(script.clock.clone());
    let runtime = Runtime::new(Arc::clone(&executor));
    let bench = Bench::new(script.clock.clone(), |version| {
        RoutedService::scorer(&spec(Admission::default()), version, tensors(), pool, runtime)
    });
    let ask = |millis: u64| {
        let (service, now) = (Arc::clone(&bench.service), script.clock.now());
        let deadline = Some(Deadline::after(now, Duration::from_millis(millis)));
        let call = CallContext { deadline, ..CallContext::new("r") };
        tokio::spawn(async move { service.infer(request(&[]), call).await })
    };
    for _ in 0..20 {
        let known = ask(1000);
        settle().await;
        executor.step();
        known.await.unwrap().unwrap();
    }
    let (first, late, last) = (ask(1000), ask(15), ask(1000));
    settle().await;
    for _ in 0..3 {
        assert!(executor.step());
    }
    first.await.unwrap().unwrap();
    last.await.unwrap().unwrap();
    let failure = late.await.unwrap().unwrap_err();
    assert_eq!(
        (failure.kind, &*failure.message),
        (
            ErrorKind::Overloaded,
            "service 'echo' is overloaded: it cannot answer before the request's deadline any more"
        )
    );
    assert_eq!(script.threads.lock().len(), 22, "its replica did nothing");
    assert_eq!(bench.service.signals().pool.unwrap().busy, 0);
    // The same deadline is tried where nothing else runs, or else an estimate would never be put right.
    let alone = ask(5);
    settle().await;
    executor.step();
    assert!(alone.await.unwrap().is_ok());
}

#[tokio::test]
async fn a_panic_below_ends_one_request() {
    let script = Arc::new(Script { panics: true, ..Script::new() });
    let bench = Bench::scorer(&script, tensors(), Admission::default());
    for _ in 0..4 {
        let failure = bench.infer().await.unwrap_err();
        assert_eq!((failure.kind, failure.detail.as_deref()), (ErrorKind::Internal, Some("panicked: as told")));
        settle().await;
    }
    assert_eq!(script.broken.load(Ordering::SeqCst), 4, "each replica was retired");
    assert_eq!((bench.counts().fail.count, bench.service.signals().in_flight), (4, 0));
}

#[tokio::test]
async fn a_caller_that_leaves_releases_everything() {
    let script = Arc::new(Script::gated());
    let bench = Bench::scorer(&script, tensors(), Admission::default());
    let (running, queued) = (bench.spawn(), bench.spawn());
    settle().await;
    let signals = bench.service.signals();
    assert_eq!((signals.in_flight, signals.pool.unwrap().busy, signals.pool.unwrap().queued), (2, 1, 1));
    queued.abort();
    running.abort();
    settle().await;
    let signals = bench.service.signals();
    assert_eq!((signals.in_flight, signals.pool.unwrap().busy, signals.pool.unwrap().queued), (0, 0, 0));
    assert_eq!((script.broken.load(Ordering::SeqCst), bench.counts().cancelled), (1, 2));
    script.gate.as_ref().unwrap().add_permits(1);
    bench.infer().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_call_that_times_out_retires_its_replica() {
    let script = Arc::new(Script::gated());
    let bench = Bench::scorer(&script, tensors(), Admission::default());
    assert_eq!(bench.infer().await.unwrap_err().kind, ErrorKind::Deadline);
    settle().await;
    assert_eq!(script.broken.load(Ordering::SeqCst), 1);
    assert_eq!(bench.service.signals().pool.unwrap().busy, 0);
}

#[tokio::test]
async fn requests_in_flight_finish_on_the_service_they_found() {
    let script = Arc::new(Script::gated());
    let bench = Bench::scorer(&script, tensors(), Admission::default());
    let (running, queued) = (bench.spawn(), bench.spawn());
    settle().await;
    let draining = tokio::spawn({
        let service = Arc::clone(&bench.service);
        async move { service.drain().await }
    });
    settle().await;
    assert!(!draining.is_finished());
    script.gate.as_ref().unwrap().add_permits(2);
    running.await.unwrap().unwrap();
    queued.await.unwrap().unwrap();
    draining.await.unwrap();
    assert_eq!(bench.service.signals().pool.unwrap().total(), 0);
}
