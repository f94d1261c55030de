//! Sampling at places between elements: grids, and resizing by more than the two nearest elements.

use scorehost_core::{DType, Tensor};
use scorehost_graph::Node;

use super::Lower;
use super::attributes::{int, integers, text};
use super::compose::tensor;
use super::convolution::index;
use super::gather::walk;
use crate::constants::Form;
use crate::expression::THREADS;
use crate::kernels::{self, File};
use crate::launch::{Arg, Cost, Work};
use crate::planner::Planner;
use crate::view::View;

pub(super) fn find(name: &str) -> Option<Lower> {
    Some(match name {
        "GridSample" => grid_sample,
        "AffineGrid" => affine_grid,
        _ => return None,
    })
}

/// One item a result, or as many results of it as the kernel takes.
pub(super) fn launch(
    planner: &mut Planner<'_>,
    entry: &'static str,
    definitions: &[(&str, &str)],
    total: u64,
    cost: Cost,
    mut args: Vec<Arg>,
) -> Result<(), String> {
    let kernel = kernels::fixed(planner.target.dialect, File::Sample, entry, definitions);
    let total = index(total)?;
    args.push(Arg::Int(total as i32));
    if total > 0 {
        let blocks = [total.div_ceil(THREADS), 1, 1];
        planner.launch(Work::Kernel { kernel, blocks, threads: THREADS, shared: 0, args }, cost);
    }
    Ok(())
}

fn grid_sample(planner: &mut Planner<'_>, node: &Node) -> Result<(), String> {
    let (x_id, grid_id) = (planner.input(node, 0)?, planner.input(node, 1)?);
    let (x, dtype) = planner.compute_view(x_id)?;
    let (grid, grid_dtype) = planner.dense(grid_id)?;
    let grid = planner.widened(grid, grid_dtype)?;
    let rank = x.shape.len().saturating_sub(2);
    let fits = (1..=3).contains(&rank)
        && grid.shape.len() == rank + 2
        && grid.shape[rank + 1] == rank as u64
        && grid.shape[0] == x.shape[0];
    if !fits || x.shape[2..].contains(&0) {
        return Err(format!("a grid of {:?} for data of {:?}", grid.shape, x.shape));
    }
    let mode = match text(node, "mode", "linear") {
        "nearest" => "0",
        "linear" | "bilinear" => "1",
        "cubic" | "bicubic" => "2",
        other => return Err(format!("mode {other} is unknown")),
    };
    let beyond = match text(node, "padding_mode", "zeros") {
        "zeros" => "0",
        "border" => "1",
        "reflection" => "2",
        other => return Err(format!("padding mode {other} is unknown")),
    };
    let align = if int(node, "align_corners", 0) != 0 { "1" } else { "0" };
    let points: u64 = grid.shape[1..=rank].iter().product();
    let y = planner.buffer(x.dtype, [&x.shape[..2], &grid.shape[1..=rank]].concat());
    let name = kernels::name(x.dtype).ok_or("strings cannot be sampled")?;
    let args = vec![
        Arg::Place((&x).into()),
        Arg::Place((&grid).into()),
        Arg::Place((&y).into()),
        Arg::Words(walk(&x.shape[2..], &x.steps[2..])?),
        Arg::Int(x.steps[0] as i32),
        Arg::Int(x.steps[1] as i32),
        Arg::Int(x.shape[1] as i32),
        Arg::Int(points as i32),
    ];
    index(x.elements().max(y.elements()))?;
    let cost = Cost { bytes: 2 * y.elements() * x.dtype.size().unwrap_or(1) as u64, operations: 8 * y.elements() };
    let definitions = [("T", name), ("MODE", mode), ("BEYOND", beyond), ("ALIGN", align)];
    launch(planner, "grid_sample", &definitions, x.shape[0] * points, cost, args)?;
    planner.set_view(node, y, dtype);
    Ok(())
}

/// The places that affine transformations lead each element of an output to: a product with all of them.
fn affine_grid(planner: &mut Planner<'_>, node: &Node) -> Result<(), String> {
    let id = planner.input(node, 0)?;
    let size = integers(planner.host(planner.input(node, 1)?)?)?;
    let (shape, dtype) = planner.kind(id)?;
    let sizes: Vec<u64> = size.iter().map(|size| (*size).max(0) as u64).collect();
    let rank = sizes.len().saturating_sub(2) as u64;
    if rank == 0 || shape != [sizes[0], rank, rank + 1] {
        return Err(format!("transformations {shape:?} for a size of {sizes:?}"));
    }
    let align = int(node, "align_corners", 0) != 0;
    let unit = |at: u64, length: u64| match (align, length) {
        (true, 1) => 0.0,
        (true, _) => 2.0 * at as f64 / (length - 1) as f64 - 1.0,
        (false, _) => (2.0 * at as f64 + 1.0) / length as f64 - 1.0,
    };
    let points: u64 = sizes[2..].iter().product();
    index(points * (rank + 1))?;
    let mut places = Vec::with_capacity((points * (rank + 1)) as usize);
    for point in 0..points {
        let mut rest = point;
        // Coordinates run x, y, z while dimensions run z, y, x.
        for length in sizes[2..].iter().rev() {
            places.push(unit(rest % length, *length));
            rest /= length;
        }
        places.push(1.0);
    }
    let places = planner.known_numbers(dtype, &[points, rank + 1], &places)?;
    let turned = planner.transpose_to(id, &[0, 2, 1])?;
    let grid = planner.apply("MatMul", &[places, turned], &[])?;
    let shape = [&sizes[..1], &sizes[2..], &[rank]].concat();
    let y = planner.reshape_to(grid, &shape)?;
    planner.give(node, 0, y)
}

/// For each result along a dimension, the places and weights of its elements; no places stand for a result outside.
pub(super) type Taps = Vec<Vec<(u64, f32)>>;

/// Weighted sums along dimension `d`.
pub(super) fn weigh(planner: &mut Planner<'_>, x: &View, d: usize, taps: &Taps, outside: f32) -> Result<View, String> {
    let mut shape = x.shape.clone();
    shape[d] = taps.len() as u64;
    let width = taps.iter().map(Vec::len).max().unwrap_or(0).max(1);
    let (mut places, mut weights) = (Vec::new(), Vec::new());
    for row in taps {
        let first = if row.is_empty() { -1.0 } else { 0.0 };
        for t in 0..width {
            let (place, weight) =
                row.get(t).map_or((first, 0.0), |(place, weight)| (*place as f64, f64::from(*weight)));
            places.push(place);
            weights.push(weight);
        }
    }
    let table = [taps.len() as u64, width as u64];
    let constant = |planner: &mut Planner<'_>, tensor: Tensor, dtype| planner.constant(&tensor, dtype, Form::Plain);
    let places = constant(planner, tensor(DType::I32, &table, &places)?, DType::I32)?;
    let weights = constant(planner, tensor(DType::F32, &table, &weights)?, DType::F32)?;
    let y = planner.buffer(x.dtype, shape);
    let name = kernels::name(x.dtype).ok_or("strings cannot be resized")?;
    let inner: u64 = x.shape[d + 1..].iter().product();
    let mut args = vec![
        Arg::Place(x.into()),
        Arg::Place((&places).into()),
        Arg::Place((&weights).into()),
        Arg::Place((&y).into()),
    ];
    args.extend([width as u64, x.shape[d], taps.len() as u64, inner].map(|value| Arg::Int(value as i32)));
    args.push(Arg::Float(outside));
    let cost = Cost {
        bytes: (x.elements() + y.elements()) * x.dtype.size().unwrap_or(1) as u64,
        operations: 2 * y.elements() * width as u64,
    };
    index(x.elements())?;
    launch(planner, "taps", &[("T", name)], y.elements(), cost, args)?;
    Ok(y)
}
