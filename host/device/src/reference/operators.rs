//! The operators, by domain and name.

mod cast;
mod elementwise;
mod flow;
mod labels;
mod linear;
mod matrix;
mod neural;
mod preprocess;
mod reduce;
mod scores;
mod shape;
mod trees;

use std::sync::Arc;

use scorehost_graph::Node;

use super::array::Array;
use super::attributes::Attributes;

/// A node's computation, its attributes read.
pub(crate) type Kernel = Box<dyn Fn(&mut Arguments<'_>) -> Results + Send + Sync>;

/// What a kernel returns: its outputs in order, or what is wrong with the arguments.
pub(crate) type Results = Result<Vec<Array>, String>;

/// Reads a node's attributes.
pub(crate) type Build = fn(&Attributes<'_>) -> Result<Kernel, String>;

/// Operators of a module: domain, name, and what reads the attributes.
pub(crate) type Table = &'static [(&'static str, &'static str, Build)];

/// Inputs of a node.
pub(crate) struct Arguments<'a>(pub(crate) &'a mut [Option<Arc<Array>>]);

impl Arguments<'_> {
    /// A required input.
    pub(crate) fn get(&self, index: usize) -> Result<&Array, String> {
        self.optional(index).ok_or_else(|| format!("input {index} is missing"))
    }

    pub(crate) fn optional(&self, index: usize) -> Option<&Array> {
        self.0.get(index).and_then(Option::as_deref)
    }

    /// All inputs of an operator that takes any number.
    pub(crate) fn all(&self) -> Result<Vec<&Array>, String> {
        (0..self.0.len()).map(|index| self.get(index)).collect()
    }

    /// An input that nothing else reads any more, to be written over; `None` where something does.
    pub(crate) fn take(&mut self, index: usize) -> Option<Array> {
        let place = self.0.get_mut(index)?;
        match Arc::try_unwrap(place.take()?) {
            Ok(array) => Some(array),
            Err(shared) => {
                *place = Some(shared);
                None
            }
        }
    }

    /// An input as the kernel's own: the memory where nothing else reads it, otherwise a copy.
    pub(crate) fn own(&mut self, index: usize) -> Result<Array, String> {
        match self.take(index) {
            Some(array) => Ok(array),
            None => self.get(index).cloned(),
        }
    }
}

/// The implementation of a node's operator, where there is one.
pub(crate) fn find(node: &Node) -> Option<Build> {
    let this = |(domain, name, _): &&(&str, &str, Build)| *name == &*node.operator && *domain == &*node.domain;
    neural::OPERATORS.iter().chain(flow::OPERATORS).find(this).map(|(_, _, build)| *build).or_else(|| general(node))
}

/// The implementation that takes all element types, where there is one.
fn general(node: &Node) -> Option<Build> {
    Some(match (&*node.domain, &*node.operator) {
        ("", "Identity" | "Dropout") => shape::identity,
        ("", "Constant") => shape::constant,
        ("", "Reshape") => shape::reshape,
        ("", "Flatten") => shape::flatten,
        ("", "Transpose") => shape::transpose,
        ("", "Concat") => shape::concat,
        ("", "Squeeze") => shape::squeeze,
        ("", "Unsqueeze") => shape::unsqueeze,
        ("", "Cast") => cast::cast,
        ("", "Add") => elementwise::add,
        ("", "Sub") => elementwise::sub,
        ("", "Mul") => elementwise::mul,
        ("", "Div") => elementwise::div,
        ("", "Relu") => elementwise::relu,
        ("", "LeakyRelu") => elementwise::leaky_relu,
        ("", "Sigmoid") => elementwise::sigmoid,
        ("", "Tanh") => elementwise::tanh,
        ("", "Exp") => elementwise::exp,
        ("", "Log") => elementwise::log,
        ("", "Sqrt") => elementwise::sqrt,
        ("", "Neg") => elementwise::neg,
        ("", "Abs") => elementwise::abs,
        ("", "Clip") => elementwise::clip,
        ("", "MatMul") => matrix::matmul,
        ("", "Gemm") => matrix::gemm,
        ("", "Softmax") => reduce::softmax,
        ("", "LogSoftmax") => reduce::log_softmax,
        ("", "ArgMax") => reduce::argmax,
        ("ai.onnx.ml", "Scaler") => preprocess::scaler,
        ("ai.onnx.ml", "Normalizer") => preprocess::normalizer,
        ("ai.onnx.ml", "Imputer") => preprocess::imputer,
        ("ai.onnx.ml", "ArrayFeatureExtractor") => preprocess::array_feature_extractor,
        ("ai.onnx.ml", "LabelEncoder") => labels::label_encoder,
        ("ai.onnx.ml", "LinearClassifier") => linear::classifier,
        ("ai.onnx.ml", "LinearRegressor") => linear::regressor,
        ("ai.onnx.ml", "TreeEnsembleClassifier") => trees::classifier,
        ("ai.onnx.ml", "TreeEnsembleRegressor") => trees::regressor,
        _ => return None,
    })
}

/// An axis counted from the end where it is negative, checked against the rank.
pub(crate) fn axis(axis: i64, rank: usize) -> Result<usize, String> {
    let counted = if axis < 0 { axis + rank as i64 } else { axis };
    let found = usize::try_from(counted).ok().filter(|found| *found < rank);
    found.ok_or_else(|| format!("axis {axis} is outside a tensor of rank {rank}"))
}

/// Rows and features of an `ai.onnx.ml` input: a vector counts as one row.
pub(crate) fn rows(array: &Array) -> Result<(usize, usize), String> {
    match *array.shape {
        [features] => Ok((1, features)),
        [rows, features] => Ok((rows, features)),
        _ => Err(format!("expected rows of features, got shape {:?}", array.shape)),
    }
}
