//! Pooling over windows.

use scorehost_core::DType;
use scorehost_graph::Node;

use super::attributes::{int, ints};
use super::convolution::{Window, index};
use super::windows;
use crate::expression::THREADS;
use crate::kernels::{self, File};
use crate::launch::{Arg, Cost, Work};
use crate::planner::{Planner, Style};
use crate::view::channels_last;

pub(super) fn pool(planner: &mut Planner<'_>, node: &Node) -> Result<(), String> {
    let id = planner.input(node, 0)?;
    let (x, dtype) = planner.compute_view(id)?;
    if x.shape.len() < 3 {
        return Err(format!("expected spatial dimensions, got {:?}", x.shape));
    }
    let kernel_shape = ints(node, "kernel_shape").ok_or("its kernel shape is missing")?;
    let window = Window::of(node, &x.shape[2..], &kernel_shape)?;
    let rank = x.shape.len();
    let mut shape = vec![x.shape[0], x.shape[1]];
    shape.extend(window.output[5 - rank..].iter().map(|size| *size as u64));
    let mut y = planner.buffer(x.dtype, shape);
    if x.is_channels_last() {
        y.steps = channels_last(&y.shape);
    }
    let mode = match (&*node.operator, int(node, "count_include_pad", 0)) {
        ("MaxPool", _) => 0,
        (_, 0) => 1,
        _ => 2,
    };
    let name = kernels::name(x.dtype).ok_or("strings cannot be pooled")?;
    // Where channels are last, a work item on a core takes all of a pixel.
    let cores = planner.target.dialect.opencl().is_some_and(|device| device.style == Style::Cores);
    // Sums of averages stay in the output, so that only maxima may be narrow.
    let stored = x.dtype == DType::F32 || mode == 0 && matches!(x.dtype, DType::F16 | DType::BF16);
    let whole = cores && stored && x.is_channels_last() && rank <= 4;
    let (entry, each, threads) = if whole { ("pool_channels", x.shape[1], 8) } else { ("pool", 1, THREADS) };
    let kernel = kernels::fixed(planner.target.dialect, File::Conv, entry, &[("T", name), ("ACT", "0"), ("VEC", "1")]);
    let total = index(y.elements())? / each.max(1) as u32;
    let mut words = window.words(1, &x, &y);
    if let Some(count) = words.last_mut() {
        *count = total;
    }
    let mut args = vec![Arg::Place((&x).into()), Arg::Place((&y).into()), Arg::Words(words), Arg::Int(mode)];
    args.extend(window.end.map(|size| Arg::Int(size as i32)));
    let cost = Cost {
        bytes: (x.elements() + y.elements()) * x.dtype.size().unwrap_or(1) as u64,
        operations: y.elements() * window.kernel.iter().product::<i64>() as u64,
    };
    if total > 0 {
        planner
            .launch(Work::Kernel { kernel, blocks: [total.div_ceil(threads), 1, 1], threads, shared: 0, args }, cost);
    }
    windows::places(planner, node, &x, &window, &y)?;
    planner.set_view(node, y, dtype);
    Ok(())
}
