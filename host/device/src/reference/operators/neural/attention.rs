//! Scaled dot-product attention (Vaswani et al., *Attention Is All You Need*, 2017).

mod standard;

pub(crate) use standard::attention;

use super::single;
use super::softmax::Exponential;
use crate::reference::array::{Array, count};
use crate::reference::attributes::Attributes;
use crate::reference::multiply::{Matrix, Number, Target, multiply_into};
use crate::reference::operators::Kernel;
use crate::reference::operators::elementwise::strides;
use crate::reference::vector::dispatch;

/// How the heads of a tensor lie in memory: element (batch, head, row, column).
#[derive(Clone, Copy)]
struct Layout {
    batches: usize,
    heads: usize,
    rows: usize,
    size: usize,
    /// Elements from one batch, head and row to the next.
    steps: (usize, usize, usize),
}

impl Layout {
    /// `BSH`: \[batch, sequence, heads * size\]; `BNSH`: \[batch, heads, sequence, size\].
    fn of(shape: &[usize], heads: usize) -> Result<Self, String> {
        match *shape {
            [batches, rows, width] if heads > 0 && width % heads == 0 => {
                let size = width / heads;
                Ok(Self { batches, heads, rows, size, steps: (rows * width, size, width) })
            }
            [batches, heads, rows, size] => {
                Ok(Self { batches, heads, rows, size, steps: (heads * rows * size, rows * size, size) })
            }
            _ => Err(format!("shape {shape:?} does not hold {heads} heads")),
        }
    }

    fn start(&self, batch: usize, head: usize) -> usize {
        batch * self.steps.0 + head * self.steps.1
    }

    /// The matrix of one head.
    fn matrix<'a>(&self, values: &'a [f32], batch: usize, head: usize) -> Result<Matrix<'a, f32>, String> {
        Matrix::strided(&values[self.start(batch, head)..], self.rows, self.size, self.steps.2)
    }
}

/// A mask that is added to the scores: its numbers and the steps of its axes, 0 where it repeats.
struct Mask<'a> {
    values: &'a [f32],
    steps: Vec<usize>,
}

impl<'a> Mask<'a> {
    fn of(mask: &'a Array, scores: &[usize]) -> Result<Self, String> {
        if crate::reference::operators::elementwise::broadcast(&mask.shape, scores)? != scores {
            return Err(format!("a mask of shape {:?} does not stretch to {scores:?}", mask.shape));
        }
        Ok(Self { values: mask.typed::<f32>()?, steps: strides(&mask.shape, scores) })
    }

    fn add(&self, scores: &mut [f32], batch: usize, head: usize, columns: usize) {
        let start = batch * self.steps[0] + head * self.steps[1];
        for (row, scores) in scores.chunks_exact_mut(columns).enumerate() {
            let from = start + row * self.steps[2];
            match self.steps[3] {
                0 => scores.iter_mut().for_each(|score| *score += self.values[from]),
                _ => scores.iter_mut().zip(&self.values[from..]).for_each(|(score, mask)| *score += mask),
            }
        }
    }
}

/// `FusedAttention` (see `scorehost_graph::fuse`).
pub(crate) fn fused(attributes: &Attributes<'_>) -> Result<Kernel, String> {
    let heads = usize::try_from(attributes.int("heads", 1)?).map_err(|_| "a negative number of heads")?;
    let scale = attributes.float("scale", 1.0)?;
    Ok(single(move |inputs| {
        let [query, key, value] = [inputs.get(0)?, inputs.get(1)?, inputs.get(2)?];
        let layouts = [query, key, value].map(|array| Layout::of(&array.shape, heads));
        let [of_query, of_key, of_value] = layouts;
        let (of_query, of_key, of_value) = (of_query?, of_key?, of_value?);
        if (of_key.batches, of_key.heads, of_key.size) != (of_query.batches, of_query.heads, of_query.size)
            || (of_value.batches, of_value.heads, of_value.rows) != (of_key.batches, of_key.heads, of_key.rows)
        {
            return Err(format!("{:?}, {:?} and {:?} do not fit", query.shape, key.shape, value.shape));
        }
        let scores = [of_query.batches, of_query.heads, of_query.rows, of_key.rows];
        let mask = inputs.optional(3).map(|mask| Mask::of(mask, &scores)).transpose()?;
        let mut shape = query.shape.clone();
        if let Some(last) = shape.last_mut() {
            *last = if query.shape.len() == 3 { heads * of_value.size } else { of_value.size };
        }
        let of_result = Layout::of(&shape, heads)?;
        let (query, key, value) = (query.typed()?, key.typed()?, value.typed()?);
        let mut result = f32::scratch(count(&shape)?);
        let mut block = f32::scratch(count(&scores[2..])?);
        for (batch, head) in (0..of_query.batches).flat_map(|batch| (0..of_query.heads).map(move |head| (batch, head)))
        {
            let (q, k) = (of_query.matrix(query, batch, head)?, of_key.matrix(key, batch, head)?);
            let scores = block.to_mut();
            let target = Target { elements: &mut *scores, stride: of_key.rows, add: false };
            multiply_into(target, scale, q, k.transposed(true))?;
            if of_key.rows > 0 {
                mask.iter().for_each(|mask| mask.add(scores, batch, head, of_key.rows));
                scores.chunks_exact_mut(of_key.rows).for_each(|row| dispatch(Exponential, row));
            }
            let shares = Matrix::new(scores, of_query.rows, of_key.rows)?;
            let start = of_result.start(batch, head).min(result.len());
            let target = Target { elements: &mut result.to_mut()[start..], stride: of_result.steps.2, add: false };
            multiply_into(target, 1.0, shares, of_value.matrix(value, batch, head)?)?;
        }
        f32::recycle(block);
        Ok(vec![Array::of(shape, result)?])
    }))
}
