//! `Softmax` and `LogSoftmax` in single precision.

use super::fast;
use crate::reference::attributes::Attributes;
use crate::reference::operators::{Kernel, axis};
use crate::reference::vector::{self, dispatch, vectorised};

pub(crate) fn softmax(attributes: &Attributes<'_>) -> Result<Kernel, String> {
    along(attributes, |row| dispatch(Exponential, row))
}

pub(crate) fn log_softmax(attributes: &Attributes<'_>) -> Result<Kernel, String> {
    along(attributes, |row| dispatch(Logarithmic, row))
}

/// Applies `f` along an axis; below operator set 13 to all axes from there on together.
fn along(attributes: &Attributes<'_>, f: fn(&mut [f32])) -> Result<Kernel, String> {
    let together = attributes.opset() < 13;
    let wanted = attributes.int("axis", if together { 1 } else { -1 })?;
    fast(attributes, move |inputs| {
        let mut result = inputs.own(0)?;
        let rank = result.shape.len();
        let at = if together && wanted == rank as i64 { rank } else { axis(wanted, rank)? };
        let inner: usize = result.shape[at..].iter().product();
        let length = if together { inner } else { result.shape[at] };
        let stride = inner.checked_div(length).unwrap_or(1);
        let numbers = result.numbers_mut()?;
        if stride == 1 {
            numbers.chunks_mut(length.max(1)).for_each(f);
            return Ok(vec![result]);
        }
        let mut line = vec![0.0; length];
        for block in numbers.chunks_mut(inner.max(1)) {
            for start in 0..stride {
                line.iter_mut().zip(block[start..].iter().step_by(stride)).for_each(|(to, from)| *to = *from);
                f(&mut line);
                block[start..].iter_mut().step_by(stride).zip(&line).for_each(|(to, from)| *to = *from);
            }
        }
        Ok(vec![result])
    })
}

vectorised! {
    /// Exponentials over their sum, in place.
    pub(super) fn exponential as Exponential(row: &mut [f32]) {
        let most = vector::largest(row);
        for x in row.iter_mut() {
            *x = vector::exp(*x - most);
        }
        let share = 1.0 / vector::sum(row);
        row.iter_mut().for_each(|x| *x *= share);
    }

    fn logarithmic as Logarithmic(row: &mut [f32]) {
        let most = vector::largest(row);
        // Two passes over the exponentials: the row keeps its numbers until the sum is known.
        let (chunks, rest) = row.as_chunks::<8>();
        let mut strands = [0.0f32; 8];
        for chunk in chunks {
            for (strand, x) in strands.iter_mut().zip(chunk) {
                *strand += vector::exp(*x - most);
            }
        }
        let sum = strands.iter().sum::<f32>() + rest.iter().map(|x| vector::exp(*x - most)).sum::<f32>();
        let log = sum.ln();
        row.iter_mut().for_each(|x| *x = *x - most - log);
    }
}
