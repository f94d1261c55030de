//! Tensors whose elements come in `InferTensorContents` instead of raw bytes.

use bytes::Bytes;
use scorehost_core::{DType, Failure, Shape, Tensor};

use super::message::Contents;
use crate::oip::infer::tensor;

/// The tensor of typed contents; exactly the field of its dtype may be set.
pub(crate) fn read(name: &str, dtype: DType, shape: Shape, contents: &Contents) -> Result<Tensor, Failure> {
    let (field, count) = field(dtype, contents).ok_or_else(|| no_field(name, dtype))?;
    if count != total(contents) {
        let message = format!("{dtype} input '{name}' has contents of another type than {field}");
        return Err(Failure::invalid(message));
    }
    let data = encode(dtype, contents).ok_or_else(|| out_of_range(name, dtype))?;
    tensor(name, dtype, shape, data)
}

fn no_field(name: &str, dtype: DType) -> Failure {
    Failure::invalid(format!("{dtype} input '{name}' has no typed contents")).with_hint("send it in raw_input_contents")
}

fn out_of_range(name: &str, dtype: DType) -> Failure {
    Failure::invalid(format!("an element of input '{name}' is out of the range of {dtype}"))
}

/// Name and length of the field for a dtype.
const fn field(dtype: DType, contents: &Contents) -> Option<(&'static str, usize)> {
    Some(match dtype {
        DType::Bool => ("bool_contents", contents.bool_contents.len()),
        DType::I8 | DType::I16 | DType::I32 => ("int_contents", contents.int_contents.len()),
        DType::I64 => ("int64_contents", contents.int64_contents.len()),
        DType::U8 | DType::U16 | DType::U32 => ("uint_contents", contents.uint_contents.len()),
        DType::U64 => ("uint64_contents", contents.uint64_contents.len()),
        DType::F32 => ("fp32_contents", contents.fp32_contents.len()),
        DType::F64 => ("fp64_contents", contents.fp64_contents.len()),
        DType::Bytes => ("bytes_contents", contents.bytes_contents.len()),
        DType::F16 | DType::BF16 => return None,
    })
}

const fn total(contents: &Contents) -> usize {
    contents.bool_contents.len()
        + contents.int_contents.len()
        + contents.int64_contents.len()
        + contents.uint_contents.len()
        + contents.uint64_contents.len()
        + contents.fp32_contents.len()
        + contents.fp64_contents.len()
        + contents.bytes_contents.len()
}

fn encode(dtype: DType, contents: &Contents) -> Option<Bytes> {
    let ints = &contents.int_contents;
    let uints = &contents.uint_contents;
    Some(match dtype {
        DType::Bool => contents.bool_contents.iter().map(|bit| u8::from(*bit)).collect(),
        DType::I8 => narrow(ints, i8::to_le_bytes)?,
        DType::I16 => narrow(ints, i16::to_le_bytes)?,
        DType::I32 => narrow(ints, i32::to_le_bytes)?,
        DType::U8 => narrow(uints, u8::to_le_bytes)?,
        DType::U16 => narrow(uints, u16::to_le_bytes)?,
        DType::U32 => narrow(uints, u32::to_le_bytes)?,
        DType::I64 => contents.int64_contents.iter().flat_map(|value| value.to_le_bytes()).collect(),
        DType::U64 => contents.uint64_contents.iter().flat_map(|value| value.to_le_bytes()).collect(),
        DType::F32 => contents.fp32_contents.iter().flat_map(|value| value.to_le_bytes()).collect(),
        DType::F64 => contents.fp64_contents.iter().flat_map(|value| value.to_le_bytes()).collect(),
        DType::Bytes => prefixed(&contents.bytes_contents)?,
        DType::F16 | DType::BF16 => return None,
    })
}

fn narrow<W: Copy, T: TryFrom<W>, const N: usize>(values: &[W], bytes: fn(T) -> [u8; N]) -> Option<Bytes> {
    let mut out = Vec::with_capacity(values.len() * N);
    for value in values {
        out.extend_from_slice(&bytes(T::try_from(*value).ok()?));
    }
    Some(out.into())
}

fn prefixed(elements: &[Bytes]) -> Option<Bytes> {
    let mut out = Vec::with_capacity(elements.iter().map(|element| element.len() + 4).sum());
    for element in elements {
        out.extend_from_slice(&u32::try_from(element.len()).ok()?.to_le_bytes());
        out.extend_from_slice(element);
    }
    Some(out.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn contents_become_little_endian_bytes() {
        let contents = Contents { int_contents: vec![-1, 2], ..Contents::default() };
        let tensor = read("x", DType::I16, [2].as_slice().into(), &contents).unwrap();
        assert_eq!(&tensor.data()[..], [255, 255, 2, 0]);
        let contents = Contents { bytes_contents: vec![Bytes::from_static(b"ab")], ..Contents::default() };
        let tensor = read("x", DType::Bytes, [1].as_slice().into(), &contents).unwrap();
        assert_eq!(&tensor.data()[..], [2, 0, 0, 0, b'a', b'b']);
    }

    #[test]
    fn contents_of_another_type_range_or_count_are_refused() {
        let check = |dtype, contents: Contents, expected: &str| {
            let failure = read("x", dtype, [1].as_slice().into(), &contents).unwrap_err();
            assert_eq!(failure.message, expected);
        };
        let ints = |values| Contents { int_contents: values, ..Contents::default() };
        check(DType::I8, ints(vec![128]), "an element of input 'x' is out of the range of INT8");
        check(DType::F32, ints(vec![1]), "FP32 input 'x' has contents of another type than fp32_contents");
        check(DType::F16, Contents::default(), "FP16 input 'x' has no typed contents");
        check(DType::I32, ints(vec![1, 2]), "input 'x': INT32 of shape [1] needs 4 bytes, got 8");
    }
}
