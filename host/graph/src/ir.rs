//! The representation that executors are built from.

use std::collections::BTreeMap;
use std::fmt;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::PathBuf;
use std::sync::Arc;

use bytes::Bytes;
use scorehost_core::{Signature, Tensor};

use crate::GraphError;

/// A value of a [`Graph`]: an index into tables that an executor keeps, from 0 to [`Graph::values`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ValueId(pub usize);

/// A model's graph: nodes in an order in which they can run, over numbered values.
#[derive(Clone, Debug)]
pub struct Graph {
    /// Names of all values; a [`ValueId`] is an index into it.
    pub values: Vec<Arc<str>>,
    /// The signature's inputs, in its order.
    pub inputs: Vec<ValueId>,
    /// The signature's outputs, in its order.
    pub outputs: Vec<ValueId>,
    /// Constant values.
    pub initialisers: Vec<(ValueId, Initialiser)>,
    /// Nodes in topological order.
    pub nodes: Vec<Node>,
    /// Names, dtypes and shapes of inputs and outputs.
    pub signature: Signature,
}

/// The content of a constant value.
#[derive(Clone, Debug)]
pub enum Initialiser {
    /// Held in memory.
    Tensor(Tensor),
    /// In a file of its own, checked to be inside the model's folder and long enough.
    External(ExternalTensor),
    /// Of an element type that [`Tensor`] does not have, or sparse.
    Unsupported {
        /// What it is, for messages.
        what: &'static str,
    },
}

/// A tensor whose data is in a file of its own.
#[derive(Clone, Debug)]
pub struct ExternalTensor {
    /// The file.
    pub path: PathBuf,
    /// First byte.
    pub offset: u64,
    /// Number of bytes.
    pub length: u64,
    /// Element type.
    pub dtype: scorehost_core::DType,
    /// Dimensions.
    pub shape: Vec<u64>,
}

/// One operator application.
#[derive(Clone, Debug)]
pub struct Node {
    /// The node's name, or its first output's where it has none; for messages.
    pub name: Arc<str>,
    /// Operator domain; empty for the standard one.
    pub domain: Arc<str>,
    /// Operator name.
    pub operator: Arc<str>,
    /// Version of the domain's operator set that the model was made for.
    pub opset: i64,
    /// Inputs; `None` where an optional one is left out.
    pub inputs: Vec<Option<ValueId>>,
    /// Outputs; `None` where one is not wanted.
    pub outputs: Vec<Option<ValueId>>,
    /// Attributes by name.
    pub attributes: BTreeMap<Arc<str>, Attribute>,
}

impl Node {
    /// The node's operator.
    #[must_use]
    pub fn id(&self) -> Operator {
        Operator { domain: self.domain.clone(), name: self.operator.clone(), opset: self.opset }
    }
}

/// An operator that a model uses.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Operator {
    /// Domain; empty for the standard one.
    pub domain: Arc<str>,
    /// Name.
    pub name: Arc<str>,
    /// Version of the domain's operator set.
    pub opset: i64,
}

impl fmt::Display for Operator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let domain = if self.domain.is_empty() { "ai.onnx" } else { &self.domain };
        write!(f, "{domain}.{} (opset {})", self.name, self.opset)
    }
}

impl ExternalTensor {
    /// Reads the data.
    ///
    /// # Errors
    /// Where the file cannot be read; the inner error where its elements are not of their dtype.
    pub fn read(&self) -> io::Result<Result<Tensor, GraphError>> {
        let mut file = File::open(&self.path)?;
        file.seek(SeekFrom::Start(self.offset))?;
        let mut data = Vec::new();
        file.take(self.length).read_to_end(&mut data)?;
        let error = |error| GraphError::Tensor { name: self.path.display().to_string(), error };
        Ok(Tensor::new(self.dtype, &*self.shape, data.into()).map_err(error))
    }
}

/// The value of an attribute.
#[derive(Clone, Debug)]
pub enum Attribute {
    /// One number.
    Float(f32),
    /// One integer.
    Int(i64),
    /// Bytes, mostly text.
    String(Bytes),
    /// A tensor.
    Tensor(Initialiser),
    /// Numbers.
    Floats(Vec<f32>),
    /// Integers.
    Ints(Vec<i64>),
    /// Strings.
    Strings(Vec<Bytes>),
    /// A subgraph or a kind that no executor here reads.
    Unsupported,
}
