//! `MaxUnpool`.

use super::super::window::sizes;
use crate::reference::array::count;
use crate::reference::attributes::Attributes;
use crate::reference::operators::Kernel;
use crate::reference::operators::numeric::{doubles, of_doubles};

/// Writes each element where pooling found it, into a tensor of zeros. Places count through the whole tensor that pooling
/// had; a larger one that is asked for has it in its first corner.
pub(crate) fn max_unpool(attributes: &Attributes<'_>) -> Result<Kernel, String> {
    let (kernel, strides, pads) =
        (sizes(attributes, "kernel_shape")?, sizes(attributes, "strides")?, sizes(attributes, "pads")?);
    Ok(Box::new(move |inputs| {
        let (input, places) = (inputs.get(0)?, inputs.get(1)?);
        if input.shape != places.shape || input.shape.len() != kernel.len() + 2 {
            return Err(format!("elements {:?}, their places {:?}, a window {kernel:?}", input.shape, places.shape));
        }
        let mut shape = input.shape.clone();
        let rank = kernel.len();
        for (at, window) in kernel.iter().enumerate() {
            let entry = |list: &[usize], index: usize, default: usize| list.get(index).copied().unwrap_or(default);
            let reach = shape[at + 2].saturating_sub(1).checked_mul(entry(&strides, at, 1));
            let size = reach.and_then(|reach| reach.checked_add(*window)).ok_or("the strides are too large")?;
            let cut = entry(&pads, at, 0).saturating_add(entry(&pads, rank + at, 0));
            shape[at + 2] = size.checked_sub(cut).ok_or("the pads are larger than what they pad")?;
        }
        let wanted = match inputs.optional(2) {
            None => shape.clone(),
            Some(given) => {
                let size = |size: i64| usize::try_from(size).map_err(|_| format!("output_shape holds {size}"));
                given.to_i64()?.into_iter().map(size).collect::<Result<Vec<_>, _>>()?
            }
        };
        if wanted.len() != shape.len() || wanted.iter().zip(&shape).any(|(wanted, own)| wanted < own) {
            return Err(format!("an output of {wanted:?} does not hold what was {shape:?} before pooling"));
        }
        let targets: Vec<usize> = {
            let all = count(&shape)?;
            let place = |at: i64| usize::try_from(at).ok().filter(|at| *at < all);
            let targets = places.to_i64()?.into_iter().map(|at| place(at).map(|at| moved(at, &shape, &wanted)));
            targets.collect::<Option<_>>().ok_or_else(|| format!("a place is outside of {all} elements"))?
        };
        let many = count(&wanted)?;
        let mut result = vec![0.0; many];
        doubles(input)?.into_iter().zip(targets).for_each(|(value, at)| result[at] = value);
        Ok(vec![of_doubles(input.elements.dtype(), wanted, result)?])
    }))
}

/// The same place in a larger shape.
fn moved(at: usize, from: &[usize], to: &[usize]) -> usize {
    let (mut rest, mut place, mut step) = (at, 0, 1);
    for (from, to) in from.iter().zip(to).rev() {
        place += rest % from * step;
        (rest, step) = (rest / from, step * to);
    }
    place
}
