//! Normalisations that need no learned factors.

use super::elementwise::zip;
use super::layout::around;
use super::numeric::{doubles, of_doubles};
use super::reduce_axes::reduced;
use super::{Attributes, Kernel, Table, axis};

pub(super) const OPERATORS: Table =
    &[("", "LRN", across_channels), ("", "LpNormalization", lp), ("", "MeanVarianceNormalization", mean_variance)];

/// Divides by a power of the squares of neighbouring channels.
fn across_channels(attributes: &Attributes<'_>) -> Result<Kernel, String> {
    let float = |name: &str, default: f32| attributes.float(name, default).map(f64::from);
    let (alpha, beta, bias) = (float("alpha", 1e-4)?, float("beta", 0.75)?, float("bias", 1.0)?);
    let size =
        usize::try_from(attributes.int("size", 0)?).ok().filter(|size| *size > 0).ok_or("size is not positive")?;
    Ok(Box::new(move |inputs| {
        let data = inputs.get(0)?;
        let at = axis(1, data.shape.len())?;
        let (outer, channels, inner) = around(&data.shape, at);
        let values = doubles(data)?;
        let mut result = values.clone();
        for image in 0..outer {
            for channel in 0..channels {
                let first = channel.saturating_sub((size - 1) / 2);
                let last = channel.saturating_add(size / 2).min(channels - 1);
                for place in 0..inner {
                    let index = |channel: usize| (image * channels + channel) * inner + place;
                    let squares: f64 = (first..=last).map(|near| values[index(near)].powi(2)).sum();
                    result[index(channel)] /= (bias + alpha / size as f64 * squares).powf(beta);
                }
            }
        }
        Ok(vec![of_doubles(data.elements.dtype(), data.shape.clone(), result)?])
    }))
}

/// Divides by the sum of absolutes (p = 1) or the root of the sum of squares (p = 2) along an axis; zeros stay.
fn lp(attributes: &Attributes<'_>) -> Result<Kernel, String> {
    let wanted = attributes.int("axis", -1)?;
    let norm: fn(&[f64]) -> f64 = match attributes.int("p", 2)? {
        1 => |line| line.iter().map(|x| x.abs()).sum(),
        2 => |line| line.iter().map(|x| x * x).sum::<f64>().sqrt(),
        other => return Err(format!("p is {other}, expected 1 or 2")),
    };
    Ok(Box::new(move |inputs| {
        let data = inputs.get(0)?;
        let (shape, norms) = reduced(data, &[axis(wanted, data.shape.len())?], norm)?;
        let divide = |x: &f64, norm: &f64| if *norm == 0.0 { 0.0 } else { x / norm };
        let result = zip((&doubles(data)?, &data.shape), (&norms, &shape), divide)?;
        Ok(vec![of_doubles(data.elements.dtype(), data.shape.clone(), doubles(&result)?)?])
    }))
}

fn mean_variance(attributes: &Attributes<'_>) -> Result<Kernel, String> {
    let given = if attributes.has("axes") { attributes.ints("axes")? } else { vec![0, 2, 3] };
    Ok(Box::new(move |inputs| {
        let data = inputs.get(0)?;
        let axes: Vec<usize> = given.iter().map(|at| axis(*at, data.shape.len())).collect::<Result<_, _>>()?;
        let mean = |line: &[f64]| line.iter().sum::<f64>() / line.len() as f64;
        let (shape, means) = reduced(data, &axes, mean)?;
        let centred = zip((&doubles(data)?, &data.shape), (&means, &shape), |x, mean| x - mean)?;
        let squares = |line: &[f64]| (line.iter().map(|x| x * x).sum::<f64>() / line.len() as f64).sqrt();
        let (shape, deviations) = reduced(&centred, &axes, squares)?;
        let result = zip((&doubles(&centred)?, &data.shape), (&deviations, &shape), |x, by| x / (by + 1e-9))?;
        Ok(vec![of_doubles(data.elements.dtype(), data.shape.clone(), doubles(&result)?)?])
    }))
}
