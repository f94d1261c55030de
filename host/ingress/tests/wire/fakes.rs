//! What lies behind the doors in these tests.

use std::net::SocketAddr;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use hyper::body::Incoming;
use scorehost_core::{
    Asked, BoxFuture, CallContext, DType, EntryScriptDescription, ErrorKind, Failure, InferRequest, InferResponse,
    Interface, NamedTensor, Plane, RawRequest, RawResponse, Repository, RepositoryEntry, Routed, Service, ServiceName,
    ServiceStatus, Signature, TensorSpec,
};
use scorehost_ingress::{
    Body, Bound, Counters, Doors, Ingress, IngressConfig, IngressError, Management, Observe, Span, StatisticsSource,
};
use tokio::sync::{Notify, oneshot};

/// A service for all tests. Its first input's name decides what it does: see [`Fake::infer`].
pub(crate) struct Fake {
    status: ServiceStatus,
    pub(crate) started: Notify,
    pub(crate) go_on: Notify,
    /// Told when a call that waits is dropped.
    pub(crate) dropped: Notify,
    /// The last call's context.
    pub(crate) last: Mutex<Option<CallContext>>,
}

impl Fake {
    fn new(name: &str, interface: Interface) -> Arc<Self> {
        Self::version(name, "3", interface)
    }

    fn version(name: &str, version: &str, interface: Interface) -> Arc<Self> {
        let status = ServiceStatus {
            name: name.parse().unwrap(),
            version: version.into(),
            interface,
            platform: "onnxruntime_onnx",
            models: Vec::new(),
            batching: Default::default(),
        };
        Arc::new(Self {
            status,
            started: Notify::new(),
            go_on: Notify::new(),
            dropped: Notify::new(),
            last: Mutex::new(None),
        })
    }
}

impl Service for Fake {
    fn status(&self) -> &ServiceStatus {
        &self.status
    }

    /// `fail-<kind>` fails, `wait` waits for `go_on`; every other input becomes an output `OUT-<name>`.
    fn infer<'a>(&'a self, request: InferRequest, call: CallContext) -> BoxFuture<'a, Result<InferResponse, Failure>> {
        *self.last.lock().unwrap() = Some(call);
        Box::pin(async move {
            let first = request.inputs.first().map(|input| input.name.to_string()).unwrap_or_default();
            if let Some(kind) = first.strip_prefix("fail-") {
                return Err(planned(kind));
            }
            if first == "wait" {
                let waiting = Waiting(self);
                self.started.notify_one();
                self.go_on.notified().await;
                std::mem::forget(waiting);
            }
            let output = |input: NamedTensor| NamedTensor::new(format!("OUT-{}", input.name), input.tensor);
            Ok(InferResponse { outputs: request.inputs.into_iter().map(output).collect(), cached: None })
        })
    }

    /// A body `fail-<kind>` fails and `status-<n>` answers with that status; every other is echoed, `untyped` without a type.
    fn score<'a>(&'a self, request: RawRequest, call: CallContext) -> BoxFuture<'a, Result<RawResponse, Failure>> {
        *self.last.lock().unwrap() = Some(call);
        Box::pin(async move {
            let text = String::from_utf8_lossy(&request.body).into_owned();
            if let Some(kind) = text.strip_prefix("fail-") {
                return Err(planned(kind));
            }
            let status = text.strip_prefix("status-").map_or(200, |status| status.parse().unwrap());
            let mut headers = vec![("x-query".into(), request.query)];
            if text != "untyped" {
                headers.push(("content-type".into(), "text/x-test".into()));
            }
            Ok(RawResponse { status, headers, body: request.body })
        })
    }
}

/// Tells when the call that it is part of is dropped.
struct Waiting<'a>(&'a Fake);

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.dropped.notify_one();
    }
}

fn planned(kind: &str) -> Failure {
    if kind == "too-fast" {
        let failure = Failure::new(ErrorKind::Overloaded, "planned");
        return failure.with_retry_after(Duration::from_millis(1200));
    }
    let kind = ErrorKind::ALL.into_iter().find(|known| known.name() == kind).unwrap();
    Failure::new(kind, "planned").with_hint("try another").with_detail("secret")
}

impl Plane for Fakes {
    fn route(&self, name: &str, asked: &Asked<'_>) -> Result<Routed, Failure> {
        let all = self.versions(name);
        let first = all.first().ok_or_else(|| Failure::not_found(format!("no service named '{name}' is deployed")))?;
        let wanted = asked.version.unwrap_or(&first.status().version);
        let found = all.iter().find(|service| *service.status().version == *wanted);
        let unknown = || Failure::not_found(format!("service '{name}' has no version '{wanted}'"));
        Ok(Routed { service: found.ok_or_else(unknown)?.clone(), several: all.len() > 1 })
    }

    fn service(&self, name: &str) -> Option<Arc<dyn Service>> {
        self.versions(name).into_iter().next()
    }

    fn versions(&self, name: &str) -> Vec<Arc<dyn Service>> {
        let named = self.0.iter().filter(|fake| fake.status.name.as_str() == name);
        named.map(|fake| fake.clone() as Arc<dyn Service>).collect()
    }

    fn services(&self) -> Vec<Arc<dyn Service>> {
        self.0.iter().map(|fake| fake.clone() as Arc<dyn Service>).collect()
    }
}

pub(crate) struct Fakes(Vec<Arc<Fake>>);

impl Repository for Fakes {
    fn index(&self) -> BoxFuture<'_, Result<Vec<RepositoryEntry>, Failure>> {
        let entry = |name: &str, ready, reason: &str| RepositoryEntry {
            name: name.into(),
            version: "1".into(),
            ready,
            reason: reason.into(),
        };
        Box::pin(async move { Ok(vec![entry("tensors", true, ""), entry("old", false, "unloaded")]) })
    }

    fn load<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<(), Failure>> {
        Box::pin(
            async move { if name == "old" { Ok(()) } else { Err(Failure::not_found(format!("no model '{name}'"))) } },
        )
    }

    fn unload<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<(), Failure>> {
        self.load(name)
    }
}

impl Management for Fakes {
    fn call(&self, request: Request<Incoming>) -> BoxFuture<'static, Result<Response<Body>, Failure>> {
        Box::pin(async move {
            match request.uri().path().strip_prefix("/management/v1/fail-") {
                Some(kind) => Err(planned(kind)),
                None => Ok(Response::new(Body::stream(http_body_util::Full::new(Bytes::from("managed"))))),
            }
        })
    }
}

impl StatisticsSource for Fakes {
    fn counters(&self, service: &ServiceName, version: &str) -> Option<Counters> {
        let success = Span { count: 2, total: Duration::from_micros(30) };
        let counters = Counters { inferences: 2, executions: 1, last_inference_ms: 5, success, ..Counters::default() };
        (service.as_str() == "tensors" && version == "3").then_some(counters)
    }
}

/// A running server; stops when dropped.
pub(crate) struct Server {
    pub(crate) bound: Bound,
    pub(crate) ready: Arc<AtomicBool>,
    pub(crate) tensors: Arc<Fake>,
    pub(crate) script: Arc<Fake>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<Result<(), IngressError>>>,
}

impl Server {
    pub(crate) fn start() -> Self {
        Self::with(|_| {})
    }

    pub(crate) fn with(adjust: impl FnOnce(&mut IngressConfig)) -> Self {
        Self::behind(adjust, |_| {})
    }

    pub(crate) fn observed(observe: Observe) -> Self {
        Self::behind(|_| {}, |doors| doors.observe = observe)
    }

    pub(crate) fn behind(adjust: impl FnOnce(&mut IngressConfig), put: impl FnOnce(&mut Doors)) -> Self {
        let mut config = config();
        adjust(&mut config);
        let (fakes, tensors, plain) = fakes();
        let mut doors = behind(fakes);
        put(&mut doors);
        let ready = doors.ready.clone();
        let ingress = Ingress::bind(config, doors).unwrap();
        let bound = ingress.bound();
        let (stop, stopped) = oneshot::channel();
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
            runtime.block_on(ingress.serve(async {
                let _ = stopped.await;
            }))
        });
        Self { bound, ready, tensors, script: plain, stop: Some(stop), thread: Some(thread) }
    }

    pub(crate) fn http(&self) -> SocketAddr {
        self.bound.http
    }

    /// Starts the shutdown.
    pub(crate) fn stop(&mut self) {
        let _ = self.stop.take().unwrap().send(());
    }

    /// Waits for the end.
    pub(crate) fn join(&mut self) {
        self.thread.take().unwrap().join().unwrap().unwrap();
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some(stop) = self.stop.take() {
            let _ = stop.send(());
        }
    }
}

/// Doors for servers that never answer.
pub(crate) fn doors() -> Doors {
    behind(fakes().0)
}

fn behind(fakes: Arc<Fakes>) -> Doors {
    Doors {
        plane: fakes.clone(),
        statistics: fakes.clone(),
        repository: fakes.clone(),
        management: fakes,
        gatekeeper: scorehost_auth::Gatekeeper::open(),
        observe: Observe::default(),
        ready: Arc::new(AtomicBool::new(true)),
    }
}

/// All services, and the two that tests look at.
fn fakes() -> (Arc<Fakes>, Arc<Fake>, Arc<Fake>) {
    let spec = |name: &str| TensorSpec { name: name.into(), dtype: DType::F32, shape: vec![-1, 2] };
    let signature = Signature { inputs: vec![spec("x")], outputs: vec![spec("OUT-x")] };
    let pair = ["1", "2"].map(|version| Fake::version("pair", version, Interface::Tensors(signature.clone())));
    let tensors = Fake::new("tensors", Interface::Tensors(signature));
    let script = |name, raw_http, schema: Option<&str>| {
        let schema = schema.map(str::to_owned);
        let description =
            EntryScriptDescription { raw_http, http_handler: false, input_schema: schema, output_schema: None };
        Fake::new(name, Interface::EntryScript(description))
    };
    let plain = script("script", false, None);
    let others = [script("raw-script", true, None), script("json-script", false, Some(r#"{"type":"object"}"#))];
    (Arc::new(Fakes([vec![tensors.clone(), plain.clone()], others.to_vec(), pair.to_vec()].concat())), tensors, plain)
}

pub(crate) fn config() -> IngressConfig {
    IngressConfig {
        http: ([127, 0, 0, 1], 0).into(),
        grpc: Some(([127, 0, 0, 1], 0).into()),
        threads: std::num::NonZeroUsize::new(1),
        ..IngressConfig::default()
    }
}
