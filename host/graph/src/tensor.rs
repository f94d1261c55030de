//! Tensors of a model file.

use bytes::Bytes;
use prost::Message;
use scorehost_core::{DType, Tensor};

use crate::GraphError;
use crate::external::{Folder, locate};
use crate::ir::{ExternalTensor, Initialiser};
use crate::onnx::{EXTERNAL, TensorProto};

/// Element types by ONNX's number: dtype where [`Tensor`] has one, and bits of an element.
enum Element {
    Known(DType),
    Packed { bits: u64, meaning: &'static str },
}

fn element(name: &str, code: i32) -> Result<Element, GraphError> {
    Ok(match code {
        14 => Element::Packed { bits: 64, meaning: "complex64" },
        15 => Element::Packed { bits: 128, meaning: "complex128" },
        17..=20 => Element::Packed { bits: 8, meaning: "an 8-bit float" },
        21 | 22 => Element::Packed { bits: 4, meaning: "a 4-bit integer" },
        23 => Element::Packed { bits: 4, meaning: "a 4-bit float" },
        24 => Element::Packed { bits: 8, meaning: "an 8-bit scale" },
        25 | 26 => Element::Packed { bits: 2, meaning: "a 2-bit integer" },
        _ => Element::Known(dtype(name, code)?),
    })
}

/// The dtype of ONNX's element type number (`TensorProto.DataType`); `None` where tensors here have no such elements.
#[must_use]
pub const fn known(code: i32) -> Option<DType> {
    Some(match code {
        1 => DType::F32,
        2 => DType::U8,
        3 => DType::I8,
        4 => DType::U16,
        5 => DType::I16,
        6 => DType::I32,
        7 => DType::I64,
        8 => DType::Bytes,
        9 => DType::Bool,
        10 => DType::F16,
        11 => DType::F64,
        12 => DType::U32,
        13 => DType::U64,
        16 => DType::BF16,
        _ => return None,
    })
}

/// As [`known`], or what the element type of the tensor `name` is instead.
pub(crate) fn dtype(name: &str, code: i32) -> Result<DType, GraphError> {
    let meaning = match code {
        0 => "undefined",
        14 | 15 => "complex, which is not supported",
        17..=26 => "a packed type below 16 bits, which is not supported here",
        _ => "unknown",
    };
    known(code).ok_or_else(|| GraphError::ElementType { name: name.to_owned(), code, meaning })
}

/// Dimensions of a tensor and their product; refuses negative ones and products beyond a signed 64-bit byte count.
pub(crate) fn dimensions(name: &str, dims: &[i64]) -> Result<(Vec<u64>, u64), GraphError> {
    let refuse = || GraphError::Dimensions { name: name.to_owned(), dims: dims.to_vec() };
    let shape: Vec<u64> = dims.iter().map(|dim| u64::try_from(*dim)).collect::<Result<_, _>>().map_err(|_| refuse())?;
    // Zero dimensions count as one: the other dimensions must be possible, too.
    let bound = shape.iter().try_fold(16u64, |product, dim| product.checked_mul((*dim).max(1)));
    bound.filter(|bytes| i64::try_from(*bytes).is_ok()).ok_or_else(refuse)?;
    let elements = shape.iter().product();
    Ok((shape, elements))
}

/// Checks that a tensor's data fits its dimensions; returns its bytes.
pub(crate) fn check(proto: &TensorProto, folder: Folder<'_>) -> Result<u64, GraphError> {
    let name = &proto.name;
    let (_, elements) = dimensions(name, &proto.dims)?;
    let element = element(name, proto.data_type)?;
    let bits = match &element {
        Element::Known(dtype) => dtype.size().map(|size| size as u64 * 8),
        Element::Packed { bits, .. } => Some(*bits),
    };
    let needed = bits.map(|bits| (elements * bits).div_ceil(8));
    if proto.data_location == EXTERNAL {
        let length = needed.ok_or_else(|| strings_outside(name))?;
        locate(proto, length, folder)?;
        return Ok(length);
    }
    let (expected, actual) = match (&proto.raw_data, needed) {
        (Some(raw), Some(bytes)) => (bytes, raw.len() as u64),
        (Some(_), None) => (elements, 0),
        (None, _) => (typed_elements(&element, elements), typed_length(proto)),
    };
    if expected != actual {
        return Err(GraphError::TensorData { name: name.clone(), expected, actual });
    }
    Ok(needed.unwrap_or_else(|| proto.string_data.iter().map(|text| text.len() as u64).sum()))
}

/// Entries of the typed data field that `elements` elements take.
fn typed_elements(element: &Element, elements: u64) -> u64 {
    match element {
        Element::Known(_) => elements,
        Element::Packed { bits: bits @ (2 | 4), .. } => (elements * bits).div_ceil(8),
        // Complex numbers are two entries.
        Element::Packed { bits: 64 | 128, .. } => elements * 2,
        Element::Packed { .. } => elements,
    }
}

fn typed_length(proto: &TensorProto) -> u64 {
    let length = match proto.data_type {
        1 | 14 => proto.float_data.len(),
        7 => proto.int64_data.len(),
        8 => proto.string_data.len(),
        11 | 15 => proto.double_data.len(),
        12 | 13 => proto.uint64_data.len(),
        _ => proto.int32_data.len(),
    };
    length as u64
}

fn strings_outside(name: &str) -> GraphError {
    let problem = "cannot hold strings";
    GraphError::External { tensor: name.to_owned(), location: "another file".to_owned(), problem }
}

/// The content of a tensor that [`check`] has passed.
pub(crate) fn read(proto: &TensorProto, folder: Folder<'_>) -> Result<Initialiser, GraphError> {
    let name = &proto.name;
    let (shape, elements) = dimensions(name, &proto.dims)?;
    let dtype = match element(name, proto.data_type)? {
        Element::Known(dtype) => dtype,
        Element::Packed { meaning, .. } => return Ok(Initialiser::Unsupported { what: meaning }),
    };
    if proto.data_location == EXTERNAL {
        let length = elements * dtype.size().ok_or_else(|| strings_outside(name))? as u64;
        let (path, offset) = locate(proto, length, folder)?;
        return Ok(Initialiser::External(ExternalTensor { path, offset, length, dtype, shape }));
    }
    let tensor = match (dtype, &proto.raw_data) {
        (DType::Bytes, _) => Tensor::from_byte_strings(shape, &proto.string_data),
        (_, Some(raw)) => Tensor::new(dtype, shape, raw.clone()),
        (_, None) => Tensor::new(dtype, shape, typed_data(dtype, proto)),
    };
    tensor.map(Initialiser::Tensor).map_err(|error| GraphError::Tensor { name: name.clone(), error })
}

/// Little-endian bytes of the typed data field; small types sit in the low bits of 32-bit or 64-bit entries.
fn typed_data(dtype: DType, proto: &TensorProto) -> Bytes {
    fn low<const N: usize>(entries: impl Iterator<Item = u64>) -> Bytes {
        let low = |entry: u64| entry.to_le_bytes().into_iter().take(N);
        entries.flat_map(low).collect::<Vec<u8>>().into()
    }
    let int32 = || proto.int32_data.iter().map(|entry| *entry as u64);
    match dtype {
        DType::F32 => low::<4>(proto.float_data.iter().map(|entry| u64::from(entry.to_bits()))),
        DType::F64 => low::<8>(proto.double_data.iter().map(|entry| entry.to_bits())),
        DType::I64 => low::<8>(proto.int64_data.iter().map(|entry| *entry as u64)),
        DType::U64 => low::<8>(proto.uint64_data.iter().copied()),
        DType::U32 => low::<4>(proto.uint64_data.iter().copied()),
        DType::I32 => low::<4>(int32()),
        DType::U16 | DType::I16 | DType::F16 | DType::BF16 => low::<2>(int32()),
        DType::Bool | DType::U8 | DType::I8 | DType::Bytes => low::<1>(int32()),
    }
}

/// Reads a file that holds one tensor (the message `TensorProto`), such as the inputs and outputs of ONNX's test data.
///
/// # Errors
/// Where the bytes are no such message, or its data does not fit its dimensions; data in another file is refused.
pub fn read_tensor(bytes: Bytes) -> Result<Initialiser, GraphError> {
    let proto = TensorProto::decode(bytes)?;
    check(&proto, None)?;
    read(&proto, None)
}
