//! Matrix products: the library's where it has the element type, a plain kernel for the others.

use std::rc::Rc;

use scorehost_core::DType;
use scorehost_graph::{Node, ValueId};

use super::attributes::{float, int, text};
use super::elementwise::{broadcast, literal};
use super::panels::{self, Activation, Right, closed};
use crate::constants::Form;
use crate::expression::{Expression, THREADS, Tree};
use crate::kernels::{self, File};
use crate::launch::{Arg, Cost, Gemm, GemmShape, Place, Work, words};
use crate::planner::{OpenCl, Planner, Value};
use crate::view::{View, elements};
use scorehost_core::Precision;

pub(super) fn matmul(planner: &mut Planner<'_>, node: &Node) -> Result<(), String> {
    let (a, b) = (planner.input(node, 0)?, planner.input(node, 1)?);
    let product = Product {
        a,
        b,
        turned: [false; 2],
        alpha: 1.0,
        bias: None,
        residual: None,
        relu: false,
        activation: Activation::default(),
    };
    let (view, dtype) = product.lower(planner)?;
    planner.set_view(node, view, dtype);
    Ok(())
}

pub(super) fn gemm(planner: &mut Planner<'_>, node: &Node) -> Result<(), String> {
    let (a, b) = (planner.input(node, 0)?, planner.input(node, 1)?);
    let turned = [int(node, "transA", 0) != 0, int(node, "transB", 0) != 0];
    let (alpha, beta) = (float(node, "alpha", 1.0), float(node, "beta", 1.0));
    let c = node.inputs.get(2).copied().flatten().filter(|_| beta != 0.0);
    let columns = *planner.kind(b)?.0.get(usize::from(!turned[1])).ok_or("expected matrices")?;
    let library = has_library(planner.kind(a)?.1);
    let bias = match c {
        Some(c) if beta == 1.0 && library => bias_of(planner, c, columns)?,
        _ => None,
    };
    let product = Product {
        a,
        b,
        turned,
        alpha,
        bias: bias.clone(),
        residual: None,
        relu: false,
        activation: Activation::default(),
    };
    let (view, dtype) = product.lower(planner)?;
    match c {
        Some(c) if bias.is_none() => {
            let shape = view.shape.clone();
            let added = planner.operand(c, &shape)?;
            let text = if beta == 1.0 {
                "($0 + $1)".to_owned()
            } else {
                format!("($0 + ({}){} * $1)", kernels::wide(dtype), literal(beta))
            };
            planner.set(node, 0, Value::Pending(super::convolution::joined(view, dtype, Some(added), &text)));
        }
        _ => planner.set_view(node, view, dtype),
    }
    Ok(())
}

/// `FusedMatMul` of domain `scorehost`: a product with a bias, a residual and an activation.
pub(super) fn fused(planner: &mut Planner<'_>, node: &Node) -> Result<(), String> {
    let (a, b) = (planner.input(node, 0)?, planner.input(node, 1)?);
    let turned = [int(node, "transA", 0) != 0, int(node, "transB", 0) != 0];
    let optional = |index: usize| node.inputs.get(index).copied().flatten();
    let shape_b = planner.kind(b)?.0;
    let columns = if shape_b.len() < 2 { 1 } else { shape_b[shape_b.len() - if turned[1] { 2 } else { 1 }] };
    let dtype = planner.kind(a)?.1;
    let library = has_library(dtype);
    let bias = match optional(2) {
        Some(id) if library => bias_of(planner, id, columns)?,
        _ => None,
    };
    // The library adds a bias a column and a residual of the product's shape; whatever broadcasts otherwise is added by the
    // kernel that reads the product.
    let shape = product_shape(&planner.kind(a)?.0, &shape_b, turned);
    let residual = match optional(3) {
        Some(id) if library && shape.as_ref() == Some(&planner.kind(id)?.0) => Some(planner.dense(id)?.0),
        _ => None,
    };
    let others: Vec<ValueId> = [(2, bias.is_some()), (3, residual.is_some())]
        .into_iter()
        .filter_map(|(index, done)| optional(index).filter(|_| !done))
        .collect();
    let activation = text(node, "activation", "");
    let own = planner.target.dialect.opencl().is_some() && library;
    let relu = activation == "Relu" && others.is_empty() && library;
    let ended = own && others.is_empty();
    let alpha = float(node, "alpha", 1.0);
    let ending = if ended {
        let number = super::convolution::activation(activation)?;
        Activation { number, parameters: super::convolution::parameters(node) }
    } else {
        Activation::default()
    };
    let product =
        Product { a, b, turned, alpha: if library { alpha } else { 1.0 }, bias, residual, relu, activation: ending };
    let (view, dtype) = product.lower(planner)?;
    if library && others.is_empty() && (relu || ended || activation.is_empty()) {
        planner.set_view(node, view, dtype);
        return Ok(());
    }
    let shape = view.shape.clone();
    let mut tree = Rc::new(Tree::Read(view));
    if !library {
        let text = format!("({}){} * $0", kernels::wide(dtype), literal(alpha));
        tree = Rc::new(Tree::Call { text, dtype, arguments: vec![tree] });
    }
    for id in others {
        let arguments = vec![tree, planner.operand(id, &shape)?];
        tree = Rc::new(Tree::Call { text: "($0 + $1)".to_owned(), dtype, arguments });
    }
    if !activation.is_empty() {
        let text = super::convolution::activation_text(node, activation, planner.target.dialect)?;
        tree = Rc::new(Tree::Call { text, dtype, arguments: vec![tree] });
    }
    planner.set(node, 0, Value::Pending(Expression { dtype, shape, tree }));
    Ok(())
}

/// Whether products of a dtype take a bias, a residual and an activation.
const fn has_library(dtype: DType) -> bool {
    matches!(dtype, DType::F32 | DType::F16 | DType::BF16)
}

/// The shape of a product; `None` where the operands have less than two dimensions.
fn product_shape(a: &[u64], b: &[u64], turned: [bool; 2]) -> Option<Vec<u64>> {
    let (rank_a, rank_b) = (a.len().checked_sub(2)?, b.len().checked_sub(2)?);
    let mut shape = broadcast(&a[..rank_a], &b[..rank_b]).ok()?;
    shape.push(a[rank_a + usize::from(turned[0])]);
    shape.push(b[rank_b + usize::from(!turned[1])]);
    Some(shape)
}

/// A constant with one element a column, as the library adds it.
fn bias_of(planner: &mut Planner<'_>, id: ValueId, columns: u64) -> Result<Option<View>, String> {
    let (shape, dtype) = planner.kind(id)?;
    if elements(&shape) != columns || shape.last() != Some(&columns) {
        return Ok(None);
    }
    // Our own kernels add it in full.
    let full = planner.target.dialect.opencl().is_some();
    let stored = if full { DType::F32 } else { planner.stored(dtype) };
    match planner.value(id)?.clone() {
        Value::Host(tensor) => planner.constant(&tensor, stored, Form::Plain).map(Some),
        _ => {
            let (view, dtype) = planner.dense(id)?;
            if full { planner.widened(view, dtype).map(Some) } else { Ok(Some(view)) }
        }
    }
}

/// A product to be lowered.
struct Product {
    a: ValueId,
    b: ValueId,
    turned: [bool; 2],
    alpha: f32,
    bias: Option<View>,
    residual: Option<View>,
    relu: bool,
    /// What ends it, where the kernels are ours.
    activation: Activation,
}

impl Product {
    fn lower(self, planner: &mut Planner<'_>) -> Result<(View, DType), String> {
        if let Some(device) = planner.target.dialect.opencl()
            && matches!(planner.kind(self.a)?.1, DType::F32 | DType::F16 | DType::BF16)
        {
            return self.by_panels(planner, device);
        }
        let ((a, dtype), (b, _)) = (planner.compute_view(self.a)?, planner.compute_view(self.b)?);
        let (vector_a, vector_b) = (a.shape.len() == 1, b.shape.len() == 1);
        let a = matrix(a, true, self.turned[0])?;
        let b = matrix(b, false, self.turned[1])?;
        let (rank_a, rank_b) = (a.shape.len(), b.shape.len());
        let (rows, depth, columns) = (a.shape[rank_a - 2], a.shape[rank_a - 1], b.shape[rank_b - 1]);
        if b.shape[rank_b - 2] != depth {
            return Err(format!("the inner dimensions of {:?} and {:?} differ", a.shape, b.shape));
        }
        let batch = broadcast(&a.shape[..rank_a - 2], &b.shape[..rank_b - 2])?;
        let mut shape = batch.clone();
        shape.extend([rows, columns]);
        let out = planner.buffer(a.dtype, shape.clone());
        self.multiply(planner, a, b, &out, &batch, dtype)?;
        let gone = |d: &usize| !(vector_a && *d == shape.len() - 2 || vector_b && *d == shape.len() - 1);
        let kept: Vec<u64> = (0..shape.len()).filter(gone).map(|d| shape[d]).collect();
        Ok((out.reshaped(&kept).ok_or("has an impossible shape")?, dtype))
    }

    /// As a product of panels, for devices without a library.
    fn by_panels(self, planner: &mut Planner<'_>, device: OpenCl) -> Result<(View, DType), String> {
        let (a, dtype) = planner.compute_view(self.a)?;
        let vector_a = a.shape.len() == 1;
        let mut a = closed(planner, matrix(a, true, self.turned[0])?, dtype)?;
        // A constant is laid out once; one with a batch of its own is packed as if it were computed.
        let constant = planner.host(self.b).ok().filter(|tensor| tensor.shape().len() == 2).cloned();
        let (b_shape, right) = match &constant {
            Some(tensor) => {
                let (rows, columns) = (tensor.shape()[0], tensor.shape()[1]);
                let shape = if self.turned[1] { vec![columns, rows] } else { vec![rows, columns] };
                (shape, Right::Constant { tensor, turned: self.turned[1] })
            }
            None => {
                let (view, _) = planner.compute_view(self.b)?;
                let view = matrix(view, false, self.turned[1])?;
                (view.shape.clone(), Right::Computed(view))
            }
        };
        let vector_b = planner.kind(self.b)?.0.len() == 1;
        let (rank_a, rank_b) = (a.shape.len(), b_shape.len());
        let (rows, depth, columns) = (a.shape[rank_a - 2], a.shape[rank_a - 1], b_shape[rank_b - 1]);
        if b_shape[rank_b - 2] != depth {
            return Err(format!("the inner dimensions of {:?} and {b_shape:?} differ", a.shape));
        }
        let batch = broadcast(&a.shape[..rank_a - 2], &b_shape[..rank_b - 2])?;
        let mut shape = batch.clone();
        shape.extend([rows, columns]);
        let out = planner.buffer(a.dtype, shape.clone());
        let mut flat = out.clone();
        let (mut residual, tall) = (self.residual.clone(), elements(&shape[..shape.len() - 1]));
        // Rows of a batch that share the second matrix are one tall matrix.
        let full = a.expanded(&[&batch[..], &[rows, depth]].concat()).and_then(|a| a.reshaped(&[tall, depth]));
        if elements(&b_shape[..rank_b - 2]) == 1
            && let Some(whole) = full
        {
            a = whole;
            flat = flat.reshaped(&[tall, columns]).ok_or("has an impossible shape")?;
            residual = residual.and_then(|view| view.reshaped(&[tall, columns]));
        }
        let right = match right {
            Right::Computed(view) if flat.shape.len() == 2 => {
                let steps = view.steps[rank_b - 2..].to_vec();
                Right::Computed(View { shape: vec![depth, columns], steps, ..view })
            }
            right => right,
        };
        let cost = Cost {
            bytes: a.dtype.size().unwrap_or(4) as u64 * (a.elements() + elements(&b_shape) + out.elements()),
            operations: 2 * out.elements() * depth,
        };
        let (bias, scale, activation) = (self.bias, self.alpha, self.activation);
        panels::Product { a, b: right, out: flat, bias, residual, scale, activation, cost }.lower(planner, device)?;
        let gone = |d: &usize| !(vector_a && *d == shape.len() - 2 || vector_b && *d == shape.len() - 1);
        let kept: Vec<u64> = (0..shape.len()).filter(gone).map(|d| shape[d]).collect();
        Ok((out.reshaped(&kept).ok_or("has an impossible shape")?, dtype))
    }

    fn multiply(
        &self,
        planner: &mut Planner<'_>,
        a: View,
        b: View,
        out: &View,
        batch: &[u64],
        dtype: DType,
    ) -> Result<(), String> {
        let depth = a.shape[a.shape.len() - 1];
        let library = has_library(a.dtype) && depth > 0 && out.elements() > 0;
        if !library {
            if self.bias.is_some() || self.residual.is_some() || self.relu || self.alpha != 1.0 {
                return Err(format!("{dtype} matrices are only multiplied, with nothing fused"));
            }
            return plain(planner, &a, &b, out, batch);
        }
        // Rows of a batch that share the second matrix are one tall matrix.
        let shared = elements(&b.shape[..b.shape.len() - 2]) == 1 && elements(batch) > 1;
        let (a, b, out, batch) = if shared {
            let rows = elements(&out.shape[..out.shape.len() - 1]);
            let tall = match a
                .expanded(&[batch, &a.shape[a.shape.len() - 2..]].concat())
                .and_then(|a| a.reshaped(&[rows, depth]))
            {
                Some(tall) => tall,
                None => planner.made_dense(&a, dtype)?.reshaped(&[rows, depth]).ok_or("has an impossible shape")?,
            };
            let last = [b.shape[b.shape.len() - 2], b.shape[b.shape.len() - 1]];
            let b = View { shape: last.to_vec(), steps: b.steps[b.steps.len() - 2..].to_vec(), ..b };
            (tall, b, out.reshaped(&[rows, last[1]]).ok_or("has an impossible shape")?, Vec::new())
        } else {
            (a, b, out.clone(), batch.to_vec())
        };
        let (a, a_laid) = operand(planner, a, &batch, dtype)?;
        let (b, b_laid) = operand(planner, b, &batch, dtype)?;
        let rank = out.shape.len();
        let shape = GemmShape {
            dtype: a.dtype,
            rows: out.shape[rank - 2],
            columns: out.shape[rank - 1],
            depth,
            turned: [a_laid.turned, b_laid.turned],
            pitch: [a_laid.pitch, b_laid.pitch, out.shape[rank - 1] as i64],
            batch: elements(&batch),
            step: [a_laid.step, b_laid.step, (out.shape[rank - 2] * out.shape[rank - 1]) as i64],
            tf32: planner.target.precision == Precision::Tf32,
        };
        push(planner, shape, self, [&a, &b, &out]);
        Ok(())
    }
}

fn push(planner: &mut Planner<'_>, shape: GemmShape, product: &Product, [a, b, d]: [&View; 3]) {
    let gemm = Gemm {
        a: Place::from(a),
        b: Place::from(b),
        d: Place::from(d),
        residual: product.residual.as_ref().map(Place::from),
        bias: product.bias.as_ref().map(Place::from),
        relu: product.relu,
        alpha: product.alpha,
        shape,
    };
    planner.launch(Work::Gemm(gemm), cost(&shape, product.residual.is_some()));
}

/// What a product must move and compute at least.
pub(super) fn cost(shape: &GemmShape, residual: bool) -> Cost {
    let size = shape.dtype.size().unwrap_or(1) as u64;
    let matrices = if shape.step[0] == 0 { 1 } else { shape.batch };
    let others = if shape.step[1] == 0 { 1 } else { shape.batch };
    let outputs = shape.batch * shape.rows * shape.columns * if residual { 2 } else { 1 };
    let elements = matrices * shape.rows * shape.depth + others * shape.depth * shape.columns + outputs;
    Cost { bytes: elements * size, operations: 2 * shape.batch * shape.rows * shape.columns * shape.depth }
}

/// At least two dimensions, turned where the node says so.
fn matrix(view: View, left: bool, turned: bool) -> Result<View, String> {
    let view = match view.shape.len() {
        0 => return Err("expected matrices, got a single element".to_owned()),
        1 => {
            let (size, step) = (view.shape[0], view.steps[0]);
            let (shape, steps) = if left { ([1, size], [0, step]) } else { ([size, 1], [step, 0]) };
            View { shape: shape.to_vec(), steps: steps.to_vec(), ..view }
        }
        _ => view,
    };
    let rank = view.shape.len();
    let mut order: Vec<usize> = (0..rank).collect();
    if turned {
        order.swap(rank - 2, rank - 1);
    }
    Ok(view.permuted(&order))
}

struct Laid {
    turned: bool,
    pitch: i64,
    step: i64,
}

/// The operand as the library can read it: one dimension without gaps, one step between matrices. Copied where it is not so.
fn operand(planner: &mut Planner<'_>, view: View, batch: &[u64], dtype: DType) -> Result<(View, Laid), String> {
    if let Some(laid) = laid(&view, batch) {
        return Ok((view, laid));
    }
    let copy = planner.made_dense(&view, dtype)?;
    let copy = if copy == view { packed(planner, &view, dtype)? } else { copy };
    match laid(&copy, batch) {
        Some(laid) => Ok((copy, laid)),
        // Broadcast in some dimensions of the batch and not in others: repeated in memory.
        None => {
            let rank = copy.shape.len();
            let full = copy.expanded(&[batch, &copy.shape[rank - 2..]].concat()).ok_or("does not broadcast")?;
            let full = packed(planner, &full, dtype)?;
            let laid = laid(&full, batch).ok_or("has steps that no matrix has")?;
            Ok((full, laid))
        }
    }
}

fn packed(planner: &mut Planner<'_>, view: &View, dtype: DType) -> Result<View, String> {
    let to = planner.buffer(view.dtype, view.shape.clone());
    let tree = Rc::new(Tree::Read(view.clone()));
    planner.store(&Expression { dtype, shape: view.shape.clone(), tree }, &to)?;
    Ok(to)
}

fn laid(view: &View, batch: &[u64]) -> Option<Laid> {
    let rank = view.shape.len();
    let (rows, columns) = (view.shape[rank - 2], view.shape[rank - 1]);
    let (row, column) = (view.steps[rank - 2], view.steps[rank - 1]);
    let (turned, pitch) = if (column == 1 || columns == 1) && (row >= columns as i64 || rows == 1) {
        (false, if rows == 1 { columns as i64 } else { row })
    } else if (row == 1 || rows == 1) && (column >= rows as i64 || columns == 1) {
        (true, if columns == 1 { rows as i64 } else { column })
    } else {
        return None;
    };
    // A single column whose rows are apart is a matrix of that pitch.
    if !turned && columns == 1 && rows > 1 && row < 1 || pitch < 1 {
        return None;
    }
    let full = view.expanded(&[batch, &view.shape[rank - 2..]].concat())?;
    let mut step = None::<(i64, u64)>;
    for d in (0..batch.len()).rev().filter(|d| batch[*d] != 1) {
        match &mut step {
            None => step = Some((full.steps[d], batch[d])),
            Some((inner, count)) if full.steps[d] == *inner * *count as i64 => *count *= batch[d],
            _ => return None,
        }
    }
    let step = step.map_or(0, |(step, _)| step);
    (step >= 0).then_some(Laid { turned, pitch, step })
}

/// One thread an element, for element types without a library.
fn plain(planner: &mut Planner<'_>, a: &View, b: &View, out: &View, batch: &[u64]) -> Result<(), String> {
    let name = kernels::name(a.dtype).ok_or("strings cannot be multiplied")?;
    let kernel = kernels::fixed(planner.target.dialect, File::Gather, "multiply", &[("T", name), ("I", "i64")]);
    let walk = |view: &View| {
        let rank = view.shape.len();
        let full = view.expanded(&[batch, &view.shape[rank - 2..]].concat()).ok_or("does not broadcast")?;
        super::gather::walk(batch, &full.steps[..batch.len()])
    };
    let rank = out.shape.len();
    let total = out.elements();
    let (last_a, last_b) = (a.shape.len() - 1, b.shape.len() - 1);
    let ints = [
        out.shape[rank - 2] as i64,
        out.shape[rank - 1] as i64,
        a.shape[last_a] as i64,
        a.steps[last_a - 1],
        a.steps[last_a],
        b.steps[last_b - 1],
        b.steps[last_b],
        total as i64,
    ];
    let mut args = vec![Arg::Place(a.into()), Arg::Place(b.into()), Arg::Place(out.into())];
    args.extend([Arg::Words(walk(a)?), Arg::Words(walk(b)?)]);
    args.extend(words(ints).into_iter().map(|word| Arg::Int(word as i32)));
    if total == 0 {
        return Ok(());
    }
    let blocks = [(total as u32).div_ceil(THREADS), 1, 1];
    let size = a.dtype.size().unwrap_or(1) as u64;
    let cost = Cost { bytes: (a.elements() + b.elements() + total) * size, operations: 2 * total * a.shape[last_a] };
    planner.launch(Work::Kernel { kernel, blocks, threads: THREADS, shared: 0, args }, cost);
    Ok(())
}
