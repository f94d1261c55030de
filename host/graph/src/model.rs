//! A model file that has passed all checks.

mod lower;
#[cfg(test)]
mod tests;

use std::fmt;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use prost::Message;
use scorehost_core::Signature;

use crate::onnx::ModelProto;
use crate::{Graph, GraphError, check, messages, signature};

/// A sound ONNX model.
pub struct Model {
    proto: ModelProto,
    folder: Option<PathBuf>,
    signature: Signature,
    weight_bytes: u64,
}

impl Model {
    /// Decodes and checks a model. `folder` is where tensors with external data may have their files; without one such
    /// tensors are refused. Shares `bytes` for weights, as long as the model lives.
    ///
    /// # Errors
    /// Whatever makes the model unusable on every device.
    pub fn read(bytes: Bytes, folder: Option<&Path>) -> Result<Self, GraphError> {
        messages::check_count(&bytes, messages::LIMIT)?;
        let proto = ModelProto::decode(bytes)?;
        let weight_bytes = check::model(&proto, folder)?;
        let graph = proto.graph.as_ref().ok_or(GraphError::NoGraph)?;
        let signature = signature::read(graph)?;
        Ok(Self { signature, folder: folder.map(Path::to_owned), weight_bytes, proto })
    }

    /// Inputs that a caller must give, and outputs.
    #[must_use]
    pub const fn signature(&self) -> &Signature {
        &self.signature
    }

    /// Bytes of all constant tensors, those in external files included.
    #[must_use]
    pub const fn weight_bytes(&self) -> u64 {
        self.weight_bytes
    }

    /// The representation for executors.
    ///
    /// # Errors
    /// Where an operator's domain has no version, or an element is not of its dtype.
    pub fn graph(&self) -> Result<Graph, GraphError> {
        lower::lower(&self.proto, self.folder.as_deref(), self.signature.clone())
    }
}

impl fmt::Debug for Model {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Model").field("signature", &self.signature).field("weight_bytes", &self.weight_bytes).finish()
    }
}
