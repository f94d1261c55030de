//! Products of matrices.

use super::elementwise::{broadcast, strides};
use super::shape::offsets;
use super::{Attributes, Kernel, Table};
use crate::reference::array::{Array, Element, Elements, count};
use crate::reference::multiply::{Matrix, Number, multiply};

pub(super) const OPERATORS: Table = &[("", "MatMul", matmul), ("", "Gemm", gemm)];

fn matmul(_: &Attributes<'_>) -> Result<Kernel, String> {
    Ok(Box::new(|inputs| {
        let (left, right) = (inputs.get(0)?, inputs.get(1)?);
        Ok(vec![match &left.elements {
            Elements::F32(_) => stacked::<f32>(left, right)?,
            Elements::F64(_) => stacked::<f64>(left, right)?,
            other => return Err(format!("{} is not supported here", other.dtype())),
        }])
    }))
}

/// Multiplies the matrices of the last two axes and broadcasts the others. A vector is a row on the left, a column on
/// the right, and that axis is not in the result.
pub(super) fn stacked<T: Element + Number>(left: &Array, right: &Array) -> Result<Array, String> {
    let (Some(a), Some(b)) = (left.get::<T>(), right.get::<T>()) else {
        return Err("both matrices must have the same element type".to_owned());
    };
    let (outer_a, m, k) = match *left.shape {
        [] => return Err("a scalar is no matrix".to_owned()),
        [k] => (&[][..], 1, k),
        [ref outer @ .., m, k] => (outer, m, k),
    };
    let (outer_b, inner, n) = match *right.shape {
        [] => return Err("a scalar is no matrix".to_owned()),
        [k] => (&[][..], k, 1),
        [ref outer @ .., k, n] => (outer, k, n),
    };
    if k != inner {
        return Err(format!("cannot multiply {:?} by {:?}", left.shape, right.shape));
    }
    let mut shape = broadcast(outer_a, outer_b)?;
    let (from_a, from_b) = (strides(outer_a, &shape), strides(outer_b, &shape));
    let pairs: Vec<_> = offsets(&shape, &from_a).zip(offsets(&shape, &from_b)).collect();
    shape.extend((left.shape.len() > 1).then_some(m));
    shape.extend((right.shape.len() > 1).then_some(n));
    let mut product = Vec::with_capacity(count(&shape)?);
    for (i, j) in pairs {
        let a = Matrix::new(&a[i * m * k..(i + 1) * m * k], m, k)?;
        product.extend(multiply(a, Matrix::new(&b[j * k * n..(j + 1) * k * n], k, n)?)?);
    }
    Array::new(shape, product)
}

/// `alpha * A * B + beta * C`, A and B transposed where the attributes say so, C broadcast.
fn gemm(attributes: &Attributes<'_>) -> Result<Kernel, String> {
    let (alpha, beta) = (attributes.float("alpha", 1.0)?, attributes.float("beta", 1.0)?);
    let transposed = (attributes.int("transA", 0)? != 0, attributes.int("transB", 0)? != 0);
    let factors = (f64::from(alpha), f64::from(beta));
    Ok(Box::new(move |inputs| {
        let (a, b, c) = (inputs.get(0)?, inputs.get(1)?, inputs.optional(2));
        Ok(vec![match &a.elements {
            Elements::F32(_) => {
                affine::<f32>(a, b, c, transposed, |x, c| (factors.0 * f64::from(x) + factors.1 * f64::from(c)) as f32)?
            }
            Elements::F64(_) => affine::<f64>(a, b, c, transposed, |x, c| factors.0 * x + factors.1 * c)?,
            other => return Err(format!("{} is not supported here", other.dtype())),
        }])
    }))
}

fn affine<T: Element + Number>(
    a: &Array,
    b: &Array,
    c: Option<&Array>,
    transposed: (bool, bool),
    combine: impl Fn(T, T) -> T,
) -> Result<Array, String> {
    let matrix = |array: &'_ Array| match *array.shape {
        [rows, columns] => Ok((rows, columns)),
        _ => Err(format!("expected a matrix, got shape {:?}", array.shape)),
    };
    let ((ra, ca), (rb, cb)) = (matrix(a)?, matrix(b)?);
    let kind = "all matrices must have the same element type";
    let a = Matrix::new(a.get::<T>().ok_or(kind)?, ra, ca)?.transposed(transposed.0);
    let b = Matrix::new(b.get::<T>().ok_or(kind)?, rb, cb)?.transposed(transposed.1);
    let shape = vec![a.rows(), b.columns()];
    let product = multiply(a, b)?;
    let zero = Array::new(vec![], vec![T::default()])?;
    let c = c.unwrap_or(&zero);
    if broadcast(&c.shape, &shape)? != shape {
        return Err(format!("cannot add {:?} to {shape:?}", c.shape));
    }
    let added = c.get::<T>().ok_or(kind)?;
    let from_c = strides(&c.shape, &shape);
    let values = product.iter().zip(offsets(&shape, &from_c)).map(|(x, i)| combine(*x, added[i])).collect();
    Array::new(shape, values)
}
