//! Calls that run together.

use scorehost_core::DeviceKind;
use scorehost_telemetry::{Mixed, ServiceStatistics, Statistics};

use super::*;
use crate::{Caller, RowsFrom};

/// A graph that adds one to every element of `x` (any rows, any width), refuses rows below zero, and notes the rows of each run.
struct Rowwise {
    signature: Signature,
    batch: bool,
    /// Every run waits for a permit; a closed gate is open for good.
    gate: Mutex<mpsc::Receiver<()>>,
    clock: Arc<Moved>,
    /// Milliseconds of a run with so many rows.
    takes: fn(u64) -> u64,
    /// Leaves the last row out of its output.
    short: bool,
    device: DeviceKind,
    sizes: Mutex<Vec<u64>>,
}

fn rowwise(clock: &Arc<Moved>) -> (Rowwise, mpsc::Sender<()>) {
    let spec = |name: &str| TensorSpec { name: name.into(), dtype: DType::F32, shape: vec![-1, -1] };
    let signature = Signature { inputs: vec![spec("x")], outputs: vec![spec("y"), spec("z")] };
    let (permit, gate) = mpsc::channel();
    let (gate, sizes) = (Mutex::new(gate), Mutex::default());
    let (clock, device) = (clock.clone(), DeviceKind::Cpu);
    let graph = Rowwise { signature, batch: true, gate, clock, takes: |_| 10, short: false, device, sizes };
    (graph, permit)
}

impl Rowwise {
    fn sizes(&self) -> Vec<u64> {
        self.sizes.lock().clone()
    }
}

impl Graph for Rowwise {
    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn platform(&self) -> &'static str {
        "fake"
    }

    fn run(&self, inputs: &[NamedTensor], outputs: &[usize]) -> Result<NamedTensors, Failure> {
        let x = &inputs[0].tensor;
        let rows = x.shape()[0];
        self.sizes.lock().push(rows);
        let _ = self.gate.lock().recv();
        self.clock.advance(Duration::from_millis((self.takes)(rows)));
        let values: Vec<f32> = x.data().chunks(4).map(|value| f32::from_le_bytes(value.try_into().unwrap())).collect();
        if values.iter().any(|value| *value < 0.0) {
            return Err(Failure::invalid("x has a negative row"));
        }
        let sums: Vec<f32> = values.iter().map(|value| value + 1.0).collect();
        let y = Tensor::from_f32(x.shape(), &sums).unwrap();
        let y = if self.short && rows > 1 { y.rows(0, rows - 1).unwrap() } else { y };
        let output = |index: &usize| NamedTensor::new(self.signature.outputs[*index].name.clone(), y.clone());
        Ok(outputs.iter().map(output).collect())
    }

    fn memory_bytes(&self) -> u64 {
        0
    }

    fn device(&self) -> DeviceKind {
        self.device
    }

    fn batch(&self) -> Result<(), Arc<str>> {
        if self.batch { Ok(()) } else { Err("its rows influence one another".into()) }
    }
}

fn config() -> BatchConfig {
    BatchConfig::default()
}

fn deployment(service: &str, version: &str, batches: BatchConfig) -> Deployed {
    let caller =
        Caller { service: service.parse().unwrap(), version: version.into(), replicas: true, statistics: None };
    let limits = QueueLimits { max_wait: Duration::from_secs(100_000), ..QueueLimits::default() };
    Deployed { id: id(), caller, limits, batches: Some(batches), most_rows: None }
}

fn rows(values: &[f32]) -> NamedTensors {
    vec![NamedTensor::new("x", Tensor::from_f32([values.len() as u64, 1].as_slice(), values).unwrap())]
}

type Running = JoinHandle<Result<NamedTensors, Failure>>;

/// One worker, and a run of the graph under way that was asked by nobody in particular.
struct Stage {
    clock: Arc<Moved>,
    dispatcher: Dispatcher,
    graph: Arc<Rowwise>,
    permit: Option<mpsc::Sender<()>>,
    first: Option<Running>,
    /// Keeps what was measured while no deployment of a test has the graph.
    measuring: Option<Arc<dyn Model>>,
}

impl Stage {
    async fn new(change: impl FnOnce(&mut Rowwise)) -> Self {
        let mut stage = Self::idle(change);
        stage.first = Some(stage.spawn(&stage.dispatcher.model(id(), stage.graph.clone()), &[0.0]));
        stage.until_runs(1).await;
        stage
    }

    /// The same without a run.
    fn idle(change: impl FnOnce(&mut Rowwise)) -> Self {
        let clock = Moved::new();
        let (mut graph, permit) = rowwise(&clock);
        change(&mut graph);
        let dispatcher = Dispatcher::with_clock(one_worker(), clock.clone()).unwrap();
        Self { clock, dispatcher, graph: Arc::new(graph), permit: Some(permit), first: None, measuring: None }
    }

    fn model(&self, service: &str, version: &str, batches: BatchConfig) -> Arc<dyn Model> {
        self.dispatcher.deployed(deployment(service, version, batches), self.graph.clone())
    }

    fn spawn(&self, model: &Arc<dyn Model>, values: &[f32]) -> Running {
        self.spawn_with(model, rows(values), CallContext::new("r"))
    }

    fn spawn_with(&self, model: &Arc<dyn Model>, inputs: NamedTensors, call: CallContext) -> Running {
        let model = Arc::clone(model);
        tokio::spawn(async move { model.run(inputs, &[], &call).await })
    }

    async fn until_runs(&self, runs: usize) {
        while self.graph.sizes.lock().len() < runs {
            tokio::task::yield_now().await;
        }
    }

    async fn until_queued(&self, calls: usize) {
        while self.dispatcher.signals().queued < calls {
            tokio::task::yield_now().await;
        }
    }

    /// Lets runs of 1, 2, 4 and 8 rows be measured, so that sizes are no longer tried step by step.
    async fn measured(mut self) -> Self {
        let model = self.model("measure", "1", BatchConfig { max_rows: 64, ..config() });
        for count in [1, 2, 4, 8, 16, 1, 2, 4, 8, 16] {
            let run = self.spawn(&model, &vec![0.0; count]);
            self.permit.as_ref().unwrap().send(()).unwrap();
            finished(run).await.unwrap();
        }
        self.graph.sizes.lock().clear();
        self.measuring = Some(model);
        self
    }

    /// A run under way, for calls to wait behind.
    async fn busy(mut self) -> Self {
        self.first = Some(self.spawn(&self.dispatcher.model(id(), self.graph.clone()), &[0.0]));
        self.until_runs(1).await;
        self
    }

    /// Ends the first run and lets all others go on; returns what they answered.
    async fn finish(&mut self, calls: Vec<Running>) -> Vec<Result<Vec<f32>, ErrorKind>> {
        self.permit = None;
        if let Some(first) = self.first.take() {
            finished(first).await.unwrap();
        }
        let mut answers = Vec::new();
        for call in calls {
            let answer = finished(call).await.map_err(|failure| failure.kind);
            answers.push(answer.map(|outputs| values(&outputs[0].tensor)));
        }
        answers
    }
}

fn values(tensor: &Tensor) -> Vec<f32> {
    tensor.data().chunks(4).map(|value| f32::from_le_bytes(value.try_into().unwrap())).collect()
}

/// A graph that takes as long for many rows as for one.
async fn ready() -> Stage {
    Stage::idle(|_| {}).measured().await.busy().await
}

#[tokio::test]
async fn calls_of_several_services_that_waited_run_as_one() {
    let mut stage = ready().await;
    let (ant, bee) = (stage.model("ant", "1", config()), stage.model("bee", "1", config()));
    let calls = vec![stage.spawn(&ant, &[1.0]), stage.spawn(&bee, &[2.0, 3.0]), stage.spawn(&ant, &[4.0])];
    stage.until_queued(3).await;
    let answers = stage.finish(calls).await;
    assert_eq!(answers, [Ok(vec![2.0]), Ok(vec![3.0, 4.0]), Ok(vec![5.0])]);
    assert_eq!(stage.graph.sizes(), [1, 4]);
}

#[tokio::test]
async fn a_lone_call_never_waits() {
    let stage = Stage::idle(|_| {});
    let model = stage.model("ant", "1", config());
    let call = stage.spawn(&model, &[1.0]);
    stage.until_runs(1).await;
    assert_eq!(stage.dispatcher.signals().queued, 0);
    drop(stage.permit);
    call.await.unwrap().unwrap();
}

#[tokio::test]
async fn what_a_batch_mixes_is_counted() {
    let mut stage = ready().await;
    let one = stage.model("ant", "1", config());
    let two = stage.model("ant", "2", config());
    let calls = vec![stage.spawn(&one, &[1.0]), stage.spawn(&one, &[1.0]), stage.spawn(&two, &[2.0])];
    stage.until_queued(3).await;
    stage.finish(calls).await;
    let batches = &stage.dispatcher.batches()[0];
    assert_eq!(batches.mixed[Mixed::Versions as usize], 1, "{batches:?}");
    assert_eq!((batches.model.as_str(), batches.waits.count()), ("m:1", batches.calls));
}

#[tokio::test]
async fn executions_are_counted_once_for_every_version_in_a_run() {
    let mut stage = ready().await;
    let statistics = Statistics::new(&*stage.clock);
    let counters: Arc<ServiceStatistics> = statistics.service(&"ant".parse().unwrap(), &"1".into());
    let mut deployed = deployment("ant", "1", config());
    deployed.caller = Caller { replicas: false, statistics: Some(counters.clone()), ..deployed.caller };
    let ant = stage.dispatcher.deployed(deployed, stage.graph.clone());
    let bee = stage.model("bee", "1", config());
    let calls = vec![stage.spawn(&ant, &[1.0]), stage.spawn(&bee, &[1.0]), stage.spawn(&ant, &[1.0])];
    stage.until_queued(3).await;
    stage.finish(calls).await;
    let sizes: Vec<_> =
        counters.snapshot().batches.iter().map(|batch| (batch.batch_size, batch.compute_infer.count)).collect();
    assert_eq!(sizes, [(3, 1)]);
}

#[tokio::test]
async fn the_time_of_a_device_is_metered_by_rows_also_for_scorers() {
    let mut stage = Stage::idle(|graph| graph.device = DeviceKind::Gpu).measured().await.busy().await;
    let statistics = Statistics::new(&*stage.clock);
    let metered = |service: &str| {
        let counters = statistics.service(&service.parse().unwrap(), &"1".into());
        let mut deployed = deployment(service, "1", config());
        deployed.caller.statistics = Some(counters.clone());
        (stage.dispatcher.deployed(deployed, stage.graph.clone()), counters)
    };
    let ((ant, of_ant), (bee, of_bee)) = (metered("ant"), metered("bee"));
    let calls = vec![stage.spawn(&ant, &[1.0]), stage.spawn(&bee, &[1.0, 2.0, 3.0])];
    stage.until_queued(2).await;
    stage.finish(calls).await;
    let on_gpu = |counters: &ServiceStatistics| counters.snapshot().on_devices[DeviceKind::Gpu as usize].1;
    assert_eq!(on_gpu(&of_ant) * 3, on_gpu(&of_bee));
    assert_eq!(on_gpu(&of_ant) + on_gpu(&of_bee), Duration::from_millis(10), "the run took 10 ms");
    assert!(of_ant.snapshot().batches.is_empty(), "a scorer's own executions are its calls");
}

#[tokio::test]
async fn isolated_deployments_are_merged_with_themselves_only() {
    let mut stage = ready().await;
    let alone = BatchConfig { isolated: true, ..config() };
    let (ant, bee) = (stage.model("ant", "1", alone.clone()), stage.model("bee", "1", alone));
    let cat = stage.model("cat", "1", config());
    let calls: Vec<_> = [&ant, &bee, &cat, &ant, &bee, &cat].map(|model| stage.spawn(model, &[1.0])).into();
    stage.until_queued(6).await;
    stage.finish(calls).await;
    assert_eq!(stage.graph.sizes(), [1, 2, 2, 2]);
    let mixed = stage.dispatcher.batches()[0].mixed;
    assert_eq!((mixed[Mixed::Services as usize], mixed[Mixed::Replicas as usize]), (0, 3));
}

#[tokio::test]
async fn a_bad_call_fails_alone() {
    let mut stage = ready().await;
    let (ant, bee) = (stage.model("ant", "1", config()), stage.model("bee", "1", config()));
    let calls = vec![stage.spawn(&ant, &[1.0]), stage.spawn(&bee, &[-1.0]), stage.spawn(&ant, &[2.0])];
    stage.until_queued(3).await;
    let answers = stage.finish(calls).await;
    assert_eq!((&answers[0], &answers[2]), (&Ok(vec![2.0]), &Ok(vec![3.0])));
    assert_eq!(answers[1], Err(ErrorKind::InvalidInput));
    assert_eq!(stage.graph.sizes(), [1, 3, 1, 1, 1]);
}

#[tokio::test]
async fn where_outputs_lack_rows_calls_run_one_by_one_from_then_on() {
    let mut stage = Stage::new(|graph| (graph.batch, graph.short) = (false, true)).await;
    let asserted = BatchConfig { rows_from: RowsFrom::Operator, ..config() };
    let ant = stage.model("ant", "1", asserted);
    let calls: Vec<_> = (0..4).map(|value| stage.spawn(&ant, &[value as f32])).collect();
    stage.until_queued(4).await;
    let answers = stage.finish(calls).await;
    assert_eq!(answers, [Ok(vec![1.0]), Ok(vec![2.0]), Ok(vec![3.0]), Ok(vec![4.0])]);
    assert_eq!(stage.graph.sizes(), [1, 2, 1, 1, 1, 1], "two were tried together");
}

#[tokio::test]
async fn graphs_that_are_no_batch_are_not_merged() {
    let mut stage = Stage::new(|graph| graph.batch = false).await;
    let ant = stage.model("ant", "1", config());
    let calls = vec![stage.spawn(&ant, &[1.0]), stage.spawn(&ant, &[1.0])];
    stage.until_queued(2).await;
    stage.finish(calls).await;
    assert_eq!(stage.graph.sizes(), [1, 1, 1]);
}

#[tokio::test]
async fn other_shapes_are_other_batches() {
    let mut stage = ready().await;
    let ant = stage.model("ant", "1", config());
    let wide = || vec![NamedTensor::new("x", Tensor::from_f32([1u64, 2].as_slice(), &[5.0, 6.0]).unwrap())];
    let calls = vec![
        stage.spawn(&ant, &[1.0]),
        stage.spawn_with(&ant, wide(), CallContext::new("r")),
        stage.spawn(&ant, &[2.0]),
        stage.spawn_with(&ant, wide(), CallContext::new("r")),
    ];
    stage.until_queued(4).await;
    let answers = stage.finish(calls).await;
    assert_eq!(answers[1], Ok(vec![6.0, 7.0]));
    assert_eq!(stage.graph.sizes(), [1, 2, 2]);
}

#[tokio::test]
async fn the_largest_batch_is_what_the_strictest_deployment_allows() {
    let mut stage = ready().await;
    let (ant, bee) =
        (stage.model("ant", "1", config()), stage.model("bee", "1", BatchConfig { max_rows: 3, ..config() }));
    let calls: Vec<_> = [&ant, &bee, &ant, &ant, &ant].map(|model| stage.spawn(model, &[1.0])).into();
    stage.until_queued(5).await;
    stage.finish(calls).await;
    assert_eq!(stage.graph.sizes(), [1, 3, 2]);
}

#[tokio::test]
async fn preferred_sizes_leave_the_rest_in_line() {
    let mut stage = ready().await;
    let ant = stage.model("ant", "1", BatchConfig { preferred: vec![2, 4], ..config() });
    let calls: Vec<_> = (0..7).map(|value| stage.spawn(&ant, &[value as f32])).collect();
    stage.until_queued(7).await;
    let answers = stage.finish(calls).await;
    assert_eq!(stage.graph.sizes(), [1, 4, 2, 1]);
    assert_eq!(answers[6], Ok(vec![7.0]));
}

#[tokio::test]
async fn a_delay_waits_for_company_and_no_longer_than_for_enough() {
    let mut stage = Stage::idle(|_| {}).measured().await;
    stage.permit = None;
    let delayed = BatchConfig { max_delay: Duration::from_secs(3600), preferred: vec![3], ..config() };
    let (ant, bee) = (stage.model("ant", "1", delayed.clone()), stage.model("bee", "1", delayed));
    let mut calls = vec![stage.spawn(&ant, &[1.0]), stage.spawn(&bee, &[2.0])];
    stage.until_queued(2).await;
    assert_eq!(stage.graph.sizes(), [0u64; 0], "a worker is free, and they wait");
    calls.push(stage.spawn(&ant, &[3.0]));
    let answers = stage.finish(calls).await;
    assert_eq!(answers, [Ok(vec![2.0]), Ok(vec![3.0]), Ok(vec![4.0])]);
    assert_eq!(stage.graph.sizes(), [3]);
}

#[tokio::test]
async fn the_delay_ends_by_the_clock() {
    let mut stage = Stage::idle(|_| {}).measured().await;
    stage.permit = None;
    let ant = stage.model("ant", "1", BatchConfig { max_delay: Duration::from_secs(3600), ..config() });
    let bee = stage.model("bee", "1", config());
    let delayed = stage.spawn(&ant, &[1.0]);
    stage.until_queued(1).await;
    stage.clock.advance(Duration::from_secs(3601));
    // Any arrival wakes the worker.
    let other = stage.spawn_with(
        &bee,
        vec![NamedTensor::new("x", Tensor::from_f32([1u64, 2].as_slice(), &[5.0, 6.0]).unwrap())],
        CallContext::new("r"),
    );
    assert_eq!(stage.finish(vec![delayed, other]).await, [Ok(vec![2.0]), Ok(vec![6.0, 7.0])]);
}

#[tokio::test]
async fn a_call_without_delay_takes_those_along_that_wait_for_company() {
    let mut stage = Stage::idle(|_| {}).measured().await;
    stage.permit = None;
    let ant = stage.model("ant", "1", BatchConfig { max_delay: Duration::from_secs(3600), ..config() });
    let bee = stage.model("bee", "1", config());
    let delayed = stage.spawn(&ant, &[1.0]);
    stage.until_queued(1).await;
    let urgent = stage.spawn(&bee, &[2.0]);
    assert_eq!(stage.finish(vec![delayed, urgent]).await, [Ok(vec![2.0]), Ok(vec![3.0])]);
    assert_eq!(stage.graph.sizes(), [2]);
}

#[tokio::test(start_paused = true)]
async fn callers_who_left_and_deadlines_that_passed_are_no_part_of_a_batch() {
    let mut stage = ready().await;
    let ant = stage.model("ant", "1", config());
    let left = stage.spawn(&ant, &[1.0]);
    let deadline = Some(Deadline::after(stage.clock.now(), Duration::from_millis(5)));
    let late = stage.spawn_with(&ant, rows(&[2.0]), CallContext { deadline, ..CallContext::new("r") });
    let stays = vec![stage.spawn(&ant, &[3.0]), stage.spawn(&ant, &[4.0])];
    stage.until_queued(4).await;
    left.abort();
    assert!(left.await.unwrap_err().is_cancelled());
    let answers = stage.finish(stays).await;
    assert_eq!(answers, [Ok(vec![4.0]), Ok(vec![5.0])]);
    assert_eq!(finished(late).await.unwrap_err().kind, ErrorKind::Deadline);
    assert_eq!(stage.graph.sizes(), [1, 2]);
}

#[tokio::test(start_paused = true)]
async fn a_batch_is_no_larger_than_its_calls_deadlines_allow() {
    // A run takes 10 ms and 10 ms for each row; measured, four rows take 50 ms.
    let mut stage = Stage::idle(|graph| graph.takes = |rows| 10 + 10 * rows).measured().await.busy().await;
    let ant = stage.model("ant", "1", config());
    let within = |millis| CallContext {
        deadline: Some(Deadline::after(stage.clock.now(), Duration::from_millis(millis))),
        ..CallContext::new("r")
    };
    // The run under way takes 20 ms; then there are 45 ms, which is enough for three rows.
    let calls: Vec<_> = (0..6).map(|_| stage.spawn_with(&ant, rows(&[1.0]), within(65))).collect();
    stage.until_queued(6).await;
    let answers = stage.finish(calls).await;
    assert_eq!(stage.graph.sizes(), [1, 3, 1], "the last one is tried because nothing else waits");
    assert_eq!(answers.iter().filter(|answer| **answer == Err(ErrorKind::Overloaded)).count(), 2);
}

#[tokio::test]
async fn a_latency_target_keeps_batches_small() {
    let mut stage = Stage::idle(|graph| graph.takes = |rows| 10 + 2 * rows).measured().await.busy().await;
    let target = Some(Duration::from_millis(41));
    let ant = stage.model("ant", "1", BatchConfig { latency_target: target, ..config() });
    let calls: Vec<_> = (0..10).map(|_| stage.spawn(&ant, &[1.0])).collect();
    stage.until_queued(10).await;
    stage.finish(calls).await;
    assert_eq!(stage.graph.sizes(), [1, 5, 5], "five rows take half of the target");
}

#[tokio::test]
async fn services_are_charged_their_rows() {
    let mut stage = ready().await;
    let (ant, bee) = (stage.model("ant", "1", config()), stage.model("bee", "1", config()));
    let calls = vec![stage.spawn(&ant, &[1.0, 1.0, 1.0]), stage.spawn(&bee, &[1.0])];
    stage.until_queued(2).await;
    stage.finish(calls).await;
    let spent = |service: &str| stage.dispatcher.flow(&service.parse().unwrap()).spent();
    assert_eq!(spent("ant") - spent("bee"), 5_000_000, "7.5 of 10 ms, and 2.5, from where the queue's time stood");
}

#[tokio::test]
async fn a_call_with_more_rows_than_its_configuration_allows_is_refused() {
    let stage = Stage::idle(|_| {});
    let model = stage.dispatcher.deployed(
        Deployed { most_rows: Some(2), ..deployment("ant", "1", BatchConfig { max_rows: 2, ..config() }) },
        stage.graph.clone(),
    );
    assert_eq!(model.metadata().batching.max_rows, 2);
    let failure = finished(stage.spawn(&model, &[1.0, 2.0, 3.0])).await.unwrap_err();
    assert_eq!(
        (failure.kind, &*failure.message),
        (ErrorKind::InvalidInput, "model 'm:1': the request has 3 rows, and max_batch_size of its configuration is 2")
    );
    drop(stage.permit);
}
