//! Single tensor elements between JSON values and little-endian bytes.

use half::{bf16, f16};
use scorehost_core::DType;

/// A JSON value that may be an element.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Scalar<'a> {
    Bool(bool),
    Unsigned(u64),
    Signed(i64),
    Float(f64),
    Text(&'a str),
}

/// Appends `value` as an element of `dtype`; false where it is none.
pub(crate) fn push(out: &mut Vec<u8>, dtype: DType, value: Scalar<'_>) -> bool {
    let encoded = match dtype {
        DType::Bool => boolean(value).map(|bit| out.push(u8::from(bit))),
        DType::U8 => integer::<u8>(value).map(|v| out.push(v)),
        DType::U16 => integer::<u16>(value).map(|v| out.extend_from_slice(&v.to_le_bytes())),
        DType::U32 => integer::<u32>(value).map(|v| out.extend_from_slice(&v.to_le_bytes())),
        DType::U64 => integer::<u64>(value).map(|v| out.extend_from_slice(&v.to_le_bytes())),
        DType::I8 => integer::<i8>(value).map(|v| out.extend_from_slice(&v.to_le_bytes())),
        DType::I16 => integer::<i16>(value).map(|v| out.extend_from_slice(&v.to_le_bytes())),
        DType::I32 => integer::<i32>(value).map(|v| out.extend_from_slice(&v.to_le_bytes())),
        DType::I64 => integer::<i64>(value).map(|v| out.extend_from_slice(&v.to_le_bytes())),
        DType::F16 => float(value, f64::from(f16::MAX)).map(|v| out.extend_from_slice(&f16::from_f64(v).to_le_bytes())),
        DType::BF16 => {
            float(value, f64::from(bf16::MAX)).map(|v| out.extend_from_slice(&bf16::from_f64(v).to_le_bytes()))
        }
        DType::F32 => float(value, f64::from(f32::MAX)).map(|v| out.extend_from_slice(&(v as f32).to_le_bytes())),
        DType::F64 => float(value, f64::MAX).map(|v| out.extend_from_slice(&v.to_le_bytes())),
        DType::Bytes => bytes(out, value),
    };
    encoded.is_some()
}

fn boolean(value: Scalar<'_>) -> Option<bool> {
    match value {
        Scalar::Bool(bit) => Some(bit),
        Scalar::Unsigned(0) => Some(false),
        Scalar::Unsigned(1) => Some(true),
        _ => None,
    }
}

fn integer<T: TryFrom<u64> + TryFrom<i64>>(value: Scalar<'_>) -> Option<T> {
    match value {
        Scalar::Unsigned(value) => T::try_from(value).ok(),
        Scalar::Signed(value) => T::try_from(value).ok(),
        _ => None,
    }
}

/// A number of at most `max` in magnitude; JSON has no other way to say the special values than by name.
fn float(value: Scalar<'_>, max: f64) -> Option<f64> {
    let value = match value {
        Scalar::Float(value) => value,
        Scalar::Unsigned(value) => value as f64,
        Scalar::Signed(value) => value as f64,
        Scalar::Text("NaN") => return Some(f64::NAN),
        Scalar::Text("Infinity") => return Some(f64::INFINITY),
        Scalar::Text("-Infinity") => return Some(f64::NEG_INFINITY),
        Scalar::Text(_) | Scalar::Bool(_) => return None,
    };
    (value.abs() <= max).then_some(value)
}

fn bytes(out: &mut Vec<u8>, value: Scalar<'_>) -> Option<()> {
    let Scalar::Text(text) = value else { return None };
    let length = u32::try_from(text.len()).ok()?;
    out.extend_from_slice(&length.to_le_bytes());
    out.extend_from_slice(text.as_bytes());
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(dtype: DType, value: Scalar<'_>, expected: Option<&[u8]>) {
        let mut out = Vec::new();
        let fits = push(&mut out, dtype, value);
        assert_eq!(fits.then_some(out.as_slice()), expected, "{dtype} {value:?}");
    }

    #[test]
    fn values_within_the_type_are_little_endian_and_others_are_refused() {
        check(DType::U8, Scalar::Unsigned(255), Some(&[255]));
        check(DType::U8, Scalar::Unsigned(256), None);
        check(DType::U8, Scalar::Signed(-1), None);
        check(DType::I16, Scalar::Signed(-2), Some(&[254, 255]));
        check(DType::I64, Scalar::Unsigned(u64::MAX), None);
        check(DType::U64, Scalar::Unsigned(u64::MAX), Some(&[255; 8]));
        check(DType::I32, Scalar::Float(1.0), None);
        check(DType::Bool, Scalar::Bool(true), Some(&[1]));
        check(DType::Bool, Scalar::Unsigned(2), None);
        check(DType::F16, Scalar::Float(1.0), Some(&[0, 0x3c]));
        check(DType::F16, Scalar::Float(1e5), None);
        check(DType::BF16, Scalar::Float(1.0), Some(&[0x80, 0x3f]));
        check(DType::F32, Scalar::Unsigned(1), Some(&1f32.to_le_bytes()));
        check(DType::F32, Scalar::Float(1e39), None);
        check(DType::F32, Scalar::Text("-Infinity"), Some(&f32::NEG_INFINITY.to_le_bytes()));
        check(DType::F32, Scalar::Text("one"), None);
        check(DType::F64, Scalar::Bool(true), None);
        check(DType::Bytes, Scalar::Text("é"), Some(&[2, 0, 0, 0, 0xc3, 0xa9]));
        check(DType::Bytes, Scalar::Unsigned(1), None);
    }
}
