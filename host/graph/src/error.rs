//! Why a model is refused.

use scorehost_core::{Failure, TensorError};

/// Why bytes are not a model that any device may load.
#[derive(Debug, thiserror::Error)]
pub enum GraphError {
    /// The bytes are not the protobuf messages of an ONNX file.
    #[error("it is not an ONNX file, or damaged: {0}")]
    Protobuf(#[from] prost::DecodeError),
    /// The bytes are not protobuf at all, or cut off.
    #[error("it is not an ONNX file, or damaged or cut off")]
    Malformed,
    /// More nested messages than any real model has.
    #[error("it has more than {limit} parts; the limit guards the host's memory")]
    TooManyParts {
        /// The most that is read.
        limit: usize,
    },
    /// A model without a graph.
    #[error("it holds no graph; the file is empty or not an ONNX model")]
    NoGraph,
    /// A graph without outputs.
    #[error("its graph has no outputs")]
    NoOutputs,
    /// Operators of a domain whose version is not declared.
    #[error("node '{node}' uses domain '{domain}', for which the model declares no operator set version")]
    NoOperatorSet {
        /// The node's name or operator.
        node: String,
        /// The domain; empty for the standard one.
        domain: String,
    },
    /// An operator set version below 1.
    #[error("it declares version {version} of operator set '{domain}'")]
    OperatorSetVersion {
        /// The domain.
        domain: String,
        /// The declared version.
        version: i64,
    },
    /// Two definitions of one name.
    #[error("'{0}' is defined more than once")]
    Duplicate(String),
    /// A name without characters, or with a NUL character, where one is needed.
    #[error("{0} has an empty name or one with a NUL character")]
    Name(&'static str),
    /// A value that nothing defines.
    #[error("{user} uses '{value}', which nothing defines")]
    Undefined {
        /// The node or the graph output that uses it.
        user: String,
        /// The value's name.
        value: String,
    },
    /// A value used before its definition: a cycle, or nodes that are not in topological order.
    #[error("node '{node}' uses '{value}' before it is defined: the graph has a cycle or its nodes are out of order")]
    UsedBeforeDefinition {
        /// The node's name or operator.
        node: String,
        /// The value's name.
        value: String,
    },
    /// A function that calls itself, or functions that expand to an absurd number of nodes.
    #[error("function '{0}' calls itself, or the model's functions expand to too many nodes")]
    Functions(String),
    /// Functions and subgraphs inside one another without end.
    #[error("its functions and subgraphs are nested more than {limit} deep")]
    TooDeep {
        /// The deepest that is read.
        limit: usize,
    },
    /// Inputs that are not those of the signature.
    #[error("input '{name}' has the shape {actual:?}, the model takes {expected:?} (-1 for any)")]
    InputShape {
        /// The input.
        name: String,
        /// Its declared dimensions.
        expected: Vec<i64>,
        /// What was given; empty where nothing was.
        actual: Vec<u64>,
    },
    /// Shapes that an operator cannot work with.
    #[error("node '{node}' ({operator}) cannot work with its inputs: {problem}")]
    Shapes {
        /// The node.
        node: String,
        /// Its operator.
        operator: String,
        /// What is wrong.
        problem: String,
    },
    /// A tree ensemble whose walk may never end.
    #[error("the trees of node '{node}' have a cycle")]
    Trees {
        /// The node's name or operator.
        node: String,
    },
    /// Dimensions that no tensor can have.
    #[error("'{name}' has the dimensions {dims:?}, which no tensor can have")]
    Dimensions {
        /// Tensor, input or output.
        name: String,
        /// The dimensions.
        dims: Vec<i64>,
    },
    /// A tensor with other data than dtype and dimensions need.
    #[error("tensor '{name}' needs {expected} bytes or elements of data, the file holds {actual}")]
    TensorData {
        /// The tensor.
        name: String,
        /// What dtype and dimensions need.
        expected: u64,
        /// What there is.
        actual: u64,
    },
    /// Elements that are not of their dtype.
    #[error("tensor '{name}': {error}")]
    Tensor {
        /// The tensor.
        name: String,
        /// What is wrong.
        error: TensorError,
    },
    /// An element type that is unknown, or that has no tensor here.
    #[error("'{name}' has the element type {code} ({meaning})")]
    ElementType {
        /// Tensor, input or output.
        name: String,
        /// ONNX's number of the type.
        code: i32,
        /// What the number means.
        meaning: &'static str,
    },
    /// An input or output that is not a tensor.
    #[error("'{name}' is a {found}; only tensors can be inputs and outputs")]
    NotATensor {
        /// Input or output.
        name: String,
        /// What it is.
        found: &'static str,
    },
    /// An input without a declared shape.
    #[error("input '{0}' declares no shape; export the model with one (dimensions may be symbolic)")]
    NoShape(String),
    /// Weights outside the file that cannot be used.
    #[error("the data of tensor '{tensor}' is in '{location}', which {problem}")]
    External {
        /// The tensor.
        tensor: String,
        /// The path in the model.
        location: String,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// An attribute whose value is missing or of another type than it says.
    #[error("node '{node}' has a malformed attribute '{attribute}'")]
    Attribute {
        /// The node's name or operator.
        node: String,
        /// The attribute.
        attribute: String,
    },
}

impl From<GraphError> for Failure {
    fn from(error: GraphError) -> Self {
        let failure = Self::invalid(format!("the model cannot be used: {error}"));
        match &error {
            GraphError::NotATensor { found: "sequence" | "map", .. } => {
                failure.with_hint("scikit-learn classifiers: export with options={'zipmap': False}")
            }
            GraphError::Protobuf(_) | GraphError::Malformed | GraphError::NoGraph => {
                failure.with_hint("check the file with onnx.checker")
            }
            _ => failure,
        }
    }
}
