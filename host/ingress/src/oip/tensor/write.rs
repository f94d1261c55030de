//! Writes the `data` of an output.

use bytes::{BufMut, BytesMut};
use half::{bf16, f16};
use scorehost_core::{DType, Failure, NamedTensor};

use crate::json::{push_integer, push_string};

/// Appends a flat list of the elements. NaN and infinities become the strings `"NaN"`, `"Infinity"`, `"-Infinity"`, which
/// numpy reads as numbers again, because JSON has no other form for them.
pub(crate) fn push_data(out: &mut BytesMut, output: &NamedTensor) -> Result<(), Failure> {
    let data: &[u8] = output.tensor.data();
    match output.tensor.dtype() {
        DType::Bool => list(out, data.iter(), |out, bit| out.put_slice(if *bit == 1 { b"true" } else { b"false" })),
        DType::U8 => list(out, data.iter(), |out, value| push_integer(out, *value)),
        DType::U16 => numbers(out, data, |out, bytes| push_integer(out, u16::from_le_bytes(bytes))),
        DType::U32 => numbers(out, data, |out, bytes| push_integer(out, u32::from_le_bytes(bytes))),
        DType::U64 => numbers(out, data, |out, bytes| push_integer(out, u64::from_le_bytes(bytes))),
        DType::I8 => numbers(out, data, |out, bytes| push_integer(out, i8::from_le_bytes(bytes))),
        DType::I16 => numbers(out, data, |out, bytes| push_integer(out, i16::from_le_bytes(bytes))),
        DType::I32 => numbers(out, data, |out, bytes| push_integer(out, i32::from_le_bytes(bytes))),
        DType::I64 => numbers(out, data, |out, bytes| push_integer(out, i64::from_le_bytes(bytes))),
        DType::F16 => numbers(out, data, |out, bytes| push_float(out, f16::from_le_bytes(bytes).to_f32())),
        DType::BF16 => numbers(out, data, |out, bytes| push_float(out, bf16::from_le_bytes(bytes).to_f32())),
        DType::F32 => numbers(out, data, |out, bytes| push_float(out, f32::from_le_bytes(bytes))),
        DType::F64 => numbers(out, data, |out, bytes| push_float(out, f64::from_le_bytes(bytes))),
        DType::Bytes => return strings(out, output),
    }
    Ok(())
}

fn list<T>(out: &mut BytesMut, items: impl Iterator<Item = T>, mut push: impl FnMut(&mut BytesMut, T)) {
    out.put_u8(b'[');
    for (place, item) in items.enumerate() {
        if place > 0 {
            out.put_u8(b',');
        }
        push(out, item);
    }
    out.put_u8(b']');
}

fn numbers<const N: usize>(out: &mut BytesMut, data: &[u8], mut push: impl FnMut(&mut BytesMut, [u8; N])) {
    list(out, data.as_chunks::<N>().0.iter(), |out, bytes| push(out, *bytes));
}

fn push_float<F: ryu::Float + Into<f64>>(out: &mut BytesMut, value: F) {
    let wide: f64 = value.into();
    if wide.is_finite() {
        out.put_slice(ryu::Buffer::new().format_finite(value).as_bytes());
    } else {
        let name: &[u8] = match wide {
            f64::INFINITY => b"\"Infinity\"",
            f64::NEG_INFINITY => b"\"-Infinity\"",
            _ => b"\"NaN\"",
        };
        out.put_slice(name);
    }
}

fn strings(out: &mut BytesMut, output: &NamedTensor) -> Result<(), Failure> {
    let mut texts = Vec::new();
    for (place, element) in output.tensor.byte_strings().enumerate() {
        texts.push(std::str::from_utf8(element).map_err(|_| not_text(&output.name, place))?);
    }
    list(out, texts.into_iter(), push_string);
    Ok(())
}

#[cold]
fn not_text(name: &str, place: usize) -> Failure {
    Failure::invalid(format!("element {place} of output '{name}' is not UTF-8, so JSON cannot hold it"))
        .with_hint("ask for the output with the parameter \"binary_data\": true")
}

#[cfg(test)]
mod tests {
    use scorehost_core::Tensor;

    use super::*;

    fn check(tensor: Tensor, expected: &str) {
        let mut out = BytesMut::new();
        push_data(&mut out, &NamedTensor::new("y", tensor)).unwrap();
        assert_eq!(out, expected);
        serde_json::from_slice::<serde_json::Value>(&out).unwrap();
    }

    #[test]
    fn every_dtype_is_valid_json() {
        let raw = |dtype, data: &'static [u8]| {
            let elements = data.len() / DType::size(dtype).unwrap();
            Tensor::new(dtype, [elements as u64].as_slice(), data.into()).unwrap()
        };
        check(raw(DType::Bool, &[1, 0]), "[true,false]");
        check(raw(DType::U8, &[1, 255]), "[1,255]");
        check(raw(DType::U16, &[1, 1]), "[257]");
        check(raw(DType::U32, &[1, 0, 0, 0]), "[1]");
        check(raw(DType::U64, &[255; 8]), "[18446744073709551615]");
        check(raw(DType::I8, &[255]), "[-1]");
        check(raw(DType::I16, &[255, 255]), "[-1]");
        check(raw(DType::I32, &[255, 255, 255, 255]), "[-1]");
        check(raw(DType::I64, &[255; 8]), "[-1]");
        check(raw(DType::F16, &[0, 0x3c]), "[1.0]");
        check(raw(DType::BF16, &[0x80, 0x3f]), "[1.0]");
        check(raw(DType::F64, &[0, 0, 0, 0, 0, 0, 0xf0, 0x3f]), "[1.0]");
        let special = [1.5, f32::NAN, f32::INFINITY, f32::NEG_INFINITY];
        check(Tensor::from_f32([4].as_slice(), &special).unwrap(), r#"[1.5,"NaN","Infinity","-Infinity"]"#);
        check(Tensor::from_byte_strings([2].as_slice(), ["a\"b", ""]).unwrap(), r#"["a\"b",""]"#);
    }

    #[test]
    fn bytes_that_are_no_text_need_the_binary_form() {
        let tensor = Tensor::from_byte_strings([1].as_slice(), [[0xff]]).unwrap();
        let failure = push_data(&mut BytesMut::new(), &NamedTensor::new("y", tensor)).unwrap_err();
        assert_eq!(failure.message, "element 0 of output 'y' is not UTF-8, so JSON cannot hold it");
    }
}
