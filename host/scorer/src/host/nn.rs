//! wasi:nn for unmodified guests, over the same models and devices as our own interface.

use std::sync::Arc;

use bytes::Bytes;
use scorehost_core::{Copied, DType, ErrorKind, Failure, Model, NamedTensor, NamedTensors, Shape, Tensor};
use wasmtime::component::Resource;

use super::models::no_graph;
use crate::bindings::nn::wasi::nn::errors::{ErrorCode, Host as ErrorsHost, HostError};
use crate::bindings::nn::wasi::nn::graph::{ExecutionTarget, GraphEncoding, Host as GraphHost, HostGraph};
use crate::bindings::nn::wasi::nn::inference::{Host as InferenceHost, HostGraphExecutionContext};
use crate::bindings::nn::wasi::nn::tensor::{Host as TensorHost, HostTensor, TensorType};
use crate::state::{Held, State};

/// A wasi:nn tensor. Its constructor cannot fail, so it may hold bytes that do not fit; `compute` refuses those.
pub struct NnTensor {
    dimensions: Vec<u32>,
    ty: TensorType,
    data: Bytes,
    _held: Held,
}

impl NnTensor {
    /// Its bytes, shared.
    pub(crate) fn bytes(&self) -> Bytes {
        self.data.clone()
    }
}

/// A loaded graph.
pub struct NnGraph(Arc<dyn Model>);

/// A graph ready to compute; it keeps nothing between calls.
pub struct NnContext(Arc<dyn Model>);

/// What went wrong.
pub struct NnError {
    code: ErrorCode,
    data: String,
}

type Answer<T> = wasmtime::Result<Result<T, Resource<NnError>>>;
type GuestTensor = (String, Resource<NnTensor>);

const fn dtype_of(ty: TensorType) -> DType {
    match ty {
        TensorType::Fp16 => DType::F16,
        TensorType::Fp32 => DType::F32,
        TensorType::Fp64 => DType::F64,
        TensorType::Bf16 => DType::BF16,
        TensorType::U8 => DType::U8,
        TensorType::I32 => DType::I32,
        TensorType::I64 => DType::I64,
    }
}

const fn type_of(dtype: DType) -> Option<TensorType> {
    match dtype {
        DType::F16 => Some(TensorType::Fp16),
        DType::F32 => Some(TensorType::Fp32),
        DType::F64 => Some(TensorType::Fp64),
        DType::BF16 => Some(TensorType::Bf16),
        DType::U8 => Some(TensorType::U8),
        DType::I32 => Some(TensorType::I32),
        DType::I64 => Some(TensorType::I64),
        _ => None,
    }
}

const fn code_of(kind: ErrorKind) -> ErrorCode {
    match kind {
        ErrorKind::InvalidInput => ErrorCode::InvalidArgument,
        ErrorKind::NotFound => ErrorCode::NotFound,
        ErrorKind::Unsupported => ErrorCode::UnsupportedOperation,
        ErrorKind::TooLarge => ErrorCode::TooLarge,
        ErrorKind::Deadline => ErrorCode::Timeout,
        ErrorKind::Forbidden | ErrorKind::Unauthenticated => ErrorCode::Security,
        ErrorKind::Overloaded | ErrorKind::Unavailable | ErrorKind::Conflict => ErrorCode::RuntimeError,
        ErrorKind::ScorerFault | ErrorKind::Internal => ErrorCode::RuntimeError,
    }
}

impl State {
    fn nn_fail<T>(&mut self, code: ErrorCode, data: impl Into<String>) -> Answer<T> {
        Ok(Err(self.table.push(NnError { code, data: data.into() })?))
    }

    fn nn_refuse<T>(&mut self, failure: &Failure) -> Answer<T> {
        let message = self.report(failure).message;
        self.nn_fail(code_of(failure.kind), message)
    }

    fn nn_hold(&mut self, dimensions: Vec<u32>, ty: TensorType, data: Bytes) -> wasmtime::Result<Resource<NnTensor>> {
        self.check_room(data.len() as u64)?;
        let bytes = Tensor::new(DType::U8, [data.len() as u64].as_slice(), data.clone())?;
        let held = self.charge(bytes.into(), None);
        Ok(self.table.push(NnTensor { dimensions, ty, data, _held: held })?)
    }

    fn nn_inputs(&mut self, inputs: Vec<GuestTensor>) -> wasmtime::Result<Result<NamedTensors, Failure>> {
        let mut tensors = NamedTensors::with_capacity(inputs.len());
        for (name, handle) in inputs {
            let input = self.table.delete(handle)?;
            let shape: Shape = input.dimensions.iter().map(|dim| u64::from(*dim)).collect();
            match Tensor::new(dtype_of(input.ty), shape, input.data) {
                Ok(tensor) => tensors.push(NamedTensor::new(name, tensor)),
                Err(error) => return Ok(Err(Failure::invalid(format!("input '{name}': {error}")))),
            }
        }
        Ok(Ok(tensors))
    }

    fn nn_outputs(&mut self, outputs: NamedTensors) -> Answer<Vec<GuestTensor>> {
        let mut tensors = Vec::with_capacity(outputs.len());
        for NamedTensor { name, tensor } in outputs {
            let Some(ty) = type_of(tensor.dtype()) else {
                let reason = format!("output '{name}' is {}, which wasi:nn cannot express", tensor.dtype());
                return self.nn_fail(ErrorCode::UnsupportedOperation, reason);
            };
            let dimensions = tensor.shape().iter().map(|dim| u32::try_from(*dim)).collect::<Result<_, _>>()?;
            tensors.push((name.to_string(), self.nn_hold(dimensions, ty, tensor.data().clone())?));
        }
        Ok(Ok(tensors))
    }
}

impl TensorHost for State {}

impl HostTensor for State {
    fn new(&mut self, dimensions: Vec<u32>, ty: TensorType, data: Vec<u8>) -> wasmtime::Result<Resource<NnTensor>> {
        Copied::FromGuest.count(data.len());
        self.nn_hold(dimensions, ty, data.into())
    }

    fn dimensions(&mut self, this: Resource<NnTensor>) -> wasmtime::Result<Vec<u32>> {
        Ok(self.table.get(&this)?.dimensions.clone())
    }

    fn ty(&mut self, this: Resource<NnTensor>) -> wasmtime::Result<TensorType> {
        Ok(self.table.get(&this)?.ty)
    }

    fn data(&mut self, this: Resource<NnTensor>) -> wasmtime::Result<Vec<u8>> {
        Ok(self.table.get(&this)?.data.to_vec())
    }

    fn drop(&mut self, this: Resource<NnTensor>) -> wasmtime::Result<()> {
        self.table.delete(this)?;
        Ok(())
    }
}

impl GraphHost for State {
    async fn load(
        &mut self,
        builders: Vec<Vec<u8>>,
        encoding: GraphEncoding,
        _: ExecutionTarget,
    ) -> Answer<Resource<NnGraph>> {
        // The target is a wish in wasi:nn; the device is the deployment's choice.
        if !matches!(encoding, GraphEncoding::Onnx | GraphEncoding::Autodetect) {
            let reason = format!("graph encoding {encoding:?} is not offered; expected onnx");
            return self.nn_fail(ErrorCode::UnsupportedOperation, reason);
        }
        let count = builders.len();
        let Ok([onnx]) = <[Vec<u8>; 1]>::try_from(builders) else {
            return self.nn_fail(ErrorCode::InvalidEncoding, format!("an ONNX graph is one part, got {count}"));
        };
        let loader = Arc::clone(&self.environment.loader);
        match loader.load(onnx.into()).await {
            Ok(model) => Ok(Ok(self.table.push(NnGraph(model))?)),
            Err(failure) => self.nn_refuse(&failure),
        }
    }

    fn load_by_name(&mut self, name: String) -> Answer<Resource<NnGraph>> {
        let found =
            self.environment.models.open(&name).and_then(|model| model.model.clone().ok_or_else(|| no_graph(model)));
        match found {
            Ok(model) => Ok(Ok(self.table.push(NnGraph(model))?)),
            Err(failure) => self.nn_refuse(&failure),
        }
    }
}

impl HostGraph for State {
    fn init_execution_context(&mut self, this: Resource<NnGraph>) -> Answer<Resource<NnContext>> {
        let model = Arc::clone(&self.table.get(&this)?.0);
        Ok(Ok(self.table.push(NnContext(model))?))
    }

    fn drop(&mut self, this: Resource<NnGraph>) -> wasmtime::Result<()> {
        self.table.delete(this)?;
        Ok(())
    }
}

impl InferenceHost for State {}

impl HostGraphExecutionContext for State {
    async fn compute(&mut self, this: Resource<NnContext>, inputs: Vec<GuestTensor>) -> Answer<Vec<GuestTensor>> {
        let model = Arc::clone(&self.table.get(&this)?.0);
        let inputs = match self.nn_inputs(inputs)? {
            Ok(inputs) => inputs,
            Err(failure) => return self.nn_refuse(&failure),
        };
        match model.run(inputs, &[], &self.call).await {
            Ok(outputs) => self.nn_outputs(outputs),
            Err(failure) => self.nn_refuse(&failure),
        }
    }

    fn drop(&mut self, this: Resource<NnContext>) -> wasmtime::Result<()> {
        self.table.delete(this)?;
        Ok(())
    }
}

impl ErrorsHost for State {}

impl HostError for State {
    fn code(&mut self, this: Resource<NnError>) -> wasmtime::Result<ErrorCode> {
        Ok(self.table.get(&this)?.code)
    }

    fn data(&mut self, this: Resource<NnError>) -> wasmtime::Result<String> {
        Ok(self.table.get(&this)?.data.clone())
    }

    fn drop(&mut self, this: Resource<NnError>) -> wasmtime::Result<()> {
        self.table.delete(this)?;
        Ok(())
    }
}
