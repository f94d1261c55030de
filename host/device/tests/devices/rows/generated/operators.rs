//! Nodes that a graph may grow by.

mod layers;
mod places;
mod shapes;

use scorehost_core::DType;
use scorehost_device::Devices;

use layers::*;
use places::*;
use shapes::*;

use super::{Draft, Known, Plan};
use crate::encode::Value;
use crate::random::Random;

/// Makes one or several nodes out of what the graph has.
type Make = fn(&mut Maker<'_>) -> Option<()>;

/// All kinds of nodes, each as likely as any other.
const KINDS: &[Make] = &[
    unary,
    unary,
    binary,
    binary,
    binary,
    softmax,
    reduce,
    reduce,
    arg,
    cumulative,
    top_k,
    reshape,
    reshape,
    by_shape,
    by_shape,
    flatten,
    squeeze,
    unsqueeze,
    transpose,
    transpose,
    expand,
    concat,
    split,
    slice,
    slice,
    tile,
    pad,
    trilu,
    reverse,
    compress,
    gather,
    gather,
    gather_elements,
    gather_nd,
    scatter,
    one_hot,
    found,
    matmul,
    matmul,
    gemm,
    einsum,
    conv,
    pool,
    norm,
    norm,
    recurrent,
    quantised,
    dropout,
    choose,
    cast,
    resize,
    blocks,
    folded,
    folded,
];

/// Adds what one kind of node makes, if the executor runs it.
pub(super) fn grow(plan: &mut Plan, devices: &Devices, random: &mut Random) {
    for _ in 0..20 {
        let make = *random.choose(KINDS);
        if make(&mut Maker { plan: &mut *plan, devices, random: &mut *random }).is_some() {
            return;
        }
    }
}

struct Maker<'a> {
    plan: &'a mut Plan,
    devices: &'a Devices,
    random: &'a mut Random,
}

impl Maker<'_> {
    /// A value of a type, and of a rank at least; later ones are likelier.
    fn value(&mut self, dtype: DType, rank: usize) -> Option<Known> {
        let fit = |value: &&Known| value.dtype == dtype && value.shape.len() >= rank && !value.shape.contains(&0);
        let all: Vec<&Known> = self.plan.values.iter().filter(fit).collect();
        let last = all.last().copied().cloned()?;
        Some(if self.random.once_in(2) { last } else { (*self.random.choose(&all)).clone() })
    }

    fn float(&mut self, rank: usize) -> Option<Known> {
        self.value(DType::F32, rank)
    }

    fn any(&mut self, rank: usize) -> Option<Known> {
        let dtype = *self.random.choose(&[DType::F32, DType::F32, DType::F32, DType::I64]);
        self.value(dtype, rank)
    }

    /// An axis, counted from either end.
    fn axis(&mut self, rank: usize) -> i64 {
        let axis = self.random.below(rank) as i64;
        if self.random.once_in(2) { axis } else { axis - rank as i64 }
    }

    fn add(
        &mut self,
        operator: &'static str,
        inputs: &[&str],
        attributes: Vec<(&'static str, Value)>,
    ) -> Option<Known> {
        self.several(operator, inputs, 1, attributes)?.into_iter().next()
    }

    fn several(
        &mut self,
        operator: &'static str,
        inputs: &[&str],
        outputs: usize,
        attributes: Vec<(&'static str, Value)>,
    ) -> Option<Vec<Known>> {
        let inputs = inputs.iter().map(|name| (*name).to_owned()).collect();
        self.plan.add(self.devices, self.random, Draft { operator, inputs, outputs, attributes })
    }

    fn constant(&mut self, shape: &[u64]) -> String {
        self.plan.floats(self.random, shape)
    }

    /// A constant that a value broadcasts with, or another value.
    fn partner(&mut self, value: &Known) -> Option<String> {
        if self.random.once_in(2) {
            return Some(self.value(value.dtype, 0)?.name);
        }
        let skip = self.random.below(value.shape.len() + 1);
        let mut shape = value.shape[skip..].to_vec();
        for dim in &mut shape {
            if self.random.once_in(3) {
                *dim = 1;
            }
        }
        if value.dtype == DType::I64 {
            return Some(self.plan.scalar(1));
        }
        Some(self.constant(&shape))
    }

    /// Axes as an attribute or an input, as the operator set has it.
    fn axes(&mut self, axes: Vec<i64>, input_from: u64) -> (Vec<(&'static str, Value)>, Option<String>) {
        if self.plan.opset >= input_from {
            (Vec::new(), Some(self.plan.ints(&axes)))
        } else {
            (vec![("axes", axes.into())], None)
        }
    }
}

fn unary(maker: &mut Maker<'_>) -> Option<()> {
    let x = maker.float(0)?;
    let names = ["Relu", "Sigmoid", "Neg", "Abs", "Identity", "Softplus", "Floor", "Sign", "Erf", "Exp", "Round"];
    let operator = *maker.random.choose(&names);
    maker.add(operator, &[&x.name], vec![]).map(drop)
}

fn binary(maker: &mut Maker<'_>) -> Option<()> {
    let x = maker.any(0)?;
    let y = maker.partner(&x)?;
    let operator =
        *maker.random.choose(&["Add", "Mul", "Sub", "Max", "Min", "Div", "Greater", "Equal", "Sum", "PRelu"]);
    let mut inputs = [&*x.name, &*y];
    if maker.random.once_in(2) && operator != "PRelu" {
        inputs.reverse();
    }
    maker.add(operator, &inputs, vec![]).map(drop)
}

fn softmax(maker: &mut Maker<'_>) -> Option<()> {
    let x = maker.float(1)?;
    let axis = maker.axis(x.shape.len());
    let operator = *maker.random.choose(&["Softmax", "LogSoftmax", "Hardmax", "LpNormalization"]);
    let attributes = if maker.random.once_in(4) { vec![] } else { vec![("axis", axis.into())] };
    maker.add(operator, &[&x.name], attributes).map(drop)
}

fn reduce(maker: &mut Maker<'_>) -> Option<()> {
    let x = maker.float(1)?;
    let operator = *maker.random.choose(&["ReduceSum", "ReduceMean", "ReduceMax", "ReduceL2", "ReduceLogSumExp"]);
    let many = maker.random.below(x.shape.len() + 1);
    let mut axes: Vec<i64> = (0..many).map(|_| maker.axis(x.shape.len())).collect();
    axes.dedup();
    let from = if operator == "ReduceSum" { 13 } else { 18 };
    let (mut attributes, input) = if axes.is_empty() { (vec![], None) } else { maker.axes(axes, from) };
    attributes.push(("keepdims", (maker.random.below(2) as i64).into()));
    if maker.plan.opset >= from && maker.random.once_in(3) {
        attributes.push(("noop_with_empty_axes", 1.into()));
    }
    let inputs: Vec<&str> = [&*x.name].into_iter().chain(input.as_deref()).collect();
    maker.add(operator, &inputs, attributes).map(drop)
}

fn arg(maker: &mut Maker<'_>) -> Option<()> {
    let x = maker.float(1)?;
    let attributes =
        vec![("axis", maker.axis(x.shape.len()).into()), ("keepdims", (maker.random.below(2) as i64).into())];
    let operator = *maker.random.choose(&["ArgMax", "ArgMin"]);
    maker.add(operator, &[&x.name], attributes).map(drop)
}

fn cumulative(maker: &mut Maker<'_>) -> Option<()> {
    let x = maker.float(1)?;
    let axis = maker.axis(x.shape.len());
    let axis = maker.plan.scalar(axis);
    maker.add("CumSum", &[&x.name, &axis], vec![]).map(drop)
}

fn top_k(maker: &mut Maker<'_>) -> Option<()> {
    let x = maker.float(1)?;
    let axis = maker.axis(x.shape.len());
    let many = 1 + maker.random.below(3) as i64;
    let many = maker.plan.ints(&[many]);
    maker.several("TopK", &[&x.name, &many], 2, vec![("axis", axis.into())]).map(drop)
}

fn dropout(maker: &mut Maker<'_>) -> Option<()> {
    let x = maker.float(1)?;
    if maker.plan.opset < 12 {
        return maker.add("Dropout", &[&x.name], vec![]).map(drop);
    }
    let ratio = maker.plan.constant(DType::F32, &[], &0.5f32.to_le_bytes());
    let training = u8::from(maker.random.once_in(2));
    let mode = maker.plan.constant(DType::Bool, &[], &[training]);
    maker.add("Dropout", &[&x.name, &ratio, &mode], vec![]).map(drop)
}

fn choose(maker: &mut Maker<'_>) -> Option<()> {
    let x = maker.float(0)?;
    let zero = maker.constant(&[]);
    let condition = match maker.value(DType::Bool, 0) {
        Some(known) if maker.random.once_in(2) => known.name,
        _ => maker.add("Greater", &[&x.name, &zero], vec![])?.name,
    };
    let other = maker.partner(&x)?;
    maker.add("Where", &[&condition, &x.name, &other], vec![]).map(drop)
}

/// Numbers between 0 and 2 as places.
fn cast(maker: &mut Maker<'_>) -> Option<()> {
    let x = maker.float(0)?;
    let (low, high) = (maker.constant(&[]), maker.constant(&[]));
    let bounded = maker.add("Clip", &[&x.name, &low, &high], vec![])?;
    maker.add("Cast", &[&bounded.name], vec![("to", 7.into())]).map(drop)
}
