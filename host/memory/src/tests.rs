#![allow(clippy::unwrap_used, reason = "tests")]

use std::sync::atomic::Ordering::SeqCst;
use std::time::SystemTime;

use scorehost_core::{
    BatchTerms, CallContext, DType, Deadline, ErrorKind, LogLevel, Logs, Model, ModelMetadata, NamedTensor,
    NamedTensors, Shape, Tensor, TensorSpec,
};

use super::*;

/// Time that stands still until it is moved.
struct Hands {
    start: Instant,
    millis: AtomicU64,
}

impl Clock for Hands {
    fn now(&self) -> Instant {
        self.start + Duration::from_millis(self.millis.load(SeqCst))
    }

    fn wall(&self) -> SystemTime {
        SystemTime::UNIX_EPOCH
    }
}

/// What the graphs of a test hold together, and held at most.
#[derive(Default)]
struct Machine {
    held: AtomicU64,
    most: AtomicU64,
    loads: AtomicU64,
    /// Loads fail while it is set.
    broken: AtomicBool,
    /// Graphs of the first so many loads are on a device that is lost.
    lost: AtomicU64,
    /// Loads wait while it is locked.
    gate: Mutex<()>,
}

struct Weights {
    machine: Arc<Machine>,
    number: u8,
    bytes: u64,
    signature: Signature,
    /// Which load of the machine it came from.
    load: u64,
}

impl Drop for Weights {
    fn drop(&mut self) {
        self.machine.held.fetch_sub(self.bytes, SeqCst);
    }
}

impl Graph for Weights {
    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn platform(&self) -> &'static str {
        "fake"
    }

    fn run(&self, _inputs: &[NamedTensor], _outputs: &[usize]) -> Result<NamedTensors, Failure> {
        self.health()?;
        let tensor = Tensor::new(DType::U8, Shape::from_slice(&[1]), vec![self.number].into())?;
        Ok(vec![NamedTensor::new("y", tensor)])
    }

    fn health(&self) -> Result<(), Failure> {
        if self.load > self.machine.lost.load(SeqCst) {
            return Ok(());
        }
        Err(Failure::new(ErrorKind::Unavailable, "the card fell off the bus"))
    }

    fn memory_bytes(&self) -> u64 {
        self.bytes
    }
}

struct Disk {
    machine: Arc<Machine>,
    number: u8,
    bytes: u64,
}

fn signature() -> Signature {
    let spec = |name: &str| vec![TensorSpec { name: name.into(), dtype: DType::U8, shape: vec![1] }];
    Signature { inputs: spec("x"), outputs: spec("y") }
}

impl Source for Disk {
    fn load(&self) -> Result<Arc<dyn Graph>, Failure> {
        let _open = self.machine.gate.lock();
        let load = self.machine.loads.fetch_add(1, SeqCst) + 1;
        if self.machine.broken.load(SeqCst) {
            return Err(Failure::invalid("the file is damaged"));
        }
        let held = self.machine.held.fetch_add(self.bytes, SeqCst) + self.bytes;
        self.machine.most.fetch_max(held, SeqCst);
        let machine = Arc::clone(&self.machine);
        Ok(Arc::new(Weights { machine, number: self.number, bytes: self.bytes, signature: signature(), load }))
    }
}

struct Bench {
    machine: Arc<Machine>,
    hands: Arc<Hands>,
    memory: ModelMemory,
}

impl Bench {
    fn new(budget: u64) -> Self {
        let hands = Arc::new(Hands { start: Instant::now(), millis: AtomicU64::new(0) });
        let config = MemoryConfig { budget: Some(budget), loads: 2, patience: Duration::from_secs(60) };
        let memory = ModelMemory::new(config, Arc::clone(&hands) as _, Handle::current());
        Self { machine: Arc::default(), hands, memory }
    }

    fn wanted(&self, number: u8, bytes: u64, facts: bool) -> Wanted {
        let facts = facts.then(|| Facts { signature: signature(), platform: "fake", bytes, batch: Ok(()) });
        Wanted {
            key: format!("sha256:{}", format!("{number:02x}").repeat(32)).parse().unwrap(),
            model: format!("m{number}:1").parse().unwrap(),
            source: Box::new(Disk { machine: Arc::clone(&self.machine), number, bytes }),
            facts,
            estimate: bytes,
        }
    }

    /// A graph that is loaded, at a moment of its own.
    async fn open(&self, number: u8, bytes: u64) -> Arc<Resident> {
        self.later();
        self.memory.open(self.wanted(number, bytes, false)).await.unwrap()
    }

    fn later(&self) {
        self.hands.millis.fetch_add(1, SeqCst);
    }

    fn loaded(&self) -> Vec<String> {
        let snapshot = self.memory.snapshot();
        let mut names: Vec<String> =
            snapshot.graphs.iter().filter(|graph| graph.loaded).map(|graph| graph.model.to_string()).collect();
        names.sort();
        names
    }
}

fn answer(graph: &Resident) -> u8 {
    let outputs = graph.run(&[], &[0]).unwrap();
    outputs[0].tensor.data()[0]
}

#[tokio::test]
async fn the_least_recently_used_graph_goes_for_a_new_one_before_it_is_loaded() {
    let bench = Bench::new(100);
    let (a, b) = (bench.open(1, 40).await, bench.open(2, 40).await);
    bench.later();
    a.touch();
    let c = bench.open(3, 40).await;
    assert_eq!(bench.loaded(), ["m1:1", "m3:1"]);
    bench.later();
    assert_eq!(answer(&b.acquire(None).await.unwrap().0), 2, "it comes back as what it was");
    assert_eq!(bench.loaded(), ["m2:1", "m3:1"]);
    assert!(bench.machine.most.load(SeqCst) <= 100, "the budget held while graphs were loaded");
    let snapshot = bench.memory.snapshot();
    assert_eq!((snapshot.loads, snapshot.evictions, snapshot.reloads.count()), (4, 2, 1));
    assert_eq!((snapshot.loaded_bytes, snapshot.loaded()), (80, 2));
    drop(c);
}

#[tokio::test]
async fn one_key_is_one_graph() {
    let bench = Bench::new(100);
    let (first, second) = (bench.open(1, 40).await, bench.open(1, 40).await);
    assert!(Arc::ptr_eq(&first, &second));
    assert_eq!(bench.machine.loads.load(SeqCst), 1);
    drop((first, second));
    assert_eq!(bench.memory.snapshot().graphs, [], "a graph that no deployment uses is gone");
    assert_eq!(bench.machine.held.load(SeqCst), 0);
}

#[tokio::test]
async fn a_graph_with_known_facts_is_loaded_by_its_first_call() {
    let bench = Bench::new(100);
    let known = bench.memory.open(bench.wanted(1, 40, true)).await.unwrap();
    assert_eq!((bench.machine.loads.load(SeqCst), known.is_loaded()), (0, false));
    assert_eq!(Graph::signature(&*known), &signature());
    assert_eq!(Graph::batch(&*known), Ok(()), "that calls may be merged is known before");
    assert_eq!(answer(&known.acquire(None).await.unwrap().0), 1);
    assert_eq!(bench.machine.loads.load(SeqCst), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn all_calls_that_wait_for_a_graph_share_one_reload() {
    let bench = Bench::new(100);
    let graph = bench.memory.open(bench.wanted(1, 40, true)).await.unwrap();
    let closed = bench.machine.gate.lock();
    let calls: Vec<_> = (0..20)
        .map(|_| {
            let graph = Arc::clone(&graph);
            tokio::spawn(async move { answer(&graph.acquire(None).await.unwrap().0) })
        })
        .collect();
    drop(closed);
    for call in calls {
        assert_eq!(call.await.unwrap(), 1);
    }
    assert_eq!(bench.machine.loads.load(SeqCst), 1);
}

#[tokio::test]
async fn a_graph_in_use_stays_and_a_load_waits_for_it() {
    let bench = Bench::new(50);
    let a = bench.open(1, 40).await;
    let held = a.acquire(None).await.unwrap();
    let b = bench.memory.open(bench.wanted(2, 40, true)).await.unwrap();
    let mut waits = Box::pin(b.acquire(None));
    assert!(futures_pending(waits.as_mut()).await, "it waits");
    assert_eq!(bench.loaded(), ["m1:1"]);
    drop(held);
    assert_eq!(answer(&waits.await.unwrap().0), 2);
    assert_eq!(bench.loaded(), ["m2:1"]);
    assert!(bench.machine.most.load(SeqCst) <= 50);
}

/// Lets everything else run, and says whether `future` is still not done.
async fn futures_pending<F: Future + Unpin>(mut future: F) -> bool {
    for _ in 0..50 {
        let polled =
            std::future::poll_fn(|cx| std::task::Poll::Ready(std::pin::Pin::new(&mut future).poll(cx).is_pending()))
                .await;
        if !polled {
            return false;
        }
        tokio::task::yield_now().await;
    }
    true
}

#[tokio::test]
#[expect(clippy::await_holding_lock, reason = "the load, on another thread, waits until this test opens the gate")]
async fn a_call_whose_deadline_passes_leaves_the_load_to_the_next_one() {
    let bench = Bench::new(100);
    let graph = bench.memory.open(bench.wanted(1, 40, true)).await.unwrap();
    let closed = bench.machine.gate.lock();
    let now = Deadline::at(bench.hands.now());
    let late = graph.acquire(Some(now)).await.err().unwrap();
    assert_eq!(late.kind, ErrorKind::Deadline);
    assert!(late.message.contains("model 'm1:1'"), "{late}");
    drop(closed);
    assert_eq!(answer(&graph.acquire(None).await.unwrap().0), 1);
    assert_eq!(bench.machine.loads.load(SeqCst), 1);
}

#[tokio::test]
async fn what_never_fits_is_refused_by_name_size_and_budget() {
    let bench = Bench::new(100);
    let refused = bench.memory.open(bench.wanted(1, 101, false)).await.err().unwrap();
    assert_eq!(refused.kind, ErrorKind::TooLarge);
    let expected = "model 'm1:1' takes 101 bytes of memory when it is loaded, and the budget for models is 100 bytes";
    assert_eq!(refused.message, expected);
    assert_eq!(bench.machine.loads.load(SeqCst), 0, "it is not even tried");
}

#[tokio::test]
async fn pinned_graphs_stay_and_must_fit_together() {
    let bench = Bench::new(100);
    let (a, b) = (bench.open(1, 40).await, bench.open(2, 40).await);
    let pin = a.pin().await.unwrap();
    b.touch();
    let c = bench.open(3, 50).await;
    assert_eq!(bench.loaded(), ["m1:1", "m3:1"], "not the least recently used one, which is pinned");
    let refused = bench.memory.open(bench.wanted(4, 70, false)).await.err().unwrap();
    assert!(refused.message.ends_with("of which pinned models hold 40 bytes"), "{refused}");
    let second = b.pin().await.unwrap();
    let refused = c.pin().await.err().unwrap();
    assert_eq!(refused.kind, ErrorKind::TooLarge);
    assert!(refused.message.contains("it takes 50 bytes, pinned models take 80 bytes already"), "{refused}");
    drop((pin, second));
    assert!(c.pin().await.is_ok(), "a pin ends with its deployment");
}

#[tokio::test]
async fn a_reload_that_fails_is_tried_again_by_the_next_call() {
    let bench = Bench::new(100);
    let graph = bench.memory.open(bench.wanted(1, 40, true)).await.unwrap();
    bench.machine.broken.store(true, SeqCst);
    let failure = graph.acquire(None).await.err().unwrap();
    assert_eq!(failure.message, "the file is damaged");
    bench.machine.broken.store(false, SeqCst);
    assert_eq!(answer(&graph.acquire(None).await.unwrap().0), 1);
    assert_eq!(bench.memory.snapshot().failures, 1);
}

/// A dispatcher that checks what is wanted, and runs at once.
struct Direct(ModelMetadata, Arc<Resident>);

impl Model for Direct {
    fn metadata(&self) -> &ModelMetadata {
        &self.0
    }

    fn run<'a>(
        &'a self,
        inputs: NamedTensors,
        outputs: &'a [Arc<str>],
        _call: &'a CallContext,
    ) -> scorehost_core::BoxFuture<'a, Result<NamedTensors, Failure>> {
        Box::pin(async move {
            self.0.signature.output_indices(outputs).map_err(|error| Failure::invalid(error.to_string()))?;
            self.1.run(&inputs, &[0])
        })
    }
}

#[derive(Default)]
struct Lines(Mutex<Vec<String>>);

impl Logs for Lines {
    fn write(&self, _level: LogLevel, _request_id: &str, line: &str) {
        self.0.lock().push(line.to_owned());
    }
}

fn input() -> NamedTensors {
    vec![NamedTensor::new("x", Tensor::new(DType::U8, Shape::from_slice(&[1]), vec![0].into()).unwrap())]
}

fn kept(graph: &Arc<Resident>, logs: &Arc<Lines>) -> Arc<KeptModel> {
    let metadata = ModelMetadata {
        id: graph.model().clone(),
        platform: "fake",
        signature: signature(),
        batching: BatchTerms::default(),
    };
    let audience = Audience::new(graph.model().clone(), Arc::clone(logs) as _);
    KeptModel::new(Arc::new(Direct(metadata, Arc::clone(graph))), Arc::clone(graph), Some(audience), None)
}

#[tokio::test]
async fn a_call_brings_its_model_back_and_the_services_log_says_so() {
    let (bench, logs) = (Bench::new(50), Arc::new(Lines::default()));
    let (a, b) = (bench.open(1, 40).await, bench.open(2, 40).await);
    let (a, b) = (kept(&a, &logs), kept(&b, &logs));
    let call = CallContext::new("r");
    for (model, number) in [(&a, 1), (&b, 2), (&a, 1)] {
        bench.later();
        let outputs = model.run(input(), &[], &call).await.unwrap();
        assert_eq!(outputs[0].tensor.data()[..], [number]);
    }
    let lines = logs.0.lock();
    let of_a: Vec<&String> = lines.iter().filter(|line| line.starts_with("model 'm1:1'")).collect();
    assert!(of_a[0].contains("was loaded into memory in 0 ms, 40 bytes"), "{lines:?}");
    assert!(of_a[1].contains("was evicted from memory"), "{lines:?}");
}

#[tokio::test]
async fn a_call_that_the_model_refuses_loads_nothing() {
    let (bench, logs) = (Bench::new(50), Arc::default());
    let graph = bench.memory.open(bench.wanted(1, 40, true)).await.unwrap();
    let model = kept(&graph, &logs);
    let refused = model.run(input(), &["nothing".into()], &CallContext::new("r")).await.err().unwrap();
    assert_eq!((refused.kind, graph.is_loaded()), (ErrorKind::InvalidInput, false));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn under_churn_every_answer_is_right_and_the_budget_holds() {
    let (bench, logs) = (Bench::new(300), Arc::default());
    let mut models = Vec::new();
    for number in 0..40 {
        models.push(kept(&bench.memory.open(bench.wanted(number, 40, true)).await.unwrap(), &logs));
    }
    let models = Arc::new(models);
    let mut callers = Vec::new();
    for caller in 0..8usize {
        let (models, hands) = (Arc::clone(&models), Arc::clone(&bench.hands));
        callers.push(tokio::spawn(async move {
            for turn in 0..200usize {
                hands.millis.fetch_add(1, SeqCst);
                let number = (turn * 7 + caller * 13) % 40;
                let outputs = models[number].run(input(), &[], &CallContext::new("r")).await.unwrap();
                assert_eq!(outputs[0].tensor.data()[..], [number as u8]);
            }
        }));
    }
    for caller in callers {
        caller.await.unwrap();
    }
    let most = bench.machine.most.load(SeqCst);
    assert!(most <= 300, "{most} bytes were held at once");
    assert!(bench.memory.snapshot().evictions > 100);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_graph_whose_device_is_lost_is_loaded_again_by_the_next_call() {
    let bench = Bench::new(100);
    let graph = bench.open(1, 40).await;
    let used = graph.acquire(None).await.unwrap();
    assert_eq!(answer(&graph), 1);
    bench.machine.lost.store(1, SeqCst);
    let failure = graph.run(&[], &[0]).unwrap_err();
    assert_eq!(failure.kind, ErrorKind::Unavailable);
    assert!(!graph.is_loaded(), "also while somebody uses it: it is of no use to anybody");
    assert_eq!(bench.machine.held.load(SeqCst), 0, "what it held on the lost device is given up");
    assert_eq!(answer(&graph.acquire(None).await.unwrap().0), 1);
    assert_eq!((bench.machine.loads.load(SeqCst), graph.users()), (2, 1));
    drop(used);
    assert_eq!(graph.users(), 0);
    assert!(graph.evict().is_some(), "its uses are counted as ever");
}
