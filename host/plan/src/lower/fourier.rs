//! Fourier transforms as products with cosines and sines.

use std::f64::consts::TAU;

use scorehost_core::DType;
use scorehost_graph::{Node, ValueId};

use super::Lower;
use super::attributes::{axis, int, integers};
use super::compose::{along, number};
use crate::planner::Planner;

/// Elements of a matrix of waves at most: longer transforms have better ways than a product.
const LARGEST: u64 = 1 << 24;

pub(super) fn find(name: &str) -> Option<Lower> {
    Some(match name {
        "DFT" => transform,
        "STFT" => frames,
        _ => return None,
    })
}

/// A transform of lines.
#[derive(Clone, Copy)]
struct Wave {
    /// Elements that there are, and of the result.
    present: u64,
    bins: u64,
    length: u64,
    inverse: bool,
    /// Half a spectrum back to real numbers.
    to_real: bool,
}

impl Wave {
    /// Cosines and sines `[present, bins]`; of half a spectrum each element stands for its mirror image as well.
    fn matrices(self, planner: &mut Planner<'_>, dtype: DType) -> Result<[ValueId; 2], String> {
        let used = self.present.min(self.length);
        if self.length == 0 || used.saturating_mul(self.bins) > LARGEST {
            return Err(format!("a transform of {} elements is too long for this device", self.length));
        }
        let (mut cosines, mut sines) = (Vec::new(), Vec::new());
        for place in 0..used {
            let mirrored = self.to_real && place > 0 && 2 * place < self.length;
            let beyond = self.to_real && 2 * place > self.length;
            let weight = if beyond { 0.0 } else { f64::from(1 + u8::from(mirrored)) };
            let scale = if self.inverse { weight / self.length as f64 } else { 1.0 };
            for bin in 0..self.bins {
                let angle = TAU * ((place * bin) % self.length) as f64 / self.length as f64;
                cosines.push(scale * angle.cos());
                sines.push(scale * if self.inverse { angle.sin() } else { -angle.sin() });
            }
        }
        let shape = [used, self.bins];
        Ok([planner.known_numbers(dtype, &shape, &cosines)?, planner.known_numbers(dtype, &shape, &sines)?])
    }

    /// Transforms `[…, present, parts]` along its last dimension but one: `[…, bins, 2]`, or 1 part where the result is real.
    fn apply(self, planner: &mut Planner<'_>, x: ValueId) -> Result<ValueId, String> {
        let (shape, dtype) = planner.kind(x)?;
        let rank = shape.len();
        let [cosines, sines] = self.matrices(planner, dtype)?;
        let used = self.present.min(self.length) as i64;
        let x = planner.cut(x, rank - 2, 0, used, 1)?;
        let lines = [&shape[..rank - 2], &[used as u64]].concat();
        let part = |planner: &mut Planner<'_>, at: i64| -> Result<ValueId, String> {
            let part = planner.cut(x, rank - 1, at, at + 1, 1)?;
            planner.reshape_to(part, &lines)
        };
        let real = part(planner, 0)?;
        let imaginary = if shape[rank - 1] == 2 { Some(part(planner, 1)?) } else { None };
        let product = |planner: &mut Planner<'_>, line, wave| planner.apply("MatMul", &[line, wave], &[]);
        let mut parts = vec![product(planner, real, cosines)?];
        if !self.to_real {
            parts.push(product(planner, real, sines)?);
        }
        if let Some(imaginary) = imaginary {
            let other = product(planner, imaginary, sines)?;
            parts[0] = planner.apply("Sub", &[parts[0], other], &[])?;
            if !self.to_real {
                let other = product(planner, imaginary, cosines)?;
                parts[1] = planner.apply("Add", &[parts[1], other], &[])?;
            }
        }
        let apart = [&shape[..rank - 2], &[self.bins, 1]].concat();
        let parts = parts.into_iter().map(|part| planner.reshape_to(part, &apart)).collect::<Result<Vec<_>, _>>()?;
        planner.apply("Concat", &parts, &[along(rank - 1)])
    }
}

/// One number that is known while planning.
fn known(planner: &Planner<'_>, id: ValueId) -> Result<i64, String> {
    integers(planner.host(id)?)?.first().copied().ok_or_else(|| "a number is missing".to_owned())
}

fn transform(planner: &mut Planner<'_>, node: &Node) -> Result<(), String> {
    let id = planner.input(node, 0)?;
    let shape = planner.kind(id)?.0;
    let rank = shape.len();
    if rank < 2 || !matches!(shape[rank - 1], 1 | 2) {
        return Err(format!("expected a last dimension of 1 or 2, got {shape:?}"));
    }
    let given = match node.input(2) {
        Some(at) => known(planner, at)?,
        None => int(node, "axis", if node.opset < 20 { 1 } else { -2 }),
    };
    let d = axis(given, rank)?;
    if d == rank - 1 {
        return Err("the dimension is that of real and imaginary parts".to_owned());
    }
    let (inverse, half) = (int(node, "inverse", 0) != 0, int(node, "onesided", 0) != 0);
    let (present, to_real) = (shape[d], inverse && half);
    let length = match node.input(1) {
        Some(length) => known(planner, length)?.max(0) as u64,
        None if to_real => 2 * present.saturating_sub(1),
        None => present,
    };
    let bins = if half && !inverse { length / 2 + 1 } else { length };
    let mut order: Vec<usize> = (0..rank).collect();
    order.swap(d, rank - 2);
    let turned = planner.transpose_to(id, &order)?;
    let y = Wave { present, bins, length, inverse, to_real }.apply(planner, turned)?;
    let y = planner.transpose_to(y, &order)?;
    planner.give(node, 0, y)
}

/// Transforms of overlapping frames, each weighed by a window.
fn frames(planner: &mut Planner<'_>, node: &Node) -> Result<(), String> {
    let mut x = planner.input(node, 0)?;
    let step = known(planner, planner.input(node, 1)?)?;
    let mut shape = planner.kind(x)?.0;
    if shape.len() == 2 {
        shape.push(1);
        x = planner.reshape_to(x, &shape)?;
    }
    let [batch, total, parts @ (1 | 2)] = shape[..] else { return Err(format!("expected a signal, got {shape:?}")) };
    let window = match node.input(2) {
        Some(window) => Some((window, planner.kind(window)?.0.iter().product::<u64>())),
        None => None,
    };
    let given = match node.input(3) {
        Some(length) => Some(known(planner, length)?.max(0) as u64),
        None => None,
    };
    let length = given.or(window.map(|(_, length)| length)).unwrap_or(total);
    let fits = window.is_none_or(|(_, own)| own == length);
    if step < 1 || length == 0 || length > total || !fits {
        return Err(format!("frames of {length}, {step} apart, of {total}"));
    }
    let count = (total - length) / step as u64 + 1;
    super::convolution::index(batch * count * length * parts)?;
    let places: Vec<i64> =
        (0..count as i64).flat_map(|frame| (0..length as i64).map(move |place| frame * step + place)).collect();
    let places = planner.known_ints(&[count, length], &places)?;
    let mut lines = planner.apply("Gather", &[x, places], &[("axis", number(1))])?;
    if let Some((window, _)) = window {
        let window = planner.reshape_to(window, &[length, 1])?;
        lines = planner.apply("Mul", &[lines, window], &[])?;
    }
    let bins = if int(node, "onesided", 1) != 0 { length / 2 + 1 } else { length };
    let y = Wave { present: length, bins, length, inverse: false, to_real: false }.apply(planner, lines)?;
    planner.give(node, 0, y)
}
