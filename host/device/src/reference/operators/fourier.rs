//! Discrete Fourier transforms.

use std::f64::consts::TAU;

use super::layout::around;
use super::numeric::{doubles, integer, of_doubles, size};
use super::{Attributes, Kernel, Table, axis};
use crate::reference::array::count;

pub(super) const OPERATORS: Table = &[("", "DFT", dft), ("", "STFT", stft)];

type Complex = (f64, f64);

/// The transform of a line: halves of even length are transformed on their own, odd lengths term by term.
fn transform(line: &[Complex], sign: f64) -> Vec<Complex> {
    let n = line.len();
    let turn = |k: usize| (sign * TAU * k as f64 / n as f64).sin_cos();
    if n <= 1 || !n.is_multiple_of(2) {
        let term = |k: usize| {
            line.iter().enumerate().fold((0.0, 0.0), |(re, im), (index, (a, b))| {
                let (sin, cos) = turn(index * k % n);
                (re + a * cos - b * sin, im + a * sin + b * cos)
            })
        };
        return (0..n).map(term).collect();
    }
    let half = |start: usize| transform(&line.iter().skip(start).step_by(2).copied().collect::<Vec<_>>(), sign);
    let (even, odd) = (half(0), half(1));
    let at = |k: usize| {
        let ((sin, cos), (a, b)) = (turn(k), odd[k % (n / 2)]);
        let (re, im) = even[k % (n / 2)];
        (re + a * cos - b * sin, im + a * sin + b * cos)
    };
    (0..n).map(at).collect()
}

/// The axis is an attribute below operator set 20, an input from there on.
fn dft(attributes: &Attributes<'_>) -> Result<Kernel, String> {
    let given = attributes.int("axis", if attributes.opset() < 20 { 1 } else { -2 })?;
    let (inverse, half) = (attributes.int("inverse", 0)? != 0, attributes.int("onesided", 0)? != 0);
    Ok(Box::new(move |inputs| {
        let data = inputs.get(0)?;
        let (parts, dims) =
            data.shape.split_last().filter(|(parts, _)| matches!(parts, 1 | 2)).ok_or_else(|| {
                format!("expected a last axis of 1 (real) or 2 (complex), got shape {:?}", data.shape)
            })?;
        let at = axis(inputs.optional(2).map_or(Ok(given), integer)?, data.shape.len())?;
        if at == dims.len() {
            return Err("the axis is that of real and imaginary parts".to_owned());
        }
        let (outer, present, inner) = around(dims, at);
        // Half a spectrum back to real numbers: the other half is its mirror image.
        let to_real = inverse && half;
        let default = if to_real { 2 * present.saturating_sub(1) } else { present };
        let length =
            inputs.optional(1).map_or(Ok(default), |length| size(integer(length)?, "the transform's length"))?;
        let bins = if half && !inverse { length / 2 + 1 } else { length };
        let values = doubles(data)?;
        let element = |index: usize| (values[index * parts], if *parts == 2 { values[index * parts + 1] } else { 0.0 });
        let mut shape = dims.to_vec();
        shape[at] = bins;
        shape.push(if to_real { 1 } else { 2 });
        let mut result = vec![0.0; count(&shape)?];
        for row in 0..outer {
            for column in 0..inner {
                let value = |place: usize| {
                    let mirrored = to_real && place > length / 2;
                    let from = if mirrored { length - place } else { place };
                    let (re, im) =
                        if from < present { element((row * present + from) * inner + column) } else { (0.0, 0.0) };
                    (re, if mirrored { -im } else { im })
                };
                let line: Vec<Complex> = (0..length).map(value).collect();
                let scale = if inverse { 1.0 / length as f64 } else { 1.0 };
                let transformed = transform(&line, if inverse { 1.0 } else { -1.0 });
                for (bin, (re, im)) in transformed.into_iter().take(bins).enumerate() {
                    let index = (row * bins + bin) * inner + column;
                    if to_real {
                        result[index] = re * scale;
                    } else {
                        (result[2 * index], result[2 * index + 1]) = (re * scale, im * scale);
                    }
                }
            }
        }
        Ok(vec![of_doubles(data.elements.dtype(), shape, result)?])
    }))
}

/// Transforms of overlapping frames, each weighed by a window.
fn stft(attributes: &Attributes<'_>) -> Result<Kernel, String> {
    let half = attributes.int("onesided", 1)? != 0;
    Ok(Box::new(move |inputs| {
        let (signal, step) = (inputs.get(0)?, size(integer(inputs.get(1)?)?, "frame_step")?);
        let (batch, total, parts) = match signal.shape[..] {
            [batch, total] => (batch, total, 1),
            [batch, total, parts @ (1 | 2)] => (batch, total, parts),
            _ => return Err(format!("expected a signal [batch, length, 1 or 2], got {:?}", signal.shape)),
        };
        let window = inputs.optional(2).map(doubles).transpose()?;
        let given = inputs.optional(3).map(|length| size(integer(length)?, "frame_length")).transpose()?;
        let length = given.or(window.as_ref().map(Vec::len)).unwrap_or(total);
        let window = window.unwrap_or_else(|| vec![1.0; length.min(total)]);
        if step == 0 || length == 0 || length > total || window.len() != length {
            return Err(format!("frames of {length}, {step} apart, with a window of {}, of {total}", window.len()));
        }
        let (frames, bins) = ((total - length) / step + 1, if half { length / 2 + 1 } else { length });
        let shape = vec![batch, frames, bins, 2];
        let (values, mut result) = (doubles(signal)?, Vec::with_capacity(count(&shape)?));
        for row in 0..batch {
            for frame in 0..frames {
                let value = |place: usize| {
                    let index = (row * total + frame * step + place) * parts;
                    (values[index] * window[place], if parts == 2 { values[index + 1] * window[place] } else { 0.0 })
                };
                let line: Vec<Complex> = (0..length).map(value).collect();
                result.extend(transform(&line, -1.0).into_iter().take(bins).flat_map(|(re, im)| [re, im]));
            }
        }
        Ok(vec![of_doubles(signal.elements.dtype(), shape, result)?])
    }))
}
