//! A loaded model.

use std::ffi::CString;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use scorehost_core::{Deadline, Failure, Graph, NamedTensor, NamedTensors, Signature};
use scorehost_graph::Model;

use super::{PLATFORM, Runtime, ffi, measure, message};
use crate::DeviceError;
use crate::inventory::batch;

/// A model in ONNX Runtime.
struct OnnxRuntimeGraph {
    session: ffi::SharedSession,
    signature: Signature,
    /// What loading it took, weights included.
    memory_bytes: u64,
    /// Whether calls may be merged, or why not.
    batch: Result<(), Arc<str>>,
}

/// Loads a checked model from the bytes it was read from. `folder` holds its external weights, if it has any.
pub(crate) fn load(
    runtime: &Runtime,
    model: &Model,
    bytes: &Bytes,
    folder: Option<&Path>,
) -> Result<Arc<dyn Graph>, DeviceError> {
    let build = || {
        let mut builder = runtime.session()?;
        if let Some(folder) = folder.and_then(Path::to_str) {
            builder = builder.with_config_entry("session.model_external_initializers_file_folder_path", folder)?;
        }
        builder.commit_from_memory(bytes)
    };
    let (weights, file) = (model.weight_bytes(), bytes.len() as u64);
    let (session, memory_bytes) =
        measure::measured(weights, file, build).map_err(|error: ort::Error| message::refused(&error))?;
    let signature = model.signature().clone();
    let names = |specs: &[scorehost_core::TensorSpec]| -> Result<Vec<CString>, DeviceError> {
        let name = |spec: &scorehost_core::TensorSpec| CString::new(&*spec.name);
        specs.iter().map(name).collect::<Result<_, _>>().map_err(|error| DeviceError::Device(error.to_string()))
    };
    let (inputs, outputs) = (names(&signature.inputs)?, names(&signature.outputs)?);
    let session = ffi::SharedSession::new(session, inputs, outputs)?;
    let batch = model.graph().map_err(|error| Arc::from(error.to_string())).and_then(|graph| batch(&graph));
    Ok(Arc::new(OnnxRuntimeGraph { session, signature, memory_bytes, batch }))
}

impl OnnxRuntimeGraph {
    /// Index of each given input in the signature.
    fn order(&self, inputs: &[NamedTensor]) -> Result<ffi::Indices, DeviceError> {
        let specs = &self.signature.inputs;
        let position = |(index, input): (usize, &NamedTensor)| {
            let same = |spec: &scorehost_core::TensorSpec| spec.name == input.name;
            let found = if specs.get(index).is_some_and(same) { Some(index) } else { specs.iter().position(same) };
            found.filter(|found| specs[*found].dtype == input.tensor.dtype())
        };
        let order: Option<ffi::Indices> = inputs.iter().enumerate().map(position).collect();
        order.filter(|_| inputs.len() == specs.len()).ok_or_else(|| self.mismatch(inputs))
    }

    /// What is wrong with inputs that [`Self::order`] refuses.
    fn mismatch(&self, inputs: &[NamedTensor]) -> DeviceError {
        let specs = &self.signature.inputs;
        let types = inputs.iter().filter_map(|input| {
            let spec = specs.iter().find(|spec| spec.name == input.name)?;
            let actual = input.tensor.dtype();
            let error = DeviceError::InputType { name: input.name.to_string(), expected: spec.dtype, actual };
            (spec.dtype != actual).then_some(error)
        });
        let join = |names: Vec<&str>| names.join(", ");
        types.into_iter().next().unwrap_or_else(|| DeviceError::Inputs {
            expected: join(specs.iter().map(|spec| &*spec.name).collect()),
            actual: join(inputs.iter().map(|input| &*input.name).collect()),
        })
    }
}

impl Graph for OnnxRuntimeGraph {
    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn platform(&self) -> &'static str {
        PLATFORM
    }

    fn run(&self, inputs: &[NamedTensor], outputs: &[usize]) -> Result<NamedTensors, Failure> {
        self.run_until(inputs, outputs, None)
    }

    fn run_until(
        &self,
        inputs: &[NamedTensor],
        outputs: &[usize],
        until: Option<Deadline>,
    ) -> Result<NamedTensors, Failure> {
        let order = self.order(inputs)?;
        let tensors = self.session.run(inputs, &order, outputs, until)?;
        let name = |index: usize| self.signature.outputs[index].name.clone();
        let named = outputs.iter().zip(tensors).map(|(index, tensor)| NamedTensor { name: name(*index), tensor });
        Ok(named.collect())
    }

    fn memory_bytes(&self) -> u64 {
        self.memory_bytes
    }

    fn batch(&self) -> Result<(), Arc<str>> {
        self.batch.clone()
    }
}
