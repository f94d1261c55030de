//! What the way from a service's name to a model or replica that does nothing costs, in nanoseconds per request on one
//! thread: `cargo run --release -p scorehost-router --example overhead`.

use std::hint::black_box;
use std::io::{self, Write};
use std::sync::Arc;
use std::time::{Duration, Instant};

use scorehost_core::{
    BoxFuture, CallContext, DType, Failure, InferRequest, Interface, Model, ModelMetadata, NamedTensor, NamedTensors,
    Plane, RawRequest, RawResponse, Replica, ReplicaFactory, Service, ServiceName, ServiceSpec, Signature, SystemClock,
    Tensor, TensorSpec,
};
use scorehost_pool::{Pool, PoolConfig};
use scorehost_router::{Executor, RoutedService, Router, Runtime, ServiceVersion};
use scorehost_telemetry::{Statistics, Timing};

const REQUESTS: u32 = 1_000_000;

struct Identity(ModelMetadata);

impl Model for Identity {
    fn metadata(&self) -> &ModelMetadata {
        &self.0
    }

    fn run<'a>(
        &'a self,
        inputs: NamedTensors,
        _: &'a [Arc<str>],
        _: &'a CallContext,
    ) -> BoxFuture<'a, Result<NamedTensors, Failure>> {
        Box::pin(std::future::ready(Ok(inputs)))
    }
}

struct Idle(Interface);

impl Replica for Idle {
    fn interface(&self) -> &Interface {
        &self.0
    }

    fn infer<'a>(
        &'a mut self,
        inputs: NamedTensors,
        _: &'a CallContext,
    ) -> BoxFuture<'a, Result<NamedTensors, Failure>> {
        Box::pin(std::future::ready(Ok(inputs)))
    }

    fn score<'a>(&'a mut self, _: RawRequest, _: &'a CallContext) -> BoxFuture<'a, Result<RawResponse, Failure>> {
        Box::pin(std::future::ready(Err(Failure::invalid("tensors only"))))
    }

    fn healthy(&self) -> bool {
        true
    }
}

struct Factory(Interface);

impl ReplicaFactory for Factory {
    fn create(&self) -> BoxFuture<'_, Result<Box<dyn Replica>, Failure>> {
        let interface = self.0.clone();
        Box::pin(async move { Ok(Box::new(Idle(interface)) as Box<dyn Replica>) })
    }
}

fn signature() -> Signature {
    let spec = |name: &str| TensorSpec { name: name.into(), dtype: DType::F32, shape: vec![-1, 16] };
    Signature { inputs: vec![spec("x")], outputs: vec![spec("x")] }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let workers = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    let ingress = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let statistics = Statistics::new(&SystemClock);
    let (router, x) = (Router::new(), Tensor::from_f32([1u64, 16].as_slice(), &[0.0; 16])?);
    let name: Arc<str> = "x".into();
    let request = || InferRequest { inputs: vec![NamedTensor::new(Arc::clone(&name), x.clone())], outputs: vec![] };
    let call = CallContext::new("r");

    let model: Arc<dyn Model> = Arc::new(Identity(ModelMetadata {
        id: "m:1".parse()?,
        platform: "none",
        signature: signature(),
        batching: Default::default(),
    }));
    let (spec, version) = described("no-code", &statistics)?;
    let runtime = Runtime::new(Executor::start(1, workers.handle())?);
    router.put(Arc::new(RoutedService::no_code(&spec, version, Arc::clone(&model), runtime.clone())));

    let interface = Interface::Tensors(signature());
    let (spec, version) = described("scorer", &statistics)?;
    let config = PoolConfig::of(&spec);
    let factory = Arc::new(Factory(interface.clone()));
    let pool = Pool::new(factory, config, workers.handle().clone(), Arc::new(SystemClock));
    ingress.block_on(pool.warm())?;
    router.put(Arc::new(RoutedService::scorer(&spec, version, interface, pool, runtime)));

    let counters = statistics.service(&"alone".parse()?, &"1".into());
    let now = Instant::now();
    let timing = Timing { compute_infer: Duration::from_nanos(900), ..Timing::default() };
    let mut out = io::stdout();
    let record = per_request(REQUESTS, || counters.succeeded(black_box(now), black_box(timing)));
    writeln!(out, "statistics alone       {record:6.1} ns")?;
    let bare = ingress.block_on(timed(async || {
        let request = request();
        model.run(request.inputs, &request.outputs, &call.clone()).await
    }))?;
    writeln!(out, "Model::run alone       {bare:6.1} ns")?;
    for name in ["no-code", "scorer"] {
        let routed = ingress.block_on(timed(async || {
            let service = router.service(name).ok_or_else(|| Failure::not_found(name))?;
            Service::infer(&*service, request(), call.clone()).await
        }))?;
        writeln!(out, "{name:8} by name       {routed:6.1} ns, {:6.1} ns above Model::run", routed - bare)?;
    }
    Ok(())
}

fn described(name: &str, statistics: &Statistics) -> Result<(ServiceSpec, ServiceVersion), Box<dyn std::error::Error>> {
    let (name, version): (ServiceName, Arc<str>) = (name.parse()?, "1".into());
    let counters = statistics.service(&name, &version);
    let spec = ServiceSpec::new(name);
    Ok((spec, ServiceVersion { version, statistics: counters, clock: Arc::new(SystemClock) }))
}

fn per_request(requests: u32, mut work: impl FnMut()) -> f64 {
    let start = Instant::now();
    (0..requests).for_each(|_| work());
    start.elapsed().as_nanos() as f64 / f64::from(requests)
}

/// Nanoseconds per call, after a tenth of the calls to warm up.
async fn timed<T>(mut work: impl AsyncFnMut() -> Result<T, Failure>) -> Result<f64, Failure> {
    for _ in 0..REQUESTS / 10 {
        black_box(work().await?);
    }
    let start = Instant::now();
    for _ in 0..REQUESTS {
        black_box(work().await?);
    }
    Ok(start.elapsed().as_nanos() as f64 / f64::from(REQUESTS))
}
