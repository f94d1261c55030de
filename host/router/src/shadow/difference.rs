//! How far two answers to one request are apart.

use scorehost_core::{DType, NamedTensors, Tensor};
use scorehost_telemetry::Verdict;

/// Compares tensors of the same names, whatever their order.
pub(super) fn of_tensors(ours: &NamedTensors, theirs: &NamedTensors) -> Verdict {
    if ours.len() != theirs.len() {
        return Verdict::Differs(None);
    }
    let mut largest = 0.0;
    for our in ours {
        let their = theirs.iter().find(|their| their.name == our.name);
        match their.and_then(|their| largest_difference(&our.tensor, &their.tensor)) {
            Some(difference) => largest = f64::max(largest, difference),
            None => return Verdict::Differs(None),
        }
    }
    if largest == 0.0 { Verdict::Equal } else { Verdict::Differs(Some(largest)) }
}

/// Compares status and body; headers may differ.
pub(super) fn of_bodies(ours: (u16, &[u8]), theirs: (u16, &[u8])) -> Verdict {
    if ours == theirs { Verdict::Equal } else { Verdict::Differs(None) }
}

/// The largest difference of two elements in the same place; `None` where dtype or shape differ, and where elements that
/// are no finite numbers do.
fn largest_difference(ours: &Tensor, theirs: &Tensor) -> Option<f64> {
    if ours.dtype() != theirs.dtype() || ours.shape() != theirs.shape() {
        return None;
    }
    if ours.data() == theirs.data() {
        return Some(0.0);
    }
    let size = match ours.dtype() {
        DType::Bytes | DType::Bool => return None,
        dtype => dtype.size()?,
    };
    let pairs = ours.data().chunks_exact(size).zip(theirs.data().chunks_exact(size));
    pairs.filter(|(our, their)| our != their).try_fold(0.0, |largest, (our, their)| {
        let difference = (number(ours.dtype(), our)? - number(ours.dtype(), their)?).abs();
        difference.is_finite().then(|| f64::max(largest, difference))
    })
}

/// A little-endian element as a number; whole numbers of 64 bits are rounded to 53.
fn number(dtype: DType, element: &[u8]) -> Option<f64> {
    Some(match dtype {
        DType::U8 => f64::from(*element.first()?),
        DType::I8 => f64::from(i8::from_le_bytes(element.try_into().ok()?)),
        DType::U16 => f64::from(u16::from_le_bytes(element.try_into().ok()?)),
        DType::I16 => f64::from(i16::from_le_bytes(element.try_into().ok()?)),
        DType::U32 => f64::from(u32::from_le_bytes(element.try_into().ok()?)),
        DType::I32 => f64::from(i32::from_le_bytes(element.try_into().ok()?)),
        DType::U64 => u64::from_le_bytes(element.try_into().ok()?) as f64,
        DType::I64 => i64::from_le_bytes(element.try_into().ok()?) as f64,
        DType::F16 => half(u16::from_le_bytes(element.try_into().ok()?)),
        DType::BF16 => f64::from(f32::from_bits(u32::from(u16::from_le_bytes(element.try_into().ok()?)) << 16)),
        DType::F32 => f64::from(f32::from_le_bytes(element.try_into().ok()?)),
        DType::F64 => f64::from_le_bytes(element.try_into().ok()?),
        DType::Bool | DType::Bytes => return None,
    })
}

/// IEEE 754 binary16: 1 bit of sign, 5 of exponent, 10 of fraction.
fn half(bits: u16) -> f64 {
    let sign = if bits >> 15 == 1 { -1.0 } else { 1.0 };
    let (exponent, fraction) = (i32::from((bits >> 10) & 0x1f), f64::from(bits & 0x3ff));
    let magnitude = match exponent {
        0 => fraction * 2f64.powi(-24),
        0x1f if fraction == 0.0 => f64::INFINITY,
        0x1f => f64::NAN,
        _ => (1.0 + fraction / 1024.0) * 2f64.powi(exponent - 15),
    };
    sign * magnitude
}

#[cfg(test)]
mod tests;
