//! Constants in the forms that kernels want, each made and uploaded once for all plans of a graph.

use std::collections::HashMap;

use bytes::Bytes;
use half::{bf16, f16};
use scorehost_core::{DType, Tensor};
use sha2::{Digest, Sha256};

/// How a constant is laid out on the device.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Form {
    /// As it is.
    Plain,
    /// `[out, in, kernel…]` as `[out, kernel…, in]`, `in` filled up with zeros to this number.
    ChannelsLast { padded: u64 },
    /// `[channels, 1, kernel…]` as `[kernel…, channels]`.
    Depthwise,
    /// `[depth, columns]`, or `[columns, depth]` where it is turned, as `[panel, depth, width]`, columns filled up with zeros.
    Panels { width: u64, turned: bool },
    /// `[out, in, kernel…]` as `[group, panel, kernel…, in, width]`, outputs of a group filled up with zeros.
    ConvolutionPanels { width: u64, groups: u64 },
}

/// Constants of a graph, in the order of their first use.
#[derive(Default)]
pub struct Constants {
    by_key: HashMap<([u8; 32], DType, Form), usize>,
    /// Bytes that are not on the device yet; empty once they are.
    pub pending: Vec<(usize, Bytes)>,
    pub(crate) count: usize,
    /// Digests of large tensors by address; the bytes are kept, so that no other tensor can come to the same address.
    digests: HashMap<(usize, usize), ([u8; 32], Bytes)>,
}

impl Constants {
    /// The number of a constant in a form and stored dtype.
    pub(crate) fn get(&mut self, tensor: &Tensor, stored: DType, form: Form) -> Result<usize, String> {
        let key = (self.digest(tensor), stored, form);
        if let Some(id) = self.by_key.get(&key) {
            return Ok(*id);
        }
        let bytes = arranged(tensor, stored, form)?;
        let id = self.count;
        self.count += 1;
        self.by_key.insert(key, id);
        self.pending.push((id, Bytes::from(bytes)));
        Ok(id)
    }

    /// Small tensors, which planning makes anew, are hashed each time.
    fn digest(&mut self, tensor: &Tensor) -> [u8; 32] {
        let hash = || {
            let mut hash = Sha256::new();
            hash.update([tensor.dtype() as u8]);
            tensor.shape().iter().for_each(|size| hash.update(size.to_le_bytes()));
            hash.update((tensor.shape().len() as u64).to_le_bytes());
            hash.update(tensor.data());
            hash.finalize().into()
        };
        if tensor.data().len() < 65536 {
            return hash();
        }
        let key = (tensor.data().as_ptr() as usize, tensor.data().len());
        let fresh = || (Sha256::digest(tensor.data()).into(), tensor.data().clone());
        let content = self.digests.entry(key).or_insert_with(fresh).0;
        let mut hash = Sha256::new();
        hash.update(content);
        hash.update([tensor.dtype() as u8]);
        tensor.shape().iter().for_each(|size| hash.update(size.to_le_bytes()));
        hash.finalize().into()
    }
}

fn arranged(tensor: &Tensor, stored: DType, form: Form) -> Result<Vec<u8>, String> {
    let bytes = stored_as(tensor, stored)?;
    let size = stored.size().ok_or("strings cannot be on this device")?;
    let shape = tensor.shape();
    Ok(match form {
        Form::Plain => bytes,
        Form::ChannelsLast { padded } => {
            let (out, channels, taps) =
                (shape[0] as usize, shape[1] as usize, shape[2..].iter().product::<u64>() as usize);
            let mut turned = vec![0; out * taps * padded as usize * size];
            for o in 0..out {
                for c in 0..channels {
                    for t in 0..taps {
                        let from = ((o * channels + c) * taps + t) * size;
                        let to = ((o * taps + t) * padded as usize + c) * size;
                        turned[to..to + size].copy_from_slice(&bytes[from..from + size]);
                    }
                }
            }
            turned
        }
        Form::Panels { width, turned } => {
            let (a, b) = (shape[0] as usize, shape[1..].iter().product::<u64>() as usize);
            let (depth, columns) = if turned { (b, a) } else { (a, b) };
            let from = |k: usize, n: usize| if turned { n * b + k } else { k * b + n };
            panels(&bytes, size, [1, depth, columns], width as usize, |_, k, n| from(k, n))
        }
        Form::ConvolutionPanels { width, groups } => {
            let (channels, taps) = (shape[1] as usize, shape[2..].iter().product::<u64>() as usize);
            let columns = (shape[0] / groups) as usize;
            let from =
                |g: usize, k: usize, n: usize| ((g * columns + n) * channels + k % channels) * taps + k / channels;
            panels(&bytes, size, [groups as usize, taps * channels, columns], width as usize, from)
        }
        Form::Depthwise => {
            let (channels, taps) = (shape[0] as usize, shape[1..].iter().product::<u64>() as usize);
            let mut turned = vec![0; bytes.len()];
            for c in 0..channels {
                for t in 0..taps {
                    let (from, to) = ((c * taps + t) * size, (t * channels + c) * size);
                    turned[to..to + size].copy_from_slice(&bytes[from..from + size]);
                }
            }
            turned
        }
    })
}

/// Elements as `[group, panel, depth, width]`; `from` tells where the element of a group, depth and column is.
fn panels(
    bytes: &[u8],
    size: usize,
    [groups, depth, columns]: [usize; 3],
    width: usize,
    from: impl Fn(usize, usize, usize) -> usize,
) -> Vec<u8> {
    let count = columns.div_ceil(width);
    let mut all = vec![0; groups * count * depth * width * size];
    for g in 0..groups {
        for k in 0..depth {
            for n in 0..columns {
                let at = from(g, k, n) * size;
                let to = (((g * count + n / width) * depth + k) * width + n % width) * size;
                all[to..to + size].copy_from_slice(&bytes[at..at + size]);
            }
        }
    }
    all
}

/// The elements under another floating-point type.
fn stored_as(tensor: &Tensor, stored: DType) -> Result<Vec<u8>, String> {
    if tensor.dtype() == stored {
        return Ok(tensor.data().to_vec());
    }
    let values = floats(tensor).ok_or_else(|| format!("a {} constant cannot be stored as {stored}", tensor.dtype()))?;
    Ok(match stored {
        DType::F32 => values.iter().flat_map(|value| value.to_le_bytes()).collect(),
        DType::F16 => {
            narrowed(&values, f16::MAX.to_f32()).flat_map(|value| f16::from_f32(value).to_le_bytes()).collect()
        }
        DType::BF16 => {
            narrowed(&values, bf16::MAX.to_f32()).flat_map(|value| bf16::from_f32(value).to_le_bytes()).collect()
        }
        _ => return Err(format!("a {} constant cannot be stored as {stored}", tensor.dtype())),
    })
}

/// Whether all finite numbers of a constant are in the range of a narrower type.
pub(crate) fn is_within(tensor: &Tensor, stored: DType) -> bool {
    let most = match stored {
        DType::F16 => f16::MAX.to_f32(),
        DType::BF16 => bf16::MAX.to_f32(),
        _ => f32::MAX,
    };
    floats(tensor).is_some_and(|values| values.iter().all(|value| !value.is_finite() || value.abs() <= most))
}

/// Numbers with those beyond the narrower type's range at its ends: exporters write the lowest F32 for "masked", which
/// must not become an infinity that is multiplied by zero.
fn narrowed(values: &[f32], most: f32) -> impl Iterator<Item = f32> {
    values.iter().map(move |value| if value.is_finite() { value.clamp(-most, most) } else { *value })
}

fn floats(tensor: &Tensor) -> Option<Vec<f32>> {
    let data = tensor.data();
    Some(match tensor.dtype() {
        DType::F32 => data.as_chunks().0.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect(),
        DType::F64 => data.as_chunks().0.iter().map(|bytes| f64::from_le_bytes(*bytes) as f32).collect(),
        DType::F16 => data.as_chunks().0.iter().map(|bytes| f16::from_le_bytes(*bytes).to_f32()).collect(),
        DType::BF16 => data.as_chunks().0.iter().map(|bytes| bf16::from_le_bytes(*bytes).to_f32()).collect(),
        _ => return None,
    })
}

#[cfg(test)]
mod tests;
