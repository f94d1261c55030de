//! String tensors, which the runtime keeps as objects of its own and so are always copied.

use std::ptr::{self, NonNull};

use bytes::Bytes;
use ort::sys::ONNXTensorElementDataType as Type;
use scorehost_core::Tensor;

use super::check;
use super::value::Value;

/// A string tensor with the bytes of `tensor`, NUL characters included.
pub(super) fn value<'t>(tensor: &Tensor, dims: &[i64]) -> ort::Result<Value<'t>> {
    let api = ort::api();
    let (mut allocator, mut value) = (ptr::null_mut(), ptr::null_mut());
    // SAFETY: out pointers are valid, `dims` has the given length; the default allocator is never released.
    unsafe {
        check((api.GetAllocatorWithDefaultOptions)(&raw mut allocator))?;
        let string = Type::ONNX_TENSOR_ELEMENT_DATA_TYPE_STRING;
        check((api.CreateTensorAsOrtValue)(allocator, dims.as_ptr(), dims.len(), string, &raw mut value))?;
    }
    let pointer = NonNull::new(value).ok_or_else(|| ort::Error::new("no value for an input"))?;
    let value = Value::owned(pointer);
    for (index, element) in tensor.byte_strings().enumerate() {
        let mut buffer = ptr::null_mut();
        // SAFETY: the value is live and has an element for every one of `tensor`; the buffer that is handed out holds
        // exactly the bytes asked for.
        unsafe {
            let length = element.len();
            check((api.GetResizedStringTensorElementBuffer)(pointer.as_ptr(), index, length, &raw mut buffer))?;
            ptr::copy_nonoverlapping(element.as_ptr(), buffer.cast(), length);
        }
    }
    Ok(value)
}

/// The `elements` strings of a value as length-prefixed bytes.
pub(super) fn read(value: &Value<'_>, elements: usize) -> ort::Result<Bytes> {
    let api = ort::api();
    let mut length = 0;
    // SAFETY: the value is live and a string tensor; the out pointer is valid.
    check(unsafe { (api.GetStringTensorDataLength)(value.ptr(), &raw mut length) })?;
    let mut content = vec![0u8; length];
    let mut starts = vec![0usize; elements];
    // SAFETY: both buffers have the lengths that are given.
    check(unsafe {
        (api.GetStringTensorContent)(value.ptr(), content.as_mut_ptr().cast(), length, starts.as_mut_ptr(), elements)
    })?;
    let mut bytes = Vec::with_capacity(length + 4 * elements);
    for (index, start) in starts.iter().enumerate() {
        let end = starts.get(index + 1).copied().unwrap_or(length);
        let element = content.get(*start..end).ok_or_else(|| ort::Error::new("strings out of order"))?;
        bytes.extend_from_slice(&(element.len() as u32).to_le_bytes());
        bytes.extend_from_slice(element);
    }
    Ok(bytes.into())
}
