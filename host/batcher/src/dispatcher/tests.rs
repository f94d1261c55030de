#![allow(clippy::unwrap_used, reason = "tests")]

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc;
use std::thread::ThreadId;
use std::time::{Instant, SystemTime};

use scorehost_core::{
    CallContext, DType, Deadline, ErrorKind, Failure, NamedTensor, NamedTensors, Signature, Tensor, TensorSpec,
};

use tokio::task::JoinHandle;

use super::*;

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
async fn deployments_of_one_graph_share_its_queue_and_measurements() {
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

#[tokio::test]
async fn models_outlive_their_dispatcher() {
    let dispatcher = Dispatcher::new(one_worker()).unwrap();
    let model = dispatcher.model(id(), Fake::new(|| {}));
    drop(dispatcher);
    call(&model).await.unwrap();
}
