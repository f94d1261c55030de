//! Operators of language models that go along a sequence.

use super::numeric::{doubles, integers, of_doubles, size};
use super::{Attributes, Kernel, Table};
use crate::reference::array::{Array, count};

pub(super) const OPERATORS: Table = &[
    ("", "RotaryEmbedding", rotary_embedding),
    ("", "CausalConvWithState", causal_conv),
    ("", "LinearAttention", linear_attention),
];

/// Turns pairs of elements of each head by the angle of their position. Of 4 axes the second are the heads; of 3 the
/// heads are inside the last.
fn rotary_embedding(attributes: &Attributes<'_>) -> Result<Kernel, String> {
    let interleaved = attributes.int("interleaved", 0)? != 0;
    let rotated = size(attributes.int("rotary_embedding_dim", 0)?, "rotary_embedding_dim")?;
    let heads = size(attributes.int("num_heads", 0)?, "num_heads")?;
    Ok(Box::new(move |inputs| {
        let (data, cosines, sines) = (inputs.get(0)?, inputs.get(1)?, inputs.get(2)?);
        // Offset of a head at a position: the steps of batch, head and position.
        let (batch, heads, length, head, steps) = match data.shape[..] {
            [b, h, s, d] => (b, h, s, d, [h * s * d, s * d, d]),
            [b, s, all] if heads > 0 && all % heads == 0 => (b, heads, s, all / heads, [s * all, all / heads, all]),
            _ => return Err(format!("expected [N, heads, length, size] or num_heads, got {:?}", data.shape)),
        };
        let rotated = if rotated == 0 { head } else { rotated };
        let half = rotated / 2;
        let positions = inputs.optional(3).map(integers).transpose()?;
        let (cos, sin) = (doubles(cosines)?, doubles(sines)?);
        let rows = cos.len().checked_div(half).unwrap_or(0);
        let needed = if positions.is_some() { 0 } else { batch * length };
        if half * 2 > head || cosines.shape.last() != Some(&half) || sin.len() != cos.len() || rows < needed {
            return Err(format!("tables of shape {:?} do not fit heads of {head}", cosines.shape));
        }
        let mut values = doubles(data)?;
        for (b, s) in (0..batch).flat_map(|b| (0..length).map(move |s| (b, s))) {
            let row = match &positions {
                Some(positions) => positions.get(b * length + s).and_then(|at| usize::try_from(*at).ok()),
                None => Some(b * length + s),
            };
            let row = row.filter(|row| *row < rows).ok_or("a position is missing or outside the tables")?;
            for h in 0..heads {
                let line = &mut values[b * steps[0] + h * steps[1] + s * steps[2]..][..head];
                for pair in 0..half {
                    let (i, j) = if interleaved { (2 * pair, 2 * pair + 1) } else { (pair, half + pair) };
                    let (cos, sin) = (cos[row * half + pair], sin[row * half + pair]);
                    (line[i], line[j]) = (cos * line[i] - sin * line[j], sin * line[i] + cos * line[j]);
                }
            }
        }
        Ok(vec![of_doubles(data.elements.dtype(), data.shape.clone(), values)?])
    }))
}

/// A convolution of each channel with what came before; the second output is what the next call needs of it.
fn causal_conv(attributes: &Attributes<'_>) -> Result<Kernel, String> {
    let activated = match &*attributes.string("activation", "none")? {
        b"none" => false,
        b"silu" | b"swish" => true,
        other => return Err(format!("activation '{}'", String::from_utf8_lossy(other))),
    };
    Ok(Box::new(move |inputs| {
        let (data, weights) = (inputs.get(0)?, inputs.get(1)?);
        let ([batch, channels, length], [maps, 1, taps]) = (&data.shape[..], &weights.shape[..]) else {
            return Err(format!("weights of shape {:?} do not fit data of shape {:?}", weights.shape, data.shape));
        };
        let before = taps.checked_sub(1).ok_or("the weights are empty")?;
        let lines = batch * channels;
        let past = inputs.optional(3).map_or(Ok(vec![0.0; lines * before]), doubles)?;
        let bias = inputs.optional(2).map_or(Ok(vec![0.0; *channels]), doubles)?;
        if maps != channels || past.len() != lines * before || bias.len() != *channels {
            return Err(format!("weights, bias or state do not fit data of shape {:?}", data.shape));
        }
        let (values, factors) = (doubles(data)?, doubles(weights)?);
        let (mut result, mut state) = (Vec::with_capacity(values.len()), Vec::with_capacity(past.len()));
        for line in 0..lines {
            let past = &past[line * before..(line + 1) * before];
            let padded: Vec<f64> = past.iter().chain(&values[line * length..(line + 1) * length]).copied().collect();
            let channel = line % channels;
            let factors = &factors[channel * taps..(channel + 1) * taps];
            result.extend(padded.windows(*taps).map(|window| {
                let sum = bias[channel] + window.iter().zip(factors).map(|(x, factor)| x * factor).sum::<f64>();
                if activated { sum / (1.0 + (-sum).exp()) } else { sum }
            }));
            state.extend_from_slice(&padded[*length..]);
        }
        let dtype = data.elements.dtype();
        let present = of_doubles(dtype, vec![*batch, *channels, before], state)?;
        Ok(vec![of_doubles(dtype, data.shape.clone(), result)?, present])
    }))
}

/// How the memory of a linear attention changes with a step.
#[derive(Clone, Copy)]
struct Rule {
    /// It fades by e to the input `decay`.
    fades: bool,
    /// Only what it does not hold yet is written, by the share `beta`.
    corrects: bool,
}

struct LinearAttention {
    rule: Rule,
    query_heads: usize,
    heads: usize,
    scale: f64,
}

/// Attention whose past is one matrix a head: written by keys and values, read by queries.
fn linear_attention(attributes: &Attributes<'_>) -> Result<Kernel, String> {
    let rule = match &*attributes.string("update_rule", "gated_delta")? {
        b"linear" => Rule { fades: false, corrects: false },
        b"gated" => Rule { fades: true, corrects: false },
        b"delta" => Rule { fades: false, corrects: true },
        b"gated_delta" => Rule { fades: true, corrects: true },
        other => return Err(format!("update_rule '{}'", String::from_utf8_lossy(other))),
    };
    let query_heads = size(attributes.int("q_num_heads", 0)?, "q_num_heads")?;
    let heads = size(attributes.int("kv_num_heads", 0)?, "kv_num_heads")?;
    if heads == 0 || query_heads % heads != 0 {
        return Err(format!("{query_heads} heads of queries for {heads} of keys and values"));
    }
    let attention = LinearAttention { rule, query_heads, heads, scale: attributes.float("scale", 0.0)?.into() };
    Ok(Box::new(move |inputs| {
        let arrays = [inputs.get(0)?, inputs.get(1)?, inputs.get(2)?];
        attention.run(arrays, inputs.optional(3), inputs.optional(4), inputs.optional(5))
    }))
}

impl LinearAttention {
    fn run(
        &self,
        [query, key, value]: [&Array; 3],
        past: Option<&Array>,
        decay: Option<&Array>,
        beta: Option<&Array>,
    ) -> super::Results {
        let Self { rule, query_heads, heads, .. } = *self;
        let ([batch, steps, all], [_, _, all_keys], [_, _, all_values]) =
            (&query.shape[..], &key.shape[..], &value.shape[..])
        else {
            return Err(format!("expected [N, length, heads * size], got {:?}", query.shape));
        };
        let (batch, steps) = (*batch, *steps);
        let (dk, dv) = (all_keys / heads, all_values / heads);
        let fit = |array: &Array, last: usize| array.shape == [batch, steps, last];
        if !fit(query, dk * query_heads) || !fit(key, dk * heads) || !fit(value, dv * heads) || dk * query_heads != *all
        {
            return Err(format!("queries {:?}, keys {:?} and values {:?}", query.shape, key.shape, value.shape));
        }
        let fades = side(decay.filter(|_| rule.fades), batch * steps, &[heads, heads * dk], rule.fades, "decay")?;
        let shares = side(beta.filter(|_| rule.corrects), batch * steps, &[heads, 1], rule.corrects, "beta")?;
        let mut state = past.map_or(Ok(vec![0.0; count(&[batch, heads, dk, dv])?]), doubles)?;
        if state.len() != batch * heads * dk * dv {
            return Err(format!(
                "a state of shape {:?}, expected {:?}",
                past.map(|past| &past.shape),
                [batch, heads, dk, dv]
            ));
        }
        let scale = if self.scale == 0.0 { 1.0 / (dk as f64).sqrt() } else { self.scale };
        let (q, k, v) = (doubles(query)?, doubles(key)?, doubles(value)?);
        let mut result = vec![0.0; count(&[batch, steps, query_heads, dv])?];
        for (at, head) in (0..batch * steps).flat_map(|at| (0..heads).map(move |head| (at, head))) {
            let memory = &mut state[(at / steps * heads + head) * dk * dv..][..dk * dv];
            if let Some((fades, wide)) = &fades {
                for (row, line) in memory.chunks_mut(dv.max(1)).enumerate() {
                    let place = if *wide == heads { head } else { head * dk + row };
                    let factor = fades[at * wide + place].exp();
                    line.iter_mut().for_each(|x| *x *= factor);
                }
            }
            let key = &k[(at * heads + head) * dk..][..dk];
            let mut new = v[(at * heads + head) * dv..][..dv].to_vec();
            if let Some((shares, wide)) = &shares {
                let share = shares[at * wide + if *wide == 1 { 0 } else { head }];
                let held = read(memory, key, dv);
                new.iter_mut().zip(held).for_each(|(new, held)| *new = share * (*new - held));
            }
            for (line, key) in memory.chunks_mut(dv.max(1)).zip(key) {
                line.iter_mut().zip(&new).for_each(|(x, new)| *x += key * new);
            }
            let group = query_heads / heads;
            for head in head * group..(head + 1) * group {
                let read = read(memory, &q[(at * query_heads + head) * dk..][..dk], dv);
                let target = &mut result[(at * query_heads + head) * dv..][..dv];
                target.iter_mut().zip(read).for_each(|(target, x)| *target = scale * x);
            }
        }
        let dtype = query.elements.dtype();
        let present = of_doubles(past.map_or(dtype, |past| past.elements.dtype()), vec![batch, heads, dk, dv], state)?;
        Ok(vec![of_doubles(dtype, vec![batch, steps, query_heads * dv], result)?, present])
    }
}

/// The product of a vector and the memory's matrix.
fn read(memory: &[f64], by: &[f64], columns: usize) -> Vec<f64> {
    let mut sums = vec![0.0; columns];
    for (line, factor) in memory.chunks(columns.max(1)).zip(by) {
        sums.iter_mut().zip(line).for_each(|(sum, x)| *sum += factor * x);
    }
    sums
}

/// A side input and the length of its last axis, which must be one of some.
fn side(
    array: Option<&Array>,
    rows: usize,
    widths: &[usize],
    needed: bool,
    name: &str,
) -> Result<Option<(Vec<f64>, usize)>, String> {
    let Some(array) = array else {
        return if needed { Err(format!("the rule needs the input {name}")) } else { Ok(None) };
    };
    let width = array.shape.last().copied().unwrap_or(1);
    if array.len() != rows * width || !widths.contains(&width) {
        return Err(format!("{name} of shape {:?}, expected a last axis of one of {widths:?}", array.shape));
    }
    Ok(Some((doubles(array)?, width)))
}
