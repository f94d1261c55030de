//! The traits at which rooms meet. Each is implemented by the room below and called by the room above.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use bytes::Bytes;

use crate::{
    BatchTerms, CallContext, Deadline, DeviceKind, Failure, Headers, MemoryId, ModelId, ModelMetadata, NamedTensor,
    NamedValue, NamedValues, OutputSet, RawRequest, RawResponse, ServiceName, Signature, Tensor, joined,
};

/// A boxed future that may move between threads.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Tensors by name, in the order of the model or the request.
pub type NamedTensors = Vec<NamedTensor>;

/// A model loaded on a device. `device` implements it, `batcher` calls it.
pub trait Graph: Send + Sync {
    /// Inputs and outputs.
    fn signature(&self) -> &Signature;
    /// The Open Inference Protocol's platform name, such as `onnxruntime_onnx`.
    fn platform(&self) -> &'static str;
    /// Runs once and blocks until done. `inputs` are complete and of the right dtype and rank, in any order; `outputs`
    /// holds indices into the signature's outputs, in the order wanted.
    ///
    /// # Errors
    /// `InvalidInput` where the shapes do not work in this graph, `Internal` where the device fails.
    fn run(&self, inputs: &[NamedTensor], outputs: &[usize]) -> Result<NamedTensors, Failure>;
    /// The same, given up at `until` where the device can: then it fails with `Deadline`.
    ///
    /// # Errors
    /// Those of [`Graph::run`], and `Deadline`.
    fn run_until(
        &self,
        inputs: &[NamedTensor],
        outputs: &[usize],
        until: Option<Deadline>,
    ) -> Result<NamedTensors, Failure> {
        let _ = until;
        self.run(inputs, outputs)
    }
    /// The memory in which its values may stay from one call to the next; `None` is the host's.
    fn memory(&self) -> Option<MemoryId> {
        None
    }
    /// Runs alike calls as one, behind each other along dimension 0, as [`Graph::run_until`] does. Inputs may be in any memory. Outputs in
    /// `keep` may stay in [`Graph::memory`]: the room there decides.
    ///
    /// # Errors
    /// Those of [`Graph::run_until`], and `Unavailable` where an input is on another device that is lost.
    fn run_calls(
        &self,
        calls: &[&[NamedValue]],
        outputs: &[usize],
        keep: OutputSet,
        until: Option<Deadline>,
    ) -> Result<NamedValues, Failure> {
        let _ = keep;
        let inputs = joined(calls)?;
        Ok(self.run_until(&inputs, outputs, until)?.into_iter().map(NamedValue::from).collect())
    }
    /// Bytes of weights and device memory that the graph holds, as far as they are known.
    fn memory_bytes(&self) -> u64;
    /// What it runs on.
    fn device(&self) -> DeviceKind {
        DeviceKind::Cpu
    }
    /// What a deployer should know of where it runs, such as the parts of it that another device runs.
    fn report(&self) -> Option<String> {
        None
    }
    /// Whether its device still runs anything.
    ///
    /// # Errors
    /// `Unavailable` once the device is lost: then it has to be loaded again, on another one.
    fn health(&self) -> Result<(), Failure> {
        Ok(())
    }
    /// Whether dimension 0 of every input and output is a batch of rows that do not influence one another, so that several
    /// calls may run as one whose other dimensions are equal.
    ///
    /// # Errors
    /// Why not, to be read after "calls are not merged: ".
    fn batch(&self) -> Result<(), Arc<str>> {
        Err("the device does not tell whether dimension 0 is a batch".into())
    }
}

/// A model ready to be called. `batcher` implements it over a [`Graph`]; scorers and no-code services call it.
pub trait Model: Send + Sync {
    /// Name, version, platform, signature.
    fn metadata(&self) -> &ModelMetadata;
    /// Checks the inputs against the signature and runs once. `outputs` names those wanted, all when empty.
    fn run<'a>(
        &'a self,
        inputs: NamedTensors,
        outputs: &'a [Arc<str>],
        call: &'a CallContext,
    ) -> BoxFuture<'a, Result<NamedTensors, Failure>>;
    /// The memory in which its outputs may stay; `None` is the host's.
    fn memory(&self) -> Option<MemoryId> {
        None
    }
    /// The same with inputs in any memory, and outputs in `keep` (by their place in the signature) left in [`Model::memory`] where
    /// there is room.
    fn run_values<'a>(
        &'a self,
        inputs: NamedValues,
        outputs: &'a [Arc<str>],
        keep: OutputSet,
        call: &'a CallContext,
    ) -> BoxFuture<'a, Result<NamedValues, Failure>> {
        let _ = keep;
        Box::pin(async move {
            let inputs = inputs.into_iter().map(NamedValue::fetch).collect::<Result<_, _>>()?;
            Ok(self.run(inputs, outputs, call).await?.into_iter().map(NamedValue::from).collect())
        })
    }
}

/// The files registered with a model. `registry` implements it.
pub trait ModelFiles: Send + Sync {
    /// Paths below the model's folder, `/`-separated, sorted.
    fn paths(&self) -> Vec<String>;
    /// The verified content of one file.
    ///
    /// # Errors
    /// `NotFound` naming the files there are; `Internal` where the stored content is damaged.
    fn read(&self, path: &str) -> Result<Bytes, Failure>;
}

/// One model of a deployment.
#[derive(Clone)]
pub struct DeployedModel {
    /// Name and version.
    pub id: ModelId,
    /// The callable graph; `None` where the model holds no graph (a vocabulary, a pickle).
    pub model: Option<Arc<dyn Model>>,
    /// Its files.
    pub files: Arc<dyn ModelFiles>,
}

/// The models that a deployment gives its scorer.
#[derive(Clone, Default)]
pub struct ModelSet(Vec<DeployedModel>);

impl ModelSet {
    /// A set of models; the order is the deployment's.
    #[must_use]
    pub const fn new(models: Vec<DeployedModel>) -> Self {
        Self(models)
    }

    /// The models in the deployment's order.
    pub fn iter(&self) -> impl Iterator<Item = &DeployedModel> {
        self.0.iter()
    }

    /// The model of a `name` or `name:version`.
    ///
    /// # Errors
    /// `NotFound` naming the models there are.
    pub fn open(&self, name: &str) -> Result<&DeployedModel, Failure> {
        let matches = |model: &&DeployedModel| match name.split_once(':') {
            Some((bare, version)) => model.id.name.as_str() == bare && version.parse() == Ok(model.id.version),
            None => model.id.name.as_str() == name,
        };
        self.0.iter().find(matches).ok_or_else(|| {
            let names: Vec<String> = self.0.iter().map(|model| model.id.to_string()).collect();
            Failure::not_found(format!("this deployment has no model '{name}'; it has: [{}]", names.join(", ")))
        })
    }
}

/// Loads a graph that a guest brings along (wasi:nn `load`). The assembly implements it.
pub trait GraphLoader: Send + Sync {
    /// Loads ONNX bytes on the deployment's device.
    fn load(&self, onnx: Bytes) -> BoxFuture<'_, Result<Arc<dyn Model>, Failure>>;
}

/// What an entry script says of itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EntryScriptDescription {
    /// The script handles methods, queries and any bytes itself.
    pub raw_http: bool,
    /// A standard HTTP handler (`wasi:http/incoming-handler`): every method and every path below the scoring path is its own.
    pub http_handler: bool,
    /// JSON Schema of the request body, as text.
    pub input_schema: Option<String>,
    /// JSON Schema of the response body, as text.
    pub output_schema: Option<String>,
}

/// How a component is called, and what it says of itself after `init`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Interface {
    /// World `scorer`: tensors in, tensors out.
    Tensors(Signature),
    /// World `entry-script`: a body in, a response out.
    EntryScript(EntryScriptDescription),
}

/// One live scorer instance. `scorer` implements it, `pool` lends it. One call at a time.
pub trait Replica: Send {
    /// What it takes and returns.
    fn interface(&self) -> &Interface;
    /// Calls `run` of world `scorer`. `Unsupported` for an entry script.
    fn infer<'a>(
        &'a mut self,
        inputs: NamedTensors,
        call: &'a CallContext,
    ) -> BoxFuture<'a, Result<NamedTensors, Failure>>;
    /// Calls `run` of world `entry-script`. `Unsupported` for world `scorer`.
    fn score<'a>(
        &'a mut self,
        request: RawRequest,
        call: &'a CallContext,
    ) -> BoxFuture<'a, Result<RawResponse, Failure>>;
    /// False once a call trapped, ran out of time or was dropped half-way: the replica must be retired.
    fn healthy(&self) -> bool;
    /// Bytes of memory that it holds; 0 where nobody counts them.
    fn memory(&self) -> u64 {
        0
    }
}

/// Makes replicas of one scorer. `scorer` implements it, `pool` calls it.
pub trait ReplicaFactory: Send + Sync {
    /// Instantiates and runs `init`.
    ///
    /// # Errors
    /// `ScorerFault` where `init` fails or traps, `Deadline` where it takes too long.
    fn create(&self) -> BoxFuture<'_, Result<Box<dyn Replica>, Failure>>;
}

/// An inference request in the form of the Open Inference Protocol.
#[derive(Clone, Debug, Default)]
pub struct InferRequest {
    /// Inputs in the caller's order.
    pub inputs: NamedTensors,
    /// Outputs wanted; all when empty.
    pub outputs: Vec<Arc<str>>,
}

/// The answer to an [`InferRequest`].
#[derive(Clone, Debug)]
pub struct InferResponse {
    /// Outputs in the order asked for, or the model's.
    pub outputs: NamedTensors,
    /// Whether it was kept of an equal request; `None` where the service keeps no answers.
    pub cached: Option<bool>,
}

/// What a service is at the moment.
#[derive(Clone, Debug)]
pub struct ServiceStatus {
    /// Name.
    pub name: ServiceName,
    /// Version that answers, from "1" on.
    pub version: Arc<str>,
    /// How it is called; a no-code service is [`Interface::Tensors`].
    pub interface: Interface,
    /// The Open Inference Protocol's platform name: of the model, or `scorehost_scorer`.
    pub platform: &'static str,
    /// Registered models it uses.
    pub models: Vec<ModelId>,
    /// How calls of a no-code service's model are merged.
    pub batching: BatchTerms,
}

/// A service that can be called. `router` implements it, `ingress` calls it.
pub trait Service: Send + Sync {
    /// What it is; fixed for the life of this object (an update replaces the object).
    fn status(&self) -> &ServiceStatus;
    /// Tensors in, tensors out. `Unsupported` for an entry script.
    fn infer<'a>(&'a self, request: InferRequest, call: CallContext) -> BoxFuture<'a, Result<InferResponse, Failure>>;
    /// A body in, a response out. `Unsupported` for a service that takes tensors.
    fn score<'a>(&'a self, request: RawRequest, call: CallContext) -> BoxFuture<'a, Result<RawResponse, Failure>>;
}

/// The services of this host, as a scorer calls them. The assembly implements it, `scorer` calls it for those that the deployment
/// grants; `call` says through which services the request came.
pub trait Services: Send + Sync {
    /// Calls a service that takes tensors.
    ///
    /// # Errors
    /// `NotFound` where there is none of that name, `Unsupported` where it takes a body, `Forbidden` where the request went
    /// through it before; its own failures.
    fn infer<'a>(
        &'a self,
        service: &'a ServiceName,
        request: InferRequest,
        call: CallContext,
    ) -> BoxFuture<'a, Result<InferResponse, Failure>>;
    /// Calls a service that takes a body.
    ///
    /// # Errors
    /// As for [`Services::infer`].
    fn score<'a>(
        &'a self,
        service: &'a ServiceName,
        request: RawRequest,
        call: CallContext,
    ) -> BoxFuture<'a, Result<RawResponse, Failure>>;
}

/// What decides which version of a service answers a request.
#[derive(Clone, Copy, Default)]
pub struct Asked<'a> {
    /// The version that the request names; the service's traffic decides where it names none.
    pub version: Option<&'a str>,
    /// The request's headers; `None` where there are none.
    pub headers: Option<&'a dyn Headers>,
    /// Who calls, as in [`CallContext::caller`].
    pub caller: Option<&'a str>,
}

/// The version of a service that answers a request.
#[derive(Clone)]
pub struct Routed {
    /// The version.
    pub service: Arc<dyn Service>,
    /// Whether others of the same service are live, so that the answer says which one it came from.
    pub several: bool,
}

/// The table of services that `ingress` looks requests up in. `router` implements it.
pub trait Plane: Send + Sync {
    /// The version that answers one request.
    ///
    /// # Errors
    /// `NotFound` where no such service or version is deployed, naming the versions there are; `Unavailable` where the
    /// service is known and no version that may answer is ready.
    fn route(&self, name: &str, asked: &Asked<'_>) -> Result<Routed, Failure>;
    /// The default version of that service, where it is live.
    fn service(&self, name: &str) -> Option<Arc<dyn Service>>;
    /// The live versions of that service, by version; empty where there are none.
    fn versions(&self, name: &str) -> Vec<Arc<dyn Service>>;
    /// All live versions of all services, by name and version.
    fn services(&self) -> Vec<Arc<dyn Service>>;
}

/// One row of the repository index.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RepositoryEntry {
    /// Service name, or the name of a registered model that is not deployed.
    pub name: String,
    /// Version.
    pub version: String,
    /// Whether it answers requests.
    pub ready: bool,
    /// Why it does not.
    pub reason: String,
}

/// The Open Inference Protocol's repository extension. `control` implements it, `ingress` calls it.
pub trait Repository: Send + Sync {
    /// Services and registered models.
    fn index(&self) -> BoxFuture<'_, Result<Vec<RepositoryEntry>, Failure>>;
    /// Makes a stopped service, or a registered model that no service uses, answer requests.
    fn load<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<(), Failure>>;
    /// Stops a service and keeps its description.
    fn unload<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<(), Failure>>;
}

/// Severity of a service log line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum LogLevel {
    /// Finest.
    Trace,
    /// For debugging.
    Debug,
    /// Normal.
    Info,
    /// Something is odd.
    Warn,
    /// Something failed.
    Error,
}

/// A service's log. `telemetry` implements it; a scorer's prints and log calls go here.
pub trait Logs: Send + Sync {
    /// Appends one line; beyond the budget the line is dropped and counted, never waited for.
    fn write(&self, level: LogLevel, request_id: &str, line: &str);
}

/// Where a service's collected data goes. `telemetry` implements it.
pub trait Collector: Send + Sync {
    /// Whether records are kept.
    fn enabled(&self) -> bool;
    /// Records a tensor; never waits, drops and counts when it cannot keep up.
    fn tensor(&self, request_id: &str, designation: &str, name: &str, tensor: &Tensor);
    /// Records a JSON document, given as text.
    fn json(&self, request_id: &str, designation: &str, document: &str);
}
