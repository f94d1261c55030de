//! Operations as small models, for devices that run models.
//!
//! Only what a device computes as the processor does: the same numbers, but for the rounding of sums, products and exponentials. The
//! rest of an operation's rules are the processor's, too: [`Operation::plan`] is asked first.

use bytes::Bytes;
use scorehost_core::{DType, Described, Tensor};
use scorehost_graph::{ModelWriter, Setting};

use crate::arrays::{
    Argmax, Arithmetic, ArithmeticScalar, Cast, Clip, Compare, Comparison, Concat, Gather, Matmul, Operator, Pad,
    Reduce, Reduction, Slice, Softmax, Stack, Transpose,
};
use crate::images::{Interpolation, Layout, Normalize, Resize};
use crate::operation::Operation;

/// The name of an input of the model.
pub(crate) fn input_name(index: usize) -> String {
    format!("x{index}")
}

/// The name of its one output.
pub(crate) const OUTPUT: &str = "y";

/// A model under way: one node after the other.
struct Chain {
    writer: ModelWriter,
    /// The value made last.
    at: String,
    made: usize,
}

impl Chain {
    fn new(inputs: &[impl Described]) -> Self {
        let mut writer = ModelWriter::default();
        for (index, input) in inputs.iter().enumerate() {
            writer.input(&input_name(index), input.dtype(), input.shape().len());
        }
        Self { writer, at: input_name(0), made: 0 }
    }

    fn name(&mut self) -> String {
        self.made += 1;
        format!("v{}", self.made)
    }

    /// A node whose first input is the value made last.
    fn then(mut self, operator: &str, others: &[&str], settings: &[(&str, Setting<'_>)]) -> Self {
        let name = self.name();
        let inputs: Vec<&str> = std::iter::once(self.at.as_str()).chain(others.iter().copied()).collect();
        self.writer.node(operator, &inputs, &name, settings);
        self.at = name;
        self
    }

    /// The same for a list of integers that is a constant.
    fn then_at(mut self, operator: &str, integers: &[&[i64]], settings: &[(&str, Setting<'_>)]) -> Self {
        let mut names = Vec::with_capacity(integers.len());
        for values in integers {
            let name = self.name();
            self.writer.integers(&name, values);
            names.push(name);
        }
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        self.then(operator, &names, settings)
    }

    /// A node with a constant as its second input.
    fn then_with(mut self, operator: &str, constant: &Tensor) -> Self {
        let name = self.name();
        self.writer.constant(&name, constant);
        self.then(operator, &[&name], &[])
    }

    fn cast(self, from: DType, to: DType) -> Option<Self> {
        // ONNX's numbers of the dtypes.
        let code = (1..=16).find(|code| scorehost_graph::dtype(*code) == Some(to))?;
        Some(if from == to { self } else { self.then("Cast", &[], &[("to", Setting::Int(code.into()))]) })
    }

    fn finish(mut self, dtype: DType, rank: usize) -> Bytes {
        self.writer.node("Identity", &[&self.at], OUTPUT, &[]);
        self.writer.output(OUTPUT, dtype, rank);
        self.writer.finish()
    }
}

/// Elements that devices move and do not compute with.
fn moves(dtype: DType) -> bool {
    matches!(
        dtype,
        DType::Bool | DType::U8 | DType::I8 | DType::I32 | DType::I64 | DType::F16 | DType::BF16 | DType::F32
    )
}

fn scalar(value: f64) -> Option<Tensor> {
    Tensor::from_f32([].as_slice(), &[value as f32]).ok()
}

fn vector(shape: &[u64], values: &[f32]) -> Option<Tensor> {
    Tensor::from_f32(shape, values).ok()
}

fn from_front(axis: i32, rank: usize) -> i64 {
    let axis = i64::from(axis);
    if axis < 0 { axis + rank as i64 } else { axis }
}

impl Operation {
    /// The model of the operation for such inputs, which passed [`Operation::plan`]; `None` where only the processor computes it.
    pub(crate) fn model(&self, inputs: &[impl Described]) -> Option<Bytes> {
        let first = inputs.first()?;
        let (dtype, rank) = (first.dtype(), first.shape().len());
        let (floats, chain) = (dtype == DType::F32, Chain::new(inputs));
        match self {
            Self::Transpose(operation) if moves(dtype) => operation.chained(chain, dtype, rank),
            Self::Slice(operation) if moves(dtype) => operation.chained(chain, dtype, rank),
            Self::Concat(operation) if moves(dtype) => operation.chained(chain, inputs.len(), dtype, rank),
            Self::Stack(operation) if moves(dtype) => operation.chained(chain, inputs.len(), dtype, rank),
            Self::Pad(operation) if floats => operation.chained(chain, rank),
            Self::Gather(operation) if moves(dtype) => operation.chained(chain, first, inputs.get(1)?),
            Self::Cast(operation) => operation.chained(chain, dtype, rank),
            Self::Arithmetic(operation) if floats => operation.chained(chain, rank.max(inputs.get(1)?.shape().len())),
            Self::ArithmeticScalar(operation) if floats => operation.chained(chain, rank),
            Self::Compare(operation) if floats => operation.chained(chain, rank),
            Self::Clip(operation) if floats => operation.chained(chain, rank),
            Self::Softmax(Softmax { axis }) if floats => {
                let axis = Setting::Int((*axis).into());
                Some(chain.then("Softmax", &[], &[("axis", axis)]).finish(dtype, rank))
            }
            Self::Matmul(Matmul) if floats => Some(matmul(chain, rank, inputs.get(1)?.shape().len())),
            Self::Reduce(operation) if floats => operation.chained(chain, rank),
            Self::Argmax(operation) if floats => Some(operation.chained(chain, rank)),
            Self::Normalize(operation) => operation.chained(chain, first),
            Self::Resize(operation) if floats => operation.chained(chain, rank),
            _ => None,
        }
    }
}

fn matmul(chain: Chain, left: usize, right: usize) -> Bytes {
    let rank = left.max(right).max(2) - usize::from(left == 1) - usize::from(right == 1);
    chain.then("MatMul", &[&input_name(1)], &[]).finish(DType::F32, rank)
}

impl Transpose {
    fn chained(&self, chain: Chain, dtype: DType, rank: usize) -> Option<Bytes> {
        let axes: Vec<i64> = match self.axes.as_slice() {
            [] => (0..rank as i64).rev().collect(),
            axes => axes.iter().map(|axis| i64::from(*axis)).collect(),
        };
        Some(chain.then("Transpose", &[], &[("perm", Setting::Ints(&axes))]).finish(dtype, rank))
    }
}

impl Slice {
    fn chained(&self, chain: Chain, dtype: DType, rank: usize) -> Option<Bytes> {
        let axes: Vec<i64> = (0..self.ranges.len() as i64).collect();
        let steps: Vec<i64> = self.ranges.iter().map(|range| range.step).collect();
        // What is left out is as far as there can be.
        let (low, high) = (i64::MIN + 1, i64::MAX);
        let bound = |bound: Option<i64>, forward: bool| bound.unwrap_or(if forward { low } else { high });
        let starts: Vec<i64> = self.ranges.iter().map(|range| bound(range.start, range.step > 0)).collect();
        let ends: Vec<i64> = self.ranges.iter().map(|range| bound(range.end, range.step < 0)).collect();
        Some(chain.then_at("Slice", &[&starts, &ends, &axes, &steps], &[]).finish(dtype, rank))
    }
}

impl Concat {
    fn chained(&self, chain: Chain, count: usize, dtype: DType, rank: usize) -> Option<Bytes> {
        let names: Vec<String> = (1..count).map(input_name).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        Some(chain.then("Concat", &names, &[("axis", Setting::Int(self.axis.into()))]).finish(dtype, rank))
    }
}

impl Stack {
    fn chained(&self, mut chain: Chain, count: usize, dtype: DType, rank: usize) -> Option<Bytes> {
        let axis = from_front(self.axis, rank + 1);
        let mut parts = Vec::with_capacity(count);
        for index in 0..count {
            chain.at = input_name(index);
            chain = chain.then_at("Unsqueeze", &[&[axis]], &[]);
            parts.push(chain.at.clone());
        }
        chain.at = parts.first()?.clone();
        let others: Vec<&str> = parts[1..].iter().map(String::as_str).collect();
        Some(chain.then("Concat", &others, &[("axis", Setting::Int(axis))]).finish(dtype, rank + 1))
    }
}

impl Pad {
    fn chained(&self, mut chain: Chain, rank: usize) -> Option<Bytes> {
        let margins: Vec<i64> = self
            .before
            .iter()
            .chain(&self.after)
            .map(|margin| i64::try_from(*margin))
            .collect::<Result<_, _>>()
            .ok()?;
        let (pads, fill) = (chain.name(), chain.name());
        chain.writer.integers(&pads, &margins);
        chain.writer.constant(&fill, &scalar(self.fill)?);
        Some(chain.then("Pad", &[&pads, &fill], &[]).finish(DType::F32, rank))
    }
}

impl Gather {
    /// Only where the indices can be looked at: a device does not tell those that are out of range.
    fn chained(&self, chain: Chain, values: &impl Described, indices: &impl Described) -> Option<Bytes> {
        let rank = values.shape().len();
        let axis = from_front(self.axis, rank);
        let length = i64::try_from(*values.shape().get(usize::try_from(axis).ok()?)?).ok()?;
        let data = indices.host()?;
        let inside = |index: i64| (-length..length).contains(&index);
        let all = match indices.dtype() {
            DType::I64 => data.as_chunks().0.iter().all(|bytes| inside(i64::from_le_bytes(*bytes))),
            _ => data.as_chunks().0.iter().all(|bytes| inside(i32::from_le_bytes(*bytes).into())),
        };
        let rank = rank - 1 + indices.shape().len();
        all.then(|| {
            let chain = chain.then("Gather", &[&input_name(1)], &[("axis", Setting::Int(axis))]);
            chain.finish(values.dtype(), rank)
        })
    }
}

impl Cast {
    /// To single precision from what it can hold or rounds; other conversions are told apart in their corners only by the processor.
    fn chained(&self, chain: Chain, from: DType, rank: usize) -> Option<Bytes> {
        let plain = matches!(from, DType::Bool | DType::U8 | DType::I8 | DType::I32 | DType::F16 | DType::F32);
        let done = plain && self.to == DType::F32 || from == DType::F32 && self.to == DType::F16;
        done.then(|| chain.cast(from, self.to))?.map(|chain| chain.finish(self.to, rank))
    }
}

/// Not the lesser and the greater: beside NaN, ONNX gives NaN.
const fn operator(operator: Operator) -> Option<&'static str> {
    Some(match operator {
        Operator::Add => "Add",
        Operator::Subtract => "Sub",
        Operator::Multiply => "Mul",
        Operator::Divide => "Div",
        Operator::Minimum | Operator::Maximum => return None,
    })
}

impl Arithmetic {
    fn chained(&self, chain: Chain, rank: usize) -> Option<Bytes> {
        Some(chain.then(operator(self.operator)?, &[&input_name(1)], &[]).finish(DType::F32, rank))
    }
}

impl ArithmeticScalar {
    fn chained(&self, chain: Chain, rank: usize) -> Option<Bytes> {
        Some(chain.then_with(operator(self.operator)?, &scalar(self.scalar)?).finish(DType::F32, rank))
    }
}

impl Compare {
    fn chained(&self, chain: Chain, rank: usize) -> Option<Bytes> {
        let (name, not) = match self.comparison {
            Comparison::Less => ("Less", false),
            Comparison::LessEqual => ("LessOrEqual", false),
            Comparison::Greater => ("Greater", false),
            Comparison::GreaterEqual => ("GreaterOrEqual", false),
            Comparison::Equal => ("Equal", false),
            Comparison::NotEqual => ("Equal", true),
        };
        let chain = chain.then_with(name, &scalar(self.scalar)?);
        let chain = if not { chain.then("Not", &[], &[]) } else { chain };
        Some(chain.finish(DType::Bool, rank))
    }
}

impl Clip {
    fn chained(&self, mut chain: Chain, rank: usize) -> Option<Bytes> {
        let (low, high) = (chain.name(), chain.name());
        chain.writer.constant(&low, &scalar(self.minimum)?);
        chain.writer.constant(&high, &scalar(self.maximum)?);
        Some(chain.then("Clip", &[&low, &high], &[]).finish(DType::F32, rank))
    }
}

impl Reduce {
    /// Sums and means, in double precision as the processor's; of the greatest and the least, NaN is told apart only there.
    fn chained(&self, chain: Chain, rank: usize) -> Option<Bytes> {
        let operator = match self.reduction {
            Reduction::Sum => "ReduceSum",
            Reduction::Mean => "ReduceMean",
            Reduction::Max | Reduction::Min => return None,
        };
        let axes: Vec<i64> = match self.axes.as_slice() {
            [] => (0..rank as i64).collect(),
            axes => axes.iter().map(|axis| from_front(*axis, rank)).collect(),
        };
        let left = if self.keep_dims { rank } else { rank - axes.len() };
        let keep = [("keepdims", Setting::Int(self.keep_dims.into()))];
        let chain = chain.cast(DType::F32, DType::F64)?.then_at(operator, &[&axes], &keep);
        Some(chain.cast(DType::F64, DType::F32)?.finish(DType::F32, left))
    }
}

impl Argmax {
    fn chained(&self, chain: Chain, rank: usize) -> Bytes {
        let settings = [("axis", Setting::Int(self.axis.into())), ("keepdims", Setting::Int(self.keep_dims.into()))];
        let rank = if self.keep_dims { rank } else { rank - 1 };
        chain.then("ArgMax", &[], &settings).finish(DType::I64, rank)
    }
}

impl Resize {
    /// What the standard's operator does as this one: the centres of pixels as places, edges repeated, no smoothing.
    fn chained(&self, mut chain: Chain, rank: usize) -> Option<Bytes> {
        if self.interpolation != Interpolation::Bilinear || self.antialias {
            return None;
        }
        let first = if self.layout == Layout::ChannelsFirst { rank - 2 } else { rank - 3 } as i64;
        let sizes = chain.name();
        chain.writer.integers(&sizes, &[self.height.into(), self.width.into()]);
        let axes = [first, first + 1];
        let settings = [
            ("mode", Setting::Text("linear")),
            ("coordinate_transformation_mode", Setting::Text("half_pixel")),
            ("axes", Setting::Ints(&axes)),
        ];
        Some(chain.then("Resize", &["", "", &sizes], &settings).finish(DType::F32, rank))
    }
}

impl Normalize {
    fn chained(&self, chain: Chain, input: &impl Described) -> Option<Bytes> {
        let rank = input.shape().len();
        let channel = |layout| if layout == Layout::ChannelsFirst { rank - 3 } else { rank - 1 };
        let chain = chain.cast(input.dtype(), DType::F32)?;
        let chain = match (self.from, self.to) {
            (from, to) if from == to => chain,
            (from, _) => {
                let mut axes: Vec<i64> = (0..rank as i64).collect();
                // The channels' axis to the other end of the picture's.
                if from == Layout::ChannelsLast {
                    axes[rank - 3..].rotate_right(1);
                } else {
                    axes[rank - 3..].rotate_left(1);
                }
                chain.then("Transpose", &[], &[("perm", Setting::Ints(&axes))])
            }
        };
        let at = channel(self.to);
        let chain = if self.reverse {
            chain.then_at("Slice", &[&[-1], &[i64::MIN + 1], &[at as i64], &[-1]], &[])
        } else {
            chain
        };
        let along = |values: &[f32], default: f32| {
            let values = if values.is_empty() { &[default] } else { values };
            let mut shape = vec![1; rank - at];
            shape[0] = values.len() as u64;
            vector(&shape, values)
        };
        let chain = chain.then_with("Mul", &scalar(self.scale.into())?);
        let chain = chain.then_with("Sub", &along(&self.mean, 0.0)?).then_with("Div", &along(&self.std, 1.0)?);
        Some(chain.finish(DType::F32, rank))
    }
}
