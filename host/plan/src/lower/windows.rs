//! Windows over images that are neither a convolution nor a plain pool: norms, places of maxima and their way back, columns to images.

use scorehost_core::DType;
use scorehost_graph::{Attribute, Node, ValueId};

use super::Lower;
use super::attributes::{float, int, integers, ints};
use super::compose::{list, number};
use super::convolution::Window;
use super::sample::launch;
use crate::expression::THREADS;
use crate::kernels::{self, File};
use crate::launch::{Arg, Cost, Place, Work};
use crate::planner::{Planner, Value};
use crate::view::View;

pub(super) fn find(name: &str) -> Option<Lower> {
    Some(match name {
        "LpPool" => norm,
        "GlobalLpPool" => global_norm,
        "LRN" => local_response,
        "Col2Im" => from_columns,
        "MaxUnpool" => unpool,
        _ => return None,
    })
}

/// Sums over windows of each channel: a convolution with ones.
fn window_sums(
    planner: &mut Planner<'_>,
    node: &Node,
    id: ValueId,
    kernel: &[i64],
    pads: Option<Vec<i64>>,
) -> Result<ValueId, String> {
    let (shape, dtype) = planner.kind(id)?;
    let channels = *shape.get(1).ok_or("expected spatial dimensions")?;
    let sizes = [&[channels, 1], &kernel.iter().map(|size| (*size).max(1) as u64).collect::<Vec<_>>()[..]].concat();
    let ones = vec![1.0; sizes.iter().product::<u64>().min(1 << 24) as usize];
    let ones = planner.known_numbers(dtype, &sizes, &ones)?;
    let mut settings = vec![("group", number(channels as i64))];
    match pads {
        Some(pads) => settings.push(("pads", Attribute::Ints(pads))),
        None => {
            let names = ["strides", "pads", "dilations", "auto_pad", "ceil_mode"];
            let given = names.into_iter().filter_map(|name| Some((name, node.attributes.get(name)?.clone())));
            settings.extend(given);
        }
    }
    planner.apply("Conv", &[id, ones], &settings)
}

/// `|x|^p`, or the root of it.
fn power(planner: &mut Planner<'_>, id: ValueId, by: f64) -> Result<ValueId, String> {
    let dtype = planner.kind(id)?.1;
    let by = planner.scalar(dtype, by)?;
    planner.apply("Pow", &[id, by], &[])
}

fn norm(planner: &mut Planner<'_>, node: &Node) -> Result<(), String> {
    let x = planner.input(node, 0)?;
    let kernel = ints(node, "kernel_shape").ok_or("its kernel shape is missing")?;
    let p = int(node, "p", 2) as f64;
    let sizes = planner.apply("Abs", &[x], &[])?;
    let powers = power(planner, sizes, p)?;
    let sums = window_sums(planner, node, powers, &kernel, None)?;
    let y = power(planner, sums, 1.0 / p)?;
    planner.give(node, 0, y)
}

fn global_norm(planner: &mut Planner<'_>, node: &Node) -> Result<(), String> {
    let x = planner.input(node, 0)?;
    let p = int(node, "p", 2) as f64;
    let axes: Vec<i64> = (2..planner.kind(x)?.0.len() as i64).collect();
    let axes = planner.known_ints(&[axes.len() as u64], &axes)?;
    let sizes = planner.apply("Abs", &[x], &[])?;
    let powers = power(planner, sizes, p)?;
    let sums = planner.apply("ReduceSum", &[powers, axes], &[])?;
    let y = power(planner, sums, 1.0 / p)?;
    planner.give(node, 0, y)
}

/// Each element divided by what its neighbours in other channels are (Krizhevsky et al., 2012).
fn local_response(planner: &mut Planner<'_>, node: &Node) -> Result<(), String> {
    let x = planner.input(node, 0)?;
    let (shape, dtype) = planner.kind(x)?;
    let (batch, channels) = match shape[..] {
        [batch, channels, ..] => (batch, channels),
        _ => return Err(format!("expected channels, got {shape:?}")),
    };
    let size = int(node, "size", 1).max(1);
    let squares = planner.apply("Mul", &[x, x], &[])?;
    let pixels = shape[2..].iter().product();
    let lines = planner.reshape_to(squares, &[batch, 1, channels, pixels])?;
    let before = (size - 1) / 2;
    let sums = window_sums(planner, node, lines, &[size, 1], Some(vec![before, 0, size - 1 - before, 0]))?;
    let sums = planner.reshape_to(sums, &shape)?;
    let share = planner.scalar(dtype, f64::from(float(node, "alpha", 0.0001)) / size as f64)?;
    let bias = planner.scalar(dtype, f64::from(float(node, "bias", 1.0)))?;
    let scaled = planner.apply("Mul", &[sums, share], &[])?;
    let base = planner.apply("Add", &[scaled, bias], &[])?;
    let by = power(planner, base, f64::from(float(node, "beta", 0.75)))?;
    let y = planner.apply("Div", &[x, by], &[])?;
    planner.give(node, 0, y)
}

/// The transpose of cutting an image into columns of patches.
fn from_columns(planner: &mut Planner<'_>, node: &Node) -> Result<(), String> {
    let id = planner.input(node, 0)?;
    let image = integers(planner.host(planner.input(node, 1)?)?)?;
    let block = integers(planner.host(planner.input(node, 2)?)?)?;
    let (x, dtype) = planner.dense(id)?;
    if block.len() != image.len() || image.iter().any(|size| *size < 1) {
        return Err(format!("blocks {block:?} of an image {image:?}"));
    }
    // The window that cuts the image: its results are the columns.
    let sizes: Vec<u64> = image.iter().map(|size| *size as u64).collect();
    let mut window = Window::of(node, &sizes, &block)?;
    (window.input, window.output) = (window.output, window.input);
    let taps: u64 = block.iter().product::<i64>() as u64;
    let columns: i64 = window.input.iter().product();
    let fits = x.shape.len() == 3 && x.shape[1].is_multiple_of(taps) && x.shape[2] == columns as u64;
    if !fits {
        return Err(format!("columns {:?} for an image {image:?} in blocks {block:?}", x.shape));
    }
    let y = planner.buffer(x.dtype, [&[x.shape[0], x.shape[1] / taps], &sizes[..]].concat());
    let name = kernels::name(x.dtype).ok_or("strings are no images")?;
    let words = window.words(1, &y, &y);
    let cost = Cost { bytes: 0, operations: x.elements() };
    let args = vec![Arg::Place((&x).into()), Arg::Place((&y).into()), Arg::Words(words)];
    windowed(planner, "from_columns", name, y.elements(), cost, args)?;
    planner.set_view(node, y, dtype);
    Ok(())
}

/// A kernel whose window holds the number of items.
fn windowed(
    planner: &mut Planner<'_>,
    entry: &'static str,
    name: &str,
    total: u64,
    cost: Cost,
    args: Vec<Arg>,
) -> Result<(), String> {
    let kernel = kernels::fixed(planner.target.dialect, File::Sample, entry, &[("T", name)]);
    let total = super::convolution::index(total)?;
    if total > 0 {
        let blocks = [total.div_ceil(THREADS), 1, 1];
        planner.launch(Work::Kernel { kernel, blocks, threads: THREADS, shared: 0, args }, cost);
    }
    Ok(())
}

/// The second output of `MaxPool`.
pub(super) fn places(
    planner: &mut Planner<'_>,
    node: &Node,
    x: &View,
    window: &Window,
    y: &View,
) -> Result<(), String> {
    if node.output(1).is_none() {
        return Ok(());
    }
    let to = planner.buffer(DType::I64, y.shape.clone());
    let name = kernels::name(x.dtype).ok_or("strings cannot be pooled")?;
    let words = window.words(1, x, &to);
    let exchanged = Arg::Int(int(node, "storage_order", 0) as i32);
    let args = vec![Arg::Place(x.into()), Arg::Place((&to).into()), Arg::Words(words), exchanged];
    windowed(planner, "largest_places", name, to.elements(), Cost::default(), args)?;
    planner.set(node, 1, Value::Stored(to, DType::I64));
    Ok(())
}

/// Elements back at the places that `MaxPool` told, zeros elsewhere.
fn unpool(planner: &mut Planner<'_>, node: &Node) -> Result<(), String> {
    let (x_id, at_id) = (planner.input(node, 0)?, planner.input(node, 1)?);
    let (x, dtype) = planner.dense(x_id)?;
    let (at, _) = planner.dense(at_id)?;
    let kernel = ints(node, "kernel_shape").ok_or("its kernel shape is missing")?;
    let rank = kernel.len();
    if at.dtype != DType::I64 || at.shape != x.shape || x.shape.len() != rank + 2 {
        return Err(format!("places {:?} for data {:?}", at.shape, x.shape));
    }
    let list_of = |name: &str, fill: i64, length: usize| {
        ints(node, name).filter(|all| all.len() == length).unwrap_or_else(|| vec![fill; length])
    };
    let (strides, pads) = (list_of("strides", 1, rank), list_of("pads", 0, 2 * rank));
    let mut shape = x.shape.clone();
    for d in 0..rank {
        let size = (x.shape[d + 2] as i64 - 1) * strides[d] - pads[d] - pads[rank + d] + kernel[d];
        shape[d + 2] = u64::try_from(size).map_err(|_| "the output would be empty")?;
    }
    // Places count in the output that the node would make by itself; one that is given is larger.
    let smaller = shape.clone();
    if let Some(id) = node.input(2) {
        shape = integers(planner.host(id)?)?.into_iter().map(|size| size.max(0) as u64).collect();
    }
    if shape.len() != smaller.len() || shape.iter().zip(&smaller).any(|(a, b)| a < b) {
        return Err(format!("an output of {shape:?} for {smaller:?}"));
    }
    let y = planner.buffer(x.dtype, smaller.clone());
    let bytes = y.elements() * x.dtype.size().unwrap_or(1) as u64;
    planner.launch(Work::Zero { at: Place::from(&y), bytes }, Cost::default());
    let name = kernels::name(x.dtype).ok_or("strings are not on this device")?;
    let count = Arg::Int(super::convolution::index(y.elements())? as i32);
    let args = vec![Arg::Place((&x).into()), Arg::Place((&at).into()), Arg::Place((&y).into()), count];
    launch(planner, "put", &[("T", name)], x.elements(), Cost::default(), args)?;
    if shape == smaller {
        planner.set_view(node, y, dtype);
        return Ok(());
    }
    let id = planner.fresh(Some(Value::Stored(y, dtype)));
    let mut pads = vec![0i64; 2 * shape.len()];
    for d in 0..shape.len() {
        pads[shape.len() + d] = (shape[d] - smaller[d]) as i64;
    }
    let y = planner.apply("Pad", &[id], &[("pads", list(&pads))])?;
    planner.give(node, 0, y)
}
