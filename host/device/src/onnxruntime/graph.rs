//! A loaded model.

use std::ffi::CString;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use scorehost_core::{Failure, Graph, NamedTensor, NamedTensors, Signature};
use scorehost_graph::Model;

use super::{PLATFORM, Runtime, ffi, message};
use crate::DeviceError;

/// A model in ONNX Runtime.
struct OnnxRuntimeGraph {
    session: ffi::SharedSession,
    signature: Signature,
    weight_bytes: u64,
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
    let session = build().map_err(|error| message::refused(&error))?;
    let signature = model.signature().clone();
    let names = |specs: &[scorehost_core::TensorSpec]| -> Result<Vec<CString>, DeviceError> {
        let name = |spec: &scorehost_core::TensorSpec| CString::new(&*spec.name);
        specs.iter().map(name).collect::<Result<_, _>>().map_err(|error| DeviceError::Device(error.to_string()))
    };
    let (inputs, outputs) = (names(&signature.inputs)?, names(&signature.outputs)?);
    let session = ffi::SharedSession::new(session, inputs, outputs)?;
    Ok(Arc::new(OnnxRuntimeGraph { session, signature, weight_bytes: model.weight_bytes() }))
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
        let order = self.order(inputs)?;
        let tensors = self.session.run(inputs, &order, outputs)?;
        let name = |index: usize| self.signature.outputs[index].name.clone();
        let named = outputs.iter().zip(tensors).map(|(index, tensor)| NamedTensor { name: name(*index), tensor });
        Ok(named.collect())
    }

    fn memory_bytes(&self) -> u64 {
        self.weight_bytes
    }
}
