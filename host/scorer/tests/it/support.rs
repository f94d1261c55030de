//! Fakes of the seams, and short ways to make engines and replicas.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use scorehost_core::{
    BoxFuture, CallContext, Collector, DType, DeployedModel, Failure, Grants, GraphLoader, InferRequest, InferResponse,
    LogLevel, Logs, Model, ModelFiles, ModelMetadata, ModelSet, NamedTensor, NamedTensors, RawRequest, RawResponse,
    Replica, ServiceName, Services, Signature, Tensor, TensorSpec,
};
use scorehost_scorer::{Engine, EngineConfig, Environment, OutboundConfig};

/// An engine for few replicas, without a disk cache.
pub(crate) fn engine() -> Engine {
    Engine::new(EngineConfig { max_replicas: 16, ..EngineConfig::default() }).unwrap()
}

/// The same, with its way out.
pub(crate) fn engine_with(outbound: OutboundConfig) -> Engine {
    Engine::new(EngineConfig { max_replicas: 16, outbound, ..EngineConfig::default() }).unwrap()
}

/// Keeps the lines that a scorer logs.
#[derive(Default)]
pub(crate) struct Lines(Mutex<Vec<(LogLevel, String, String)>>);

impl Lines {
    pub(crate) fn all(&self) -> Vec<(LogLevel, String, String)> {
        self.0.lock().unwrap().clone()
    }

    pub(crate) fn text(&self) -> String {
        self.all().into_iter().map(|(_, _, line)| line + "\n").collect()
    }
}

impl Logs for Lines {
    fn write(&self, level: LogLevel, request_id: &str, line: &str) {
        self.0.lock().unwrap().push((level, request_id.to_owned(), line.to_owned()));
    }
}

/// Keeps what a scorer collects.
#[derive(Default)]
pub(crate) struct Records(Mutex<Vec<String>>);

impl Records {
    pub(crate) fn all(&self) -> Vec<String> {
        self.0.lock().unwrap().clone()
    }
}

impl Collector for Records {
    fn enabled(&self) -> bool {
        true
    }

    fn tensor(&self, request_id: &str, designation: &str, name: &str, tensor: &Tensor) {
        let line = format!("{request_id} {designation} {name} {} {:?}", tensor.dtype(), tensor.shape());
        self.0.lock().unwrap().push(line);
    }

    fn json(&self, request_id: &str, designation: &str, document: &str) {
        self.0.lock().unwrap().push(format!("{request_id} {designation} {document}"));
    }
}

/// Doubles its FP32 input `x` into `y`; waits for ever when `stuck`.
pub(crate) struct Doubler {
    metadata: ModelMetadata,
    pub(crate) stuck: bool,
}

impl Doubler {
    pub(crate) fn new(stuck: bool) -> Self {
        let spec = |name: &str| TensorSpec { name: name.into(), dtype: DType::F32, shape: vec![-1] };
        let signature = Signature { inputs: vec![spec("x")], outputs: vec![spec("y")] };
        Self {
            metadata: ModelMetadata {
                id: "twice:3".parse().unwrap(),
                platform: "fake",
                signature,
                batching: Default::default(),
            },
            stuck,
        }
    }
}

impl Model for Doubler {
    fn metadata(&self) -> &ModelMetadata {
        &self.metadata
    }

    fn run<'a>(
        &'a self,
        inputs: NamedTensors,
        _: &'a [Arc<str>],
        _: &'a CallContext,
    ) -> BoxFuture<'a, Result<NamedTensors, Failure>> {
        Box::pin(async move {
            if self.stuck {
                std::future::pending::<()>().await;
            }
            let input = inputs.first().filter(|input| &*input.name == "x");
            let input = input.ok_or_else(|| Failure::invalid("the model 'twice' needs the input 'x'"))?;
            let doubled: Vec<f32> = floats(&input.tensor).iter().map(|value| value * 2.0).collect();
            Ok(vec![NamedTensor::new("y", Tensor::from_f32(input.tensor.shape(), &doubled)?)])
        })
    }
}

struct Labels;

impl ModelFiles for Labels {
    fn paths(&self) -> Vec<String> {
        vec!["labels.txt".into()]
    }

    fn read(&self, path: &str) -> Result<Bytes, Failure> {
        if path == "labels.txt" {
            Ok(Bytes::from_static(b"cat\ndog\n"))
        } else {
            Err(Failure::not_found("no such file; there is: labels.txt"))
        }
    }
}

/// No other service of the host.
struct NoServices;

impl Services for NoServices {
    fn infer<'a>(
        &'a self,
        service: &'a ServiceName,
        _request: InferRequest,
        _call: CallContext,
    ) -> BoxFuture<'a, Result<InferResponse, Failure>> {
        Box::pin(std::future::ready(Err(Failure::not_found(format!("no service '{service}'")))))
    }

    fn score<'a>(
        &'a self,
        service: &'a ServiceName,
        _request: RawRequest,
        _call: CallContext,
    ) -> BoxFuture<'a, Result<RawResponse, Failure>> {
        Box::pin(std::future::ready(Err(Failure::not_found(format!("no service '{service}'")))))
    }
}

impl GraphLoader for Doubler {
    fn load(&self, onnx: Bytes) -> BoxFuture<'_, Result<Arc<dyn Model>, Failure>> {
        Box::pin(async move {
            if &onnx[..] != b"onnx" {
                return Err(Failure::invalid("not an ONNX graph"));
            }
            Ok(Arc::new(Self::new(false)) as Arc<dyn Model>)
        })
    }
}

/// An environment with its observable ends.
pub(crate) struct Bench {
    pub(crate) environment: Environment,
    pub(crate) lines: Arc<Lines>,
    pub(crate) records: Arc<Records>,
}

/// A deployment of model `twice:3` with the default grants and a generous timeout.
pub(crate) fn bench() -> Bench {
    bench_with(false)
}

/// The same, with a model that never answers.
pub(crate) fn bench_with(stuck: bool) -> Bench {
    let (lines, records) = (Arc::new(Lines::default()), Arc::new(Records::default()));
    let model: Arc<dyn Model> = Arc::new(Doubler::new(stuck));
    let deployed = DeployedModel { id: "twice:3".parse().unwrap(), model: Some(model), files: Arc::new(Labels) };
    let environment = Environment {
        service: "digits".parse().unwrap(),
        version: "7".into(),
        models: ModelSet::new(vec![deployed]),
        loader: Arc::new(Doubler::new(false)),
        services: Arc::new(NoServices),
        logs: Arc::clone(&lines) as Arc<dyn Logs>,
        collector: Arc::clone(&records) as Arc<dyn Collector>,
        variables: BTreeMap::from([("COLOUR".to_owned(), "green".to_owned())]),
        grants: Grants { memory_bytes: 64 << 20, ..Grants::default() },
        scoring_timeout: Duration::from_secs(60),
    };
    Bench { environment, lines, records }
}

impl Bench {
    /// A replica of a component under this environment.
    pub(crate) async fn replica(&self, engine: &Engine, component: &[u8]) -> Result<Box<dyn Replica>, Failure> {
        engine.compile(component)?.factory(self.environment.clone()).create().await
    }
}

/// FP32 input `x`.
pub(crate) fn x(values: &[f32]) -> NamedTensors {
    vec![NamedTensor::new("x", Tensor::from_f32([values.len() as u64].as_slice(), values).unwrap())]
}

/// Elements of an FP32 tensor.
pub(crate) fn floats(tensor: &Tensor) -> Vec<f32> {
    tensor.data().chunks_exact(4).map(|bytes| f32::from_le_bytes(bytes.try_into().unwrap())).collect()
}
