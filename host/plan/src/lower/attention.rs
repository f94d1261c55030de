//! `FusedAttention` of domain `scorehost`; the standard's `Attention` is made of it, or of products.

mod standard;

use scorehost_core::DType;
use scorehost_graph::Node;

use super::attributes::{float, int, text};
use super::panels::{Activation, Product, Right, closed};
use crate::kernels::{self, File};
use crate::launch::{Arg, Cost, Work, words};
use crate::planner::{OpenCl, Planner};
use crate::view::View;

pub(super) use standard::{rotary, standard};

/// The largest head that the kernels hold in registers.
pub(super) const LARGEST_HEAD: u64 = 128;

/// `[batch, heads, sequence, size]`, whatever the memory's order.
fn split(view: &View, heads: u64, layout: &str) -> Result<View, String> {
    if layout.len() == 4 || view.shape.len() == 4 {
        return if view.shape.len() == 4 {
            Ok(view.clone())
        } else {
            Err(format!("expected four dimensions, got {:?}", view.shape))
        };
    }
    let [batch, sequence, width] = view.shape[..] else {
        return Err(format!("expected three dimensions, got {:?}", view.shape));
    };
    if heads == 0 || !width.is_multiple_of(heads) {
        return Err(format!("{heads} heads do not divide {width}"));
    }
    let split = view.reshaped(&[batch, sequence, heads, width / heads]).ok_or("is not in one piece")?;
    Ok(split.permuted(&[0, 2, 1, 3]))
}

pub(super) fn attention(planner: &mut Planner<'_>, node: &Node) -> Result<(), String> {
    let ids = [planner.input(node, 0)?, planner.input(node, 1)?, planner.input(node, 2)?];
    let (heads, layout) = (int(node, "heads", 0).max(0) as u64, text(node, "layout", ""));
    let mut parts = Vec::new();
    let mut declared = DType::F32;
    for id in ids {
        let (view, dtype) = planner.compute_view(id)?;
        declared = dtype;
        let mut part = split(&view, heads, layout)?;
        if part.steps[3] != 1 {
            part = planner.made_dense(&part, dtype)?;
        }
        parts.push(part);
    }
    let [q, k, v] = &parts[..] else { return Err("expected three inputs".to_owned()) };
    let [batch, heads, queries, size] = q.shape[..] else { return Err("expected four dimensions".to_owned()) };
    let keys = k.shape[2];
    let same = |view: &View, sequence| view.shape == [batch, heads, sequence, size];
    if !same(k, keys) || !same(v, keys) || size > LARGEST_HEAD {
        return Err(format!(
            "queries {:?}, keys {:?} and values {:?} do not fit this device's kernel",
            q.shape, k.shape, v.shape
        ));
    }
    let mask = match node.inputs.get(3).copied().flatten() {
        Some(id) => {
            let (mut view, dtype) = planner.compute_view(id)?;
            // Scores are in full where they are stored.
            if planner.target.dialect.opencl().is_some() {
                view = planner.widened(view, dtype)?;
            } else if view.dtype != q.dtype {
                return Err(format!("a mask of {} for elements of {}", view.dtype, q.dtype));
            }
            Some(
                view.expanded(&[batch, heads, queries, keys])
                    .ok_or_else(|| format!("mask {:?} does not broadcast", view.shape))?,
            )
        }
        None => None,
    };
    // The result is in the layout of the inputs, so that the next product reads it as it is.
    let flat = planner.kind(ids[0])?.0.len() == 3;
    let y = if flat {
        planner.buffer(q.dtype, vec![batch, queries, heads * size])
    } else {
        planner.buffer(q.dtype, q.shape.clone())
    };
    let out = if flat { split(&y, heads, "")? } else { y.clone() };
    let scale = float(node, "scale", 1.0);
    match planner.target.dialect.opencl() {
        Some(device) => products(planner, device, [q, k, v, &out], mask, scale)?,
        None => launch(planner, [q, k, v, &out], mask.as_ref(), scale)?,
    }
    planner.set_view(node, y, declared);
    Ok(())
}

/// Scores, their softmax and the weighted values, where no kernel does all of it.
fn products(
    planner: &mut Planner<'_>,
    device: OpenCl,
    [q, k, v, out]: [&View; 4],
    mask: Option<View>,
    scale: f32,
) -> Result<(), String> {
    let (batch, heads, queries, keys) = (q.shape[0], q.shape[1], q.shape[2], k.shape[2]);
    if out.elements() == 0 || keys == 0 {
        return Ok(());
    }
    let scores = planner.buffer(DType::F32, vec![batch, heads, queries, keys]);
    let residual = mask.map(|mask| closed(planner, mask, DType::F32)).transpose()?;
    let (elements, operations) = (q.elements() + k.elements(), 2 * batch * heads * queries * keys * q.shape[3]);
    let product = |a: &View, b: View, out: &View, residual, scale, elements: u64| Product {
        a: a.clone(),
        b: Right::Computed(b),
        out: out.clone(),
        bias: None,
        residual,
        scale,
        activation: Activation::default(),
        cost: Cost { bytes: 4 * elements, operations },
    };
    product(q, k.permuted(&[0, 1, 3, 2]), &scores, residual, scale, elements).lower(planner, device)?;
    let weights = super::normalise::weights(planner, &scores, keys)?;
    product(&weights, v.clone(), out, None, 1.0, v.elements() + out.elements()).lower(planner, device)
}

fn launch(planner: &mut Planner<'_>, [q, k, v, y]: [&View; 4], mask: Option<&View>, scale: f32) -> Result<(), String> {
    let (batch, heads, queries, size) = (q.shape[0], q.shape[1], q.shape[2], q.shape[3]);
    let keys = k.shape[2];
    let aligned = |view: &&View| view.start % 8 == 0 && view.steps[..3].iter().all(|step| step % 8 == 0);
    let narrow = matches!(q.dtype, DType::F16 | DType::BF16);
    let tensor = narrow
        && planner.target.dialect.has_tensor_cores()
        && size.is_multiple_of(16)
        && [q, k, v, y].iter().all(aligned);
    let (name, size_text) = (kernels::name(q.dtype).ok_or("strings cannot be attended to")?, size.to_string());
    if !matches!(q.dtype, DType::F16 | DType::BF16 | DType::F32) {
        return Err(format!("{} is not attended to on this device", q.dtype));
    }
    let definitions = [("T", name), ("HEAD", &*size_text), ("TENSOR", if tensor { "1" } else { "0" })];
    let kernel = kernels::fixed(planner.target.dialect, File::Attention, "attention", &definitions);
    let mut fields = words([heads as i64, queries as i64, keys as i64]);
    for view in [q, k, v, y] {
        fields.extend(words(view.steps[..3].iter().copied()));
    }
    fields.extend(words(mask.map_or(vec![0; 4], |mask| mask.steps.clone())));
    fields.push(scale.to_bits());
    let mut args: Vec<Arg> = [q, k, v].into_iter().map(|view| Arg::Place(view.into())).collect();
    args.push(mask.map_or(Arg::Null, |mask| Arg::Place(mask.into())));
    args.extend([Arg::Place(y.into()), Arg::Words(fields)]);
    let (rows, shared) = if tensor { (64, 3 * 64 * (size as u32 + 8) * 2) } else { (16, 0) };
    let cost = Cost {
        bytes: (q.elements() + k.elements() + v.elements() + y.elements()) * q.dtype.size().unwrap_or(1) as u64,
        operations: 4 * batch * heads * queries * keys * size,
    };
    if y.elements() > 0 && keys > 0 {
        let blocks = [queries.div_ceil(rows) as u32, (batch * heads) as u32, 1];
        planner.launch(Work::Kernel { kernel, blocks, threads: 128, shared, args }, cost);
    }
    Ok(())
}
