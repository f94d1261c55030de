//! Products of matrices with what follows them.

use super::activation::{Activation, Bias};
use super::fast;
use super::norm::stretched;
use crate::reference::array::{Array, Elements, count, memory};
use crate::reference::attributes::Attributes;
use crate::reference::multiply::{Matrix, Target, multiply_into};
use crate::reference::operators::elementwise::{broadcast, strides};
use crate::reference::operators::shape::offsets;
use crate::reference::operators::{Arguments, Kernel};

/// `factor * left * right`, the last two axes of either transposed where wanted.
#[derive(Clone, Copy)]
struct Product {
    transposed: (bool, bool),
    factor: f32,
}

/// `MatMul` in single precision, to which half precision is widened.
pub(crate) fn matmul(attributes: &Attributes<'_>) -> Result<Kernel, String> {
    let product = Product { transposed: (false, false), factor: 1.0 };
    let run = move |inputs: &mut Arguments<'_>| Ok(vec![product.stacked(inputs.get(0)?, inputs.get(1)?)?]);
    let all = fast(attributes, run)?;
    Ok(Box::new(move |inputs| match &inputs.get(0)?.elements {
        Elements::F16(_) | Elements::BF16(_) => super::in_single(inputs, run),
        _ => all(inputs),
    }))
}

/// `FusedMatMul`: a product, then a bias, a residual and an activation.
pub(crate) fn fused(attributes: &Attributes<'_>) -> Result<Kernel, String> {
    let transposed = (attributes.int("transA", 0)? != 0, attributes.int("transB", 0)? != 0);
    let product = Product { transposed, factor: attributes.float("alpha", 1.0)? };
    let activation = Activation::read(attributes)?;
    Ok(super::single(move |inputs| {
        let mut result = product.stacked(inputs.get(0)?, inputs.get(1)?)?;
        let residual = inputs.optional(3).map(|residual| stretched(residual, &result.shape)).transpose()?;
        finish(&mut result, inputs.optional(2), residual.as_deref(), activation)?;
        Ok(vec![result])
    }))
}

/// Adds a bias that stretches to the result, and a residual; activates.
fn finish(
    result: &mut Array,
    bias: Option<&Array>,
    residual: Option<&[f32]>,
    activation: Activation,
) -> Result<(), String> {
    let width = result.shape.last().copied().unwrap_or(1);
    let bias = match bias {
        None => None,
        // One row for all rows, in any number of leading ones.
        Some(bias) if bias.len() == width && bias.shape.last() == Some(&width) => Some(bias.typed::<f32>()?.into()),
        Some(bias) => Some(stretched(bias, &result.shape)?),
    };
    let numbers = result.numbers_mut()?;
    match bias.as_deref() {
        Some(bias) if bias.len() != numbers.len() => {
            for (index, row) in numbers.chunks_mut(width.max(1)).enumerate() {
                let residual = residual.map(|all| &all[index * width..(index + 1) * width]);
                activation.finish(row, Bias::Each(bias), residual);
            }
        }
        Some(bias) => activation.finish(numbers, Bias::Each(bias), residual),
        None => activation.finish(numbers, Bias::None, residual),
    }
    Ok(())
}

impl Product {
    /// Multiplies the matrices of the last two axes and broadcasts the others. A vector is a row on the left, a column on
    /// the right, and that axis is not in the result.
    fn stacked(self, left: &Array, right: &Array) -> Result<Array, String> {
        let sides = Sides::of(left, right, self.transposed)?;
        let (a, b) = (left.typed::<f32>()?, right.typed::<f32>()?);
        let (m, k, n) = sides.sizes;
        let shape = sides.shape();
        let mut result = memory::numbers(count(&shape)?);
        if result.is_empty() {
            return Array::of(shape, result);
        }
        // One matrix on the right: all rows on the left are one matrix, too.
        if sides.outer.1.is_empty() && !self.transposed.0 {
            let a = Matrix::new(a, result.len() / n, k)?;
            let b = Matrix::new(b, sides.right.0, sides.right.1)?.transposed(self.transposed.1);
            multiply_into(Target { elements: result.to_mut(), stride: n, add: false }, self.factor, a, b)?;
            return Array::of(shape, result);
        }
        let outer = &sides.stacked;
        let (from_a, from_b) = (strides(sides.outer.0, outer), strides(sides.outer.1, outer));
        let pairs = offsets(outer, &from_a).zip(offsets(outer, &from_b));
        for (target, (i, j)) in result.to_mut().chunks_mut((m * n).max(1)).zip(pairs) {
            let a = Matrix::new(&a[i * m * k..(i + 1) * m * k], sides.left.0, sides.left.1)?;
            let b = Matrix::new(&b[j * k * n..(j + 1) * k * n], sides.right.0, sides.right.1)?;
            let target = Target { elements: target, stride: n, add: false };
            multiply_into(target, self.factor, a.transposed(self.transposed.0), b.transposed(self.transposed.1))?;
        }
        Array::of(shape, result)
    }
}

/// The shapes of both sides of a product.
struct Sides<'a> {
    outer: (&'a [usize], &'a [usize]),
    /// Rows and columns as they are stored.
    left: (usize, usize),
    right: (usize, usize),
    /// Rows, inner dimension and columns of the product.
    sizes: (usize, usize, usize),
    stacked: Vec<usize>,
    vectors: (bool, bool),
}

impl<'a> Sides<'a> {
    fn of(left: &'a Array, right: &'a Array, transposed: (bool, bool)) -> Result<Self, String> {
        let (outer_a, rows, inner) = match *left.shape {
            [] => return Err("a scalar is no matrix".to_owned()),
            [k] => (&[][..], 1, k),
            [ref outer @ .., m, k] => (outer, m, k),
        };
        let (outer_b, depth, columns) = match *right.shape {
            [] => return Err("a scalar is no matrix".to_owned()),
            [k] => (&[][..], k, 1),
            [ref outer @ .., k, n] => (outer, k, n),
        };
        let (m, k) = if transposed.0 { (inner, rows) } else { (rows, inner) };
        let (k_right, n) = if transposed.1 { (columns, depth) } else { (depth, columns) };
        if k != k_right {
            return Err(format!("cannot multiply {:?} by {:?}", left.shape, right.shape));
        }
        Ok(Self {
            outer: (outer_a, outer_b),
            left: (rows, inner),
            right: (depth, columns),
            sizes: (m, k, n),
            stacked: broadcast(outer_a, outer_b)?,
            vectors: (left.shape.len() == 1, right.shape.len() == 1),
        })
    }

    fn shape(&self) -> Vec<usize> {
        let mut shape = self.stacked.clone();
        shape.extend((!self.vectors.0).then_some(self.sizes.0));
        shape.extend((!self.vectors.1).then_some(self.sizes.2));
        shape
    }
}

/// `Gemm` in single precision: `alpha * A * B + beta * C`, A and B transposed where the attributes say so, C stretched.
pub(crate) fn gemm(attributes: &Attributes<'_>) -> Result<Kernel, String> {
    let transposed = (attributes.int("transA", 0)? != 0, attributes.int("transB", 0)? != 0);
    let product = Product { transposed, factor: attributes.float("alpha", 1.0)? };
    let beta = attributes.float("beta", 1.0)?;
    fast(attributes, move |inputs| {
        let (a, b) = matrices(inputs)?;
        let mut result = product.stacked(a, b)?;
        let c = inputs.optional(2);
        let scaled = match c {
            Some(c) if beta != 1.0 => {
                Some(Array::new(c.shape.clone(), c.typed::<f32>()?.iter().map(|x| x * beta).collect())?)
            }
            _ => None,
        };
        finish(&mut result, scaled.as_ref().or(c), None, Activation::None)?;
        Ok(vec![result])
    })
}

fn matrices<'a>(inputs: &'a Arguments<'_>) -> Result<(&'a Array, &'a Array), String> {
    let (a, b) = (inputs.get(0)?, inputs.get(1)?);
    let fits = a.shape.len() == 2 && b.shape.len() == 2;
    if fits { Ok((a, b)) } else { Err(format!("expected matrices, got shapes {:?} and {:?}", a.shape, b.shape)) }
}
