#![allow(clippy::unwrap_used, reason = "tests")]

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc;
use std::thread::ThreadId;
use std::time::{Instant, SystemTime};

use scorehost_core::{
    CallContext, DType, Deadline, ErrorKind, Failure, NamedTensor, NamedTensors, Priority, Signature, Tensor,
    TensorSpec,
};

use tokio::task::JoinHandle;

use super::*;

mod batches;

/// A clock that only the fake graph moves.
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

impl Clock for Moved {
    fn now(&self) -> Instant {
        self.start + Duration::from_nanos(self.nanos.load(Ordering::Relaxed))
    }

    fn wall(&self) -> SystemTime {
        SystemTime::UNIX_EPOCH
    }
}

type Step = Box<dyn FnMut() + Send>;

/// An identity graph that does `step` on each run and notes the thread.
struct Fake {
    signature: Signature,
    step: Mutex<Step>,
    threads: Mutex<Vec<ThreadId>>,
    runs: AtomicUsize,
}

impl Fake {
    fn new(step: impl FnMut() + Send + 'static) -> Arc<Self> {
        let spec = |name: &str| TensorSpec { name: name.into(), dtype: DType::F32, shape: vec![-1] };
        let signature = Signature { inputs: vec![spec("x")], outputs: vec![spec("y"), spec("z")] };
        let (step, threads) = (Mutex::new(Box::new(step) as Step), Mutex::default());
        Arc::new(Self { signature, step, threads, runs: AtomicUsize::new(0) })
    }

    fn runs(&self) -> usize {
        self.runs.load(Ordering::SeqCst)
    }
}

impl Graph for Fake {
    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn platform(&self) -> &'static str {
        "fake"
    }

    fn run(&self, inputs: &[NamedTensor], outputs: &[usize]) -> Result<NamedTensors, Failure> {
        self.threads.lock().push(std::thread::current().id());
        self.runs.fetch_add(1, Ordering::SeqCst);
        (self.step.lock())();
        let output = |index: &usize| {
            NamedTensor::new(Arc::clone(&self.signature.outputs[*index].name), inputs[0].tensor.clone())
        };
        Ok(outputs.iter().map(output).collect())
    }

    fn memory_bytes(&self) -> u64 {
        0
    }
}

fn id() -> ModelId {
    "m:1".parse().unwrap()
}

fn x() -> NamedTensors {
    vec![NamedTensor::new("x", Tensor::from_f32([1u64].as_slice(), &[1.0]).unwrap())]
}

fn of_service(service: &str, limits: QueueLimits) -> Deployed {
    let caller = Caller { service: service.parse().unwrap(), version: "1".into(), replicas: false, statistics: None };
    Deployed { id: id(), caller, limits, batches: None, most_rows: None }
}

async fn call(model: &Arc<dyn Model>) -> Result<NamedTensors, Failure> {
    model.run(x(), &[], &CallContext::new("r")).await
}

fn one_worker() -> DispatchConfig {
    DispatchConfig { workers: 1, ..DispatchConfig::default() }
}

/// A graph whose runs wait for a permit each, and the sender of permits.
fn gated() -> (Arc<Fake>, mpsc::Sender<()>) {
    let (permit, permits) = mpsc::channel::<()>();
    let graph = Fake::new(move || {
        // A closed gate is open for good.
        let _ = permits.recv();
    });
    (graph, permit)
}

/// Awaits a task without ever being idle: a paused clock jumps ahead when all tasks wait, but workers are threads.
async fn finished(task: JoinHandle<Result<NamedTensors, Failure>>) -> Result<NamedTensors, Failure> {
    while !task.is_finished() {
        tokio::task::yield_now().await;
    }
    task.await.unwrap()
}

/// Waits in the same way until the worker has taken `runs` calls.
async fn until_started(graph: &Fake, runs: usize) {
    while graph.runs() < runs {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn short_graphs_run_on_the_callers_thread_after_two_measured_runs() {
    let clock = Moved::new();
    let graph = Fake::new({
        let clock = clock.clone();
        move || clock.advance(Duration::from_micros(50))
    });
    let model = Dispatcher::with_clock(one_worker(), clock).unwrap().model(id(), graph.clone());
    for _ in 0..4 {
        call(&model).await.unwrap();
    }
    let here = std::thread::current().id();
    let on_this_thread: Vec<bool> = graph.threads.lock().iter().map(|thread| *thread == here).collect();
    assert_eq!(on_this_thread, [false, false, true, true]);
}

#[tokio::test]
async fn long_graphs_are_handed_over() {
    let clock = Moved::new();
    let graph = Fake::new({
        let clock = clock.clone();
        move || clock.advance(Duration::from_millis(5))
    });
    let model = Dispatcher::with_clock(one_worker(), clock).unwrap().model(id(), graph.clone());
    for _ in 0..6 {
        call(&model).await.unwrap();
    }
    let here = std::thread::current().id();
    assert!(graph.threads.lock().iter().all(|thread| *thread != here));
}

#[tokio::test]
async fn outputs_come_in_the_order_asked_for() {
    let model = Dispatcher::new(one_worker()).unwrap().model(id(), Fake::new(|| {}));
    let names = |outputs: NamedTensors| outputs.iter().map(|output| output.name.to_string()).collect::<Vec<_>>();
    assert_eq!(names(call(&model).await.unwrap()), ["y", "z"]);
    let wanted = model.run(x(), &["z".into()], &CallContext::new("r")).await.unwrap();
    assert_eq!(names(wanted), ["z"]);
}

#[tokio::test]
async fn what_does_not_fit_is_refused_before_the_graph() {
    let graph = Fake::new(|| {});
    let model = Dispatcher::new(one_worker()).unwrap().model(id(), graph.clone());
    let failure = model.run(vec![], &[], &CallContext::new("r")).await.unwrap_err();
    assert_eq!(
        (failure.kind, &*failure.message),
        (ErrorKind::InvalidInput, "model 'm:1': input 'x' (FP32 [-1]) is missing")
    );
    let failure = model.run(x(), &["q".into()], &CallContext::new("r")).await.unwrap_err();
    assert_eq!(&*failure.message, "model 'm:1': there is no output 'q'; the outputs are: [y, z]");
    assert_eq!(graph.runs(), 0);
}

#[tokio::test]
async fn a_panic_ends_one_run_on_either_thread() {
    let graph = Fake::new({
        let mut runs = 0;
        move || {
            runs += 1;
            assert!(runs % 2 == 0, "odd run");
        }
    });
    let model = Dispatcher::new(DispatchConfig { inline_limit: Duration::from_secs(9), ..one_worker() })
        .unwrap()
        .model(id(), graph);
    for _ in 0..3 {
        let failure = call(&model).await.unwrap_err();
        assert_eq!((failure.kind, failure.detail.as_deref()), (ErrorKind::Internal, Some("panicked: odd run")));
        call(&model).await.unwrap();
    }
}

#[tokio::test]
async fn a_full_queue_refuses() {
    let (graph, permit) = gated();
    let dispatcher = Dispatcher::new(one_worker()).unwrap();
    let limits = QueueLimits { max_queue: 1, ..QueueLimits::default() };
    let model = dispatcher.model_with_limits(id(), graph.clone(), limits);
    let spawn = || {
        let model = Arc::clone(&model);
        tokio::spawn(async move { call(&model).await })
    };
    let running = spawn();
    until_started(&graph, 1).await;
    let waiting = spawn();
    tokio::task::yield_now().await;
    let failure = call(&model).await.unwrap_err();
    assert_eq!(
        (failure.kind, &*failure.message),
        (ErrorKind::Overloaded, "model 'm:1' is overloaded: 1 calls wait for it already")
    );
    drop(permit);
    running.await.unwrap().unwrap();
    waiting.await.unwrap().unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_call_waits_no_longer_than_allowed_and_never_runs_later() {
    let (graph, permit) = gated();
    let model = Dispatcher::new(one_worker()).unwrap().model(id(), graph.clone());
    let running = tokio::spawn({
        let model = Arc::clone(&model);
        async move { call(&model).await }
    });
    until_started(&graph, 1).await;
    let failure = call(&model).await.unwrap_err();
    assert_eq!(
        (failure.kind, &*failure.message),
        (ErrorKind::Overloaded, "model 'm:1' is overloaded: the call waited 500 ms for a worker")
    );
    permit.send(()).unwrap();
    finished(running).await.unwrap();
    drop(permit);
    finished(tokio::spawn(async move { call(&model).await })).await.unwrap();
    assert_eq!(graph.runs(), 2, "the call that gave up was skipped");
}

#[tokio::test(start_paused = true)]
async fn a_deadline_ends_the_wait_for_a_run_and_for_a_turn() {
    let (graph, permit) = gated();
    let model = Dispatcher::new(one_worker()).unwrap().model(id(), graph.clone());
    let within = |millis| CallContext {
        deadline: Some(Deadline::after(Instant::now(), Duration::from_millis(millis))),
        ..CallContext::new("r")
    };
    let running = tokio::spawn({
        let (model, call) = (Arc::clone(&model), within(10_000));
        async move { model.run(x(), &[], &call).await }
    });
    until_started(&graph, 1).await;
    let failure = running.await.unwrap().unwrap_err();
    assert_eq!((failure.kind, graph.runs()), (ErrorKind::Deadline, 1), "it had started");
    let waiting = model.run(x(), &[], &within(100)).await.unwrap_err();
    assert_eq!(&*waiting.message, "the deadline passed before model 'm:1' answered");
    assert_eq!((waiting.kind, graph.runs()), (ErrorKind::Deadline, 1), "it had not");
    drop(permit);
}

#[tokio::test]
async fn calls_whose_callers_left_are_skipped_and_hold_no_place() {
    let (graph, permit) = gated();
    let limits = QueueLimits { max_queue: 1, ..QueueLimits::default() };
    let model = Dispatcher::new(one_worker()).unwrap().model_with_limits(id(), graph.clone(), limits);
    let spawn = || {
        let model = Arc::clone(&model);
        tokio::spawn(async move { call(&model).await })
    };
    let running = spawn();
    until_started(&graph, 1).await;
    let left = spawn();
    tokio::task::yield_now().await;
    left.abort();
    assert!(left.await.unwrap_err().is_cancelled());
    let stays = spawn();
    tokio::task::yield_now().await;
    drop(permit);
    running.await.unwrap().unwrap();
    stays.await.unwrap().unwrap();
    assert_eq!(graph.runs(), 2);
}

#[tokio::test]
async fn deployments_of_one_graph_share_its_measurements() {
    let clock = Moved::new();
    let graph = Fake::new({
        let clock = clock.clone();
        move || clock.advance(Duration::from_micros(50))
    });
    let dispatcher = Dispatcher::with_clock(one_worker(), clock).unwrap();
    let first = dispatcher.model(id(), graph.clone());
    let second = dispatcher.model("n:1".parse().unwrap(), graph.clone());
    for _ in 0..2 {
        call(&first).await.unwrap();
    }
    call(&second).await.unwrap();
    assert_eq!(graph.threads.lock().last(), Some(&std::thread::current().id()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flood_on_one_graph_does_not_hold_up_another() {
    let (flooded, permit) = gated();
    let dispatcher = Dispatcher::new(one_worker()).unwrap();
    let (loud, quiet) = (dispatcher.model(id(), flooded.clone()), dispatcher.model(id(), Fake::new(|| {})));
    let flood: Vec<_> = (0..100)
        .map(|_| {
            let loud = Arc::clone(&loud);
            tokio::spawn(async move { call(&loud).await })
        })
        .collect();
    until_started(&flooded, 1).await;
    let waiting = tokio::spawn(async move { call(&quiet).await });
    while !waiting.is_finished() {
        // Each turn of the worker is one run; the quiet graph's is not behind a hundred.
        permit.send(()).unwrap();
        tokio::task::yield_now().await;
    }
    waiting.await.unwrap().unwrap();
    drop(permit);
    for call in flood {
        call.await.unwrap().unwrap();
    }
}

/// Two services with a graph each on one worker: a first call of each is running or waits, and the rest is queued behind.
/// Returns the names in the order in which they ran.
async fn order_of(calls: &[(&'static str, Priority)], weights: [u32; 2], takes: [u64; 2]) -> Vec<&'static str> {
    let clock = Moved::new();
    let dispatcher = Dispatcher::with_clock(one_worker(), clock.clone()).unwrap();
    let (held, permit) = gated();
    let blocker = dispatcher.model(id(), held.clone());
    let blocked = tokio::spawn(async move { call(&blocker).await });
    until_started(&held, 1).await;
    let order = Arc::new(Mutex::new(Vec::new()));
    let services = ["ant", "bee"];
    let graphs = [0, 1].map(|index| {
        let (order, clock) = (order.clone(), clock.clone());
        Fake::new(move || {
            order.lock().push(services[index]);
            clock.advance(Duration::from_millis(takes[index]));
        }) as Arc<dyn Graph>
    });
    let model = |index: usize| {
        let limits = QueueLimits { weight: weights[index], ..QueueLimits::default() };
        dispatcher.deployed(of_service(services[index], limits), graphs[index].clone())
    };
    let mut waiting = Vec::new();
    for (service, priority) in calls {
        let model = model(services.iter().position(|name| name == service).unwrap());
        let call = CallContext { priority: *priority, ..CallContext::new("r") };
        waiting.push(tokio::spawn(async move { model.run(x(), &[], &call).await }));
        tokio::task::yield_now().await;
    }
    drop(permit);
    blocked.await.unwrap().unwrap();
    for call in waiting {
        call.await.unwrap().unwrap();
    }
    order.lock().clone()
}

#[tokio::test]
async fn services_share_the_workers_by_time_and_weight() {
    const ANT: (&str, Priority) = ("ant", Priority::Normal);
    const BEE: (&str, Priority) = ("bee", Priority::Normal);
    // A flood of short runs waits first; the long ones of the other service get as much time, not as many turns.
    let calls: Vec<_> = [vec![ANT; 12], vec![BEE; 3]].concat();
    let order = order_of(&calls, [100, 100], [1, 4]).await;
    assert_eq!(order[..10].iter().filter(|name| **name == "bee").count(), 2, "{order:?}");
    assert_eq!(order[1], "bee", "its first run is not behind the flood");
    let order = order_of(&calls, [100, 400], [1, 1]).await;
    assert_eq!(order[..5].iter().filter(|name| **name == "bee").count(), 3, "{order:?}");
}

#[tokio::test]
async fn calls_of_high_priority_run_before_others_of_their_service() {
    let (graph, permit) = gated();
    let dispatcher = Dispatcher::new(one_worker()).unwrap();
    let limits = QueueLimits { max_queue: 2, ..QueueLimits::default() };
    let model = dispatcher.deployed(of_service("ant", limits), graph.clone());
    let order = Arc::new(Mutex::new(Vec::new()));
    let spawn = |name: &'static str, priority| {
        let (model, order) = (Arc::clone(&model), order.clone());
        let call = CallContext { priority, ..CallContext::new("r") };
        tokio::spawn(async move {
            let answer = model.run(x(), &[], &call).await;
            order.lock().push((name, answer.is_ok()));
        })
    };
    let mut calls = vec![spawn("running", Priority::Normal)];
    until_started(&graph, 1).await;
    for (name, priority) in [("normal", Priority::Normal), ("low", Priority::Low), ("high", Priority::High)] {
        calls.push(spawn(name, priority));
        tokio::task::yield_now().await;
    }
    tokio::task::yield_now().await;
    assert_eq!(*order.lock(), [("low", false)], "it gave way in the full line");
    for started in 2..=3 {
        permit.send(()).unwrap();
        until_started(&graph, started).await;
        tokio::task::yield_now().await;
    }
    drop(permit);
    for call in calls {
        call.await.unwrap();
    }
    assert_eq!(order.lock()[1..], [("running", true), ("high", true), ("normal", true)]);
}

#[tokio::test]
async fn a_call_that_could_not_end_in_time_is_not_run() {
    let clock = Moved::new();
    let (gate, gates) = mpsc::channel::<()>();
    let graph = Fake::new({
        let clock = clock.clone();
        move || {
            let _ = gates.recv();
            clock.advance(Duration::from_millis(50));
        }
    });
    let dispatcher = Dispatcher::with_clock(one_worker(), clock.clone()).unwrap();
    let model = dispatcher.model(id(), graph.clone());
    for _ in 0..20 {
        gate.send(()).unwrap();
        call(&model).await.unwrap();
    }
    let spawn = |millis| {
        let deadline = Some(Deadline::after(clock.now(), Duration::from_millis(millis)));
        let (model, call) = (Arc::clone(&model), CallContext { deadline, ..CallContext::new("r") });
        tokio::spawn(async move { model.run(x(), &[], &call).await })
    };
    let running = spawn(60_000);
    until_started(&graph, 21).await;
    // When the worker is free, one has 40 ms left for a run of 50, the other a second.
    let (late, last) = (spawn(90), spawn(1000));
    tokio::task::yield_now().await;
    drop(gate);
    running.await.unwrap().unwrap();
    let failure = late.await.unwrap().unwrap_err();
    assert_eq!(failure.kind, ErrorKind::Overloaded);
    assert_eq!(
        &*failure.message,
        "model 'm:1' is overloaded: an answer would take about 50 ms, and the call has 40 ms left"
    );
    last.await.unwrap().unwrap();
    assert_eq!(graph.runs(), 22);
}

#[tokio::test]
async fn models_outlive_their_dispatcher() {
    let dispatcher = Dispatcher::new(one_worker()).unwrap();
    let model = dispatcher.model(id(), Fake::new(|| {}));
    drop(dispatcher);
    call(&model).await.unwrap();
}
