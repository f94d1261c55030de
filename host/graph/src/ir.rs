//! The representation that executors are built from.

use std::collections::{BTreeMap, BTreeSet};
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
    /// Names, dtypes and shapes of inputs and outputs; empty in a subgraph, whose inputs follow the node that holds it.
    pub signature: Signature,
    /// The model's names of its inputs' dimensions, by input and dimension; `None` where one is fixed or has none.
    /// Dimensions of one name have one size in every call.
    pub dimension_names: Vec<Vec<Option<Arc<str>>>>,
    /// Values of the graph around it that a subgraph reads; empty in a model's main graph. A subgraph inside a subgraph
    /// reads values of its direct surroundings only, which capture them in turn.
    pub captures: Vec<Capture>,
}

impl Graph {
    /// The operators that an executor lacks, those in subgraphs included; empty where it has all.
    #[must_use]
    pub fn unsupported(&self, supports: &dyn Fn(&Node) -> bool) -> BTreeSet<Operator> {
        let mut missing = BTreeSet::new();
        for node in &self.nodes {
            if !supports(node) {
                missing.insert(node.id());
            }
            node.subgraphs().for_each(|graph| missing.extend(graph.unsupported(supports)));
        }
        missing
    }
}

/// A value that a subgraph takes from the graph around it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Capture {
    /// The value in the graph whose node holds the subgraph.
    pub outer: ValueId,
    /// The value in the subgraph.
    pub inner: ValueId,
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

    /// Whether the node is this operator of the standard domain.
    #[must_use]
    pub fn is(&self, operator: &str) -> bool {
        self.domain.is_empty() && &*self.operator == operator
    }

    /// The input at an index; `None` where it is left out.
    #[must_use]
    pub fn input(&self, index: usize) -> Option<ValueId> {
        self.inputs.get(index).copied().flatten()
    }

    /// The output at an index; `None` where it is not wanted.
    #[must_use]
    pub fn output(&self, index: usize) -> Option<ValueId> {
        self.outputs.get(index).copied().flatten()
    }

    /// Subgraphs among the attributes.
    pub fn subgraphs(&self) -> impl Iterator<Item = &Arc<Graph>> {
        self.attributes.values().filter_map(|attribute| match attribute {
            Attribute::Graph(graph) => Some(graph),
            _ => None,
        })
    }

    /// Every value that the node reads: its inputs, and what its subgraphs capture.
    pub fn uses(&self) -> impl Iterator<Item = ValueId> {
        let captured = self.subgraphs().flat_map(|graph| &graph.captures).map(|capture| capture.outer);
        self.inputs.iter().flatten().copied().chain(captured)
    }

    /// An attribute that is an integer; the default where there is none.
    #[must_use]
    pub fn int(&self, name: &str, default: i64) -> i64 {
        match self.attributes.get(name) {
            Some(Attribute::Int(value)) => *value,
            _ => default,
        }
    }

    /// An attribute that is a number; the default where there is none.
    #[must_use]
    pub fn float(&self, name: &str, default: f32) -> f32 {
        match self.attributes.get(name) {
            Some(Attribute::Float(value)) => *value,
            _ => default,
        }
    }

    /// An attribute that is a list of integers.
    #[must_use]
    pub fn ints(&self, name: &str) -> Option<&[i64]> {
        match self.attributes.get(name) {
            Some(Attribute::Ints(values)) => Some(values),
            _ => None,
        }
    }

    /// An attribute that is text; the default where there is none.
    #[must_use]
    pub fn text<'a>(&'a self, name: &str, default: &'a str) -> &'a str {
        match self.attributes.get(name) {
            Some(Attribute::String(value)) => std::str::from_utf8(value).unwrap_or(default),
            _ => default,
        }
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
    /// A subgraph of `If`, `Loop`, `Scan` or `SequenceMap`; what it reads from outside is in [`Graph::captures`].
    Graph(Arc<Graph>),
    /// A kind that no executor here reads: sparse tensors, types, lists of tensors or graphs.
    Unsupported,
}
