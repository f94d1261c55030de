//! A node and what is known of its inputs.

use scorehost_core::{DType, Tensor};

use super::dim::{Dim, Dims, Symbols};
use crate::Node;

/// What is known of a value.
#[derive(Clone, Debug)]
pub(crate) struct Fact {
    pub(crate) dtype: DType,
    /// `None` where not even the rank is known.
    pub(crate) dims: Option<Dims>,
    pub(crate) content: Content,
}

/// What is known of a value's elements.
#[derive(Clone, Debug)]
pub(crate) enum Content {
    /// Nothing.
    Unknown,
    /// All: a constant.
    Tensor(Tensor),
    /// All, up to the sizes that are not known: at most [`Content::LIMIT`] integers of a scalar or vector.
    Integers(Vec<Dim>),
    /// It is a sequence of tensors, at most [`Content::LIMIT`]; its dtype is theirs, and it has no dimensions.
    Sequence(Vec<Option<Fact>>),
}

impl Content {
    /// Integers that are followed at most.
    pub(crate) const LIMIT: usize = 64;
}

impl Fact {
    pub(crate) const fn new(dtype: DType, dims: Option<Dims>) -> Self {
        Self { dtype, dims, content: Content::Unknown }
    }

    pub(crate) fn constant(tensor: Tensor) -> Self {
        let dims = tensor.shape().iter().map(|dim| Dim::size(*dim)).collect();
        Self { dtype: tensor.dtype(), dims: Some(dims), content: Content::Tensor(tensor) }
    }

    /// A sequence of tensors.
    pub(crate) fn sequence(elements: Vec<Option<Self>>) -> Self {
        let dtype = elements.iter().flatten().next().map_or(DType::F32, |first| first.dtype);
        Self { dtype, dims: None, content: Content::Sequence(elements) }
    }

    /// A vector (or scalar) of integers.
    pub(crate) fn integers(dtype: DType, scalar: bool, values: Vec<Dim>) -> Self {
        let dims = if scalar { Dims::new() } else { Dims::from_iter([Dim::size(values.len() as u64)]) };
        if let Some(tensor) = tensor(dtype, &dims, &values) {
            return Self { dtype, dims: Some(dims), content: Content::Tensor(tensor) };
        }
        Self { dtype, dims: Some(dims), content: Content::Integers(values) }
    }

    /// The integers of a scalar or vector, as far as they are known.
    pub(crate) fn as_integers(&self) -> Option<Vec<Dim>> {
        match &self.content {
            Content::Integers(values) => Some(values.clone()),
            Content::Tensor(tensor) if tensor.elements() <= Content::LIMIT as u64 && tensor.shape().len() <= 1 => {
                Some(values(tensor)?.into_iter().map(Dim::known).collect())
            }
            _ => None,
        }
    }
}

/// The elements of a tensor of integers.
pub(crate) fn values(tensor: &Tensor) -> Option<Vec<i64>> {
    let data = tensor.data();
    Some(match tensor.dtype() {
        DType::I64 => data.as_chunks::<8>().0.iter().map(|bytes| i64::from_le_bytes(*bytes)).collect(),
        DType::I32 => data.as_chunks::<4>().0.iter().map(|bytes| i64::from(i32::from_le_bytes(*bytes))).collect(),
        DType::Bool | DType::U8 => data.iter().map(|byte| i64::from(*byte)).collect(),
        _ => return None,
    })
}

/// The constant of integers that are all numbers.
fn tensor(dtype: DType, dims: &[Dim], values: &[Dim]) -> Option<Tensor> {
    let numbers: Vec<i64> = values.iter().map(Dim::value).collect::<Option<_>>()?;
    let shape: scorehost_core::Shape =
        dims.iter().map(|dim| u64::try_from(dim.value()?).ok()).collect::<Option<_>>()?;
    let data: Vec<u8> = match dtype {
        DType::I64 => numbers.iter().flat_map(|value| value.to_le_bytes()).collect(),
        DType::I32 => numbers.iter().flat_map(|value| (*value as i32).to_le_bytes()).collect(),
        DType::Bool => numbers.iter().map(|value| u8::from(*value != 0)).collect(),
        _ => return None,
    };
    Tensor::new(dtype, shape, data.into()).ok()
}

/// Why an operator's outputs are not told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Stop {
    /// They depend on what is not known.
    Unknown,
    /// The node cannot work.
    Wrong(String),
}

/// What is known of a node's outputs, in order; `None` where nothing is.
pub(crate) type Answer = Result<Vec<Option<Fact>>, Stop>;

/// A node and what is known of its inputs.
pub(crate) struct Context<'a> {
    pub(crate) node: &'a Node,
    pub(crate) inputs: &'a [Option<&'a Fact>],
    pub(crate) symbols: &'a mut Symbols,
}

impl Context<'_> {
    pub(crate) fn optional(&self, index: usize) -> Option<&Fact> {
        self.inputs.get(index).copied().flatten()
    }

    /// Whether the node has that input at all, known or not.
    pub(crate) fn given(&self, index: usize) -> bool {
        self.node.input(index).is_some()
    }

    pub(crate) fn fact(&self, index: usize) -> Result<&Fact, Stop> {
        self.optional(index).ok_or(Stop::Unknown)
    }

    pub(crate) fn dtype(&self, index: usize) -> Result<DType, Stop> {
        Ok(self.fact(index)?.dtype)
    }

    pub(crate) fn dims(&self, index: usize) -> Result<Dims, Stop> {
        self.fact(index)?.dims.clone().ok_or(Stop::Unknown)
    }

    /// Dimensions of an input that must have this rank.
    pub(crate) fn ranked(&self, index: usize, rank: usize) -> Result<Dims, Stop> {
        let dims = self.dims(index)?;
        if dims.len() != rank {
            return wrong(format!("input {index} has rank {}, {rank} is needed", dims.len()));
        }
        Ok(dims)
    }

    /// Integers of an input, symbols included.
    pub(crate) fn integers(&self, index: usize) -> Result<Vec<Dim>, Stop> {
        self.fact(index)?.as_integers().ok_or(Stop::Unknown)
    }

    /// Integers of an input, all known; of any length and rank.
    pub(crate) fn numbers(&self, index: usize) -> Result<Vec<i64>, Stop> {
        let fact = self.fact(index)?;
        if let Content::Tensor(tensor) = &fact.content {
            return values(tensor).ok_or(Stop::Unknown);
        }
        let integers = self.integers(index)?;
        integers.iter().map(Dim::value).collect::<Option<_>>().ok_or(Stop::Unknown)
    }

    /// Integers that are an attribute in older operator sets and an input in newer ones; `None` where there are none.
    pub(crate) fn numbers_or(&self, attribute: &str, index: usize) -> Result<Option<Vec<i64>>, Stop> {
        match self.node.ints(attribute) {
            Some(values) => Ok(Some(values.to_vec())),
            None if self.given(index) => self.numbers(index).map(Some),
            None => Ok(None),
        }
    }

    /// The attribute `axis`, counted from the front.
    pub(crate) fn axis(&self, default: i64, rank: usize) -> Result<usize, Stop> {
        axis(self.node.int("axis", default), rank)
    }

    pub(crate) fn fresh(&mut self) -> Dim {
        self.symbols.fresh()
    }

    /// A size that some computation makes of these.
    pub(crate) fn from<'d>(&mut self, sources: impl IntoIterator<Item = &'d Dim>) -> Dim {
        self.symbols.from(sources)
    }

    /// A size that the node computes of the sizes of all of its inputs.
    pub(crate) fn computed(&mut self) -> Dim {
        let sizes = self.inputs.iter().copied().flatten();
        let sizes = sizes.flat_map(|fact| {
            let content = match &fact.content {
                Content::Integers(values) => values.as_slice(),
                _ => &[],
            };
            fact.dims.iter().flatten().chain(content)
        });
        self.symbols.from(sizes)
    }
}

/// An axis counted from the front.
pub(crate) fn axis(axis: i64, rank: usize) -> Result<usize, Stop> {
    let counted = if axis < 0 { axis.saturating_add(rank as i64) } else { axis };
    match usize::try_from(counted) {
        Ok(counted) if counted < rank => Ok(counted),
        _ => wrong(format!("axis {axis} is outside rank {rank}")),
    }
}

pub(crate) fn wrong<T>(problem: impl Into<String>) -> Result<T, Stop> {
    Err(Stop::Wrong(problem.into()))
}

/// One output.
pub(crate) fn one(dtype: DType, dims: Dims) -> Answer {
    Ok(vec![Some(Fact::new(dtype, Some(dims)))])
}

/// The dtype of ONNX's number, as `Cast` has it.
pub(crate) fn dtype_of(code: i64) -> Result<DType, Stop> {
    i32::try_from(code).ok().and_then(crate::dtype).ok_or(Stop::Unknown)
}
