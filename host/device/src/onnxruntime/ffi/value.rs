//! Tensors in and out of ONNX Runtime, copied only where they must be.

use std::marker::PhantomData;
use std::ptr::{self, NonNull};
use std::sync::Arc;

use bytes::Bytes;
use ort::session::Session;
use ort::sys::{ONNXTensorElementDataType as Type, OrtAllocatorType, OrtMemType, OrtMemoryInfo, OrtValue};
use scorehost_core::{Copied, DType, NamedTensor, Shape, Tensor};
use smallvec::SmallVec;

use super::{check, strings};
use crate::DeviceError;
use crate::onnxruntime::message;

/// Results up to this size are copied out, which costs less than keeping the runtime's value alive for them.
const COPY: usize = 1024;

type Dims = SmallVec<[i64; 6]>;

/// Where tensors that the caller owns live: plain CPU memory.
pub(super) struct Memory(NonNull<OrtMemoryInfo>);

// SAFETY: the object is a description that nothing changes after it was made.
unsafe impl Send for Memory {}
// SAFETY: as above.
unsafe impl Sync for Memory {}

impl Memory {
    pub(super) fn cpu() -> ort::Result<Self> {
        let mut memory = ptr::null_mut();
        // SAFETY: the out pointer is valid.
        check(unsafe {
            (ort::api().CreateCpuMemoryInfo)(
                OrtAllocatorType::OrtDeviceAllocator,
                OrtMemType::OrtMemTypeDefault,
                &raw mut memory,
            )
        })?;
        NonNull::new(memory).map(Self).ok_or_else(|| ort::Error::new("no description of CPU memory"))
    }

    /// The tensor as a value; its bytes are borrowed where they lie on a multiple of the element size.
    pub(super) fn value<'t>(&self, tensor: &'t Tensor) -> ort::Result<Value<'t>> {
        let dims: Dims = tensor.shape().iter().map(|dim| *dim as i64).collect();
        let Some(size) = tensor.dtype().size() else { return strings::value(tensor, &dims) };
        let (data, length) = (tensor.data().as_ptr(), tensor.data().len());
        if length > 0 && data.align_offset(size) == 0 {
            return self.over(data, length, &dims, tensor.dtype(), None);
        }
        Copied::Align.count(length);
        let mut aligned = vec![0u64; length.div_ceil(8).max(1)];
        let target = aligned.as_mut_ptr().cast::<u8>();
        // SAFETY: the buffer was made for at least `length` bytes, and two live buffers do not overlap.
        unsafe { ptr::copy_nonoverlapping(data, target, length) };
        self.over(target.cast_const(), length, &dims, tensor.dtype(), Some(aligned))
    }

    fn over<'t>(
        &self,
        data: *const u8,
        length: usize,
        dims: &[i64],
        dtype: DType,
        aligned: Option<Vec<u64>>,
    ) -> ort::Result<Value<'t>> {
        let mut value = ptr::null_mut();
        // SAFETY: `data` has `length` readable bytes for as long as the value lives (its lifetime, or `aligned`, which
        // it owns); the runtime does not write to inputs; `dims` has the given length.
        check(unsafe {
            (ort::api().CreateTensorWithDataAsOrtValue)(
                self.0.as_ptr(),
                data.cast_mut().cast(),
                length,
                dims.as_ptr(),
                dims.len(),
                element_type(dtype),
                &raw mut value,
            )
        })?;
        let value = NonNull::new(value).ok_or_else(|| ort::Error::new("no value for an input"))?;
        Ok(Value { value, _aligned: aligned, _borrowed: PhantomData })
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        // SAFETY: owned, and released once.
        unsafe { (ort::api().ReleaseMemoryInfo)(self.0.as_ptr()) }
    }
}

/// A value of ONNX Runtime, owned; its bytes may be borrowed for `'t`.
pub(super) struct Value<'t> {
    value: NonNull<OrtValue>,
    /// A copy of bytes that did not lie on a multiple of the element size.
    _aligned: Option<Vec<u64>>,
    _borrowed: PhantomData<&'t [u8]>,
}

// SAFETY: a value is not bound to a thread, and nothing here changes one after it was made.
unsafe impl Send for Value<'_> {}
// SAFETY: as above.
unsafe impl Sync for Value<'_> {}

impl Drop for Value<'_> {
    fn drop(&mut self) {
        // SAFETY: owned, and released once.
        unsafe { (ort::api().ReleaseValue)(self.value.as_ptr()) }
    }
}

impl Value<'static> {
    /// Takes ownership of a value; `None` for null.
    ///
    /// # Safety
    /// `value` is null or a live value that nobody else releases.
    pub(super) unsafe fn from_raw(value: *mut OrtValue) -> Option<Self> {
        NonNull::new(value).map(|value| Self { value, _aligned: None, _borrowed: PhantomData })
    }

    /// The tensor that the value is. `session` made it and stays alive with it, since it may hold the bytes.
    pub(super) fn into_tensor(self, session: &Arc<Session>, inputs: &[NamedTensor]) -> Result<Tensor, DeviceError> {
        let failed = |error: ort::Error| message::run_failed(&error);
        let (dtype, shape) = self.dtype_and_shape().map_err(failed)?;
        let elements: u64 = shape.iter().product();
        let Some(size) = dtype.size() else {
            return Ok(Tensor::new(dtype, shape, strings::read(&self, elements as usize).map_err(failed)?)?);
        };
        let length = elements as usize * size;
        let data = self.data().map_err(failed)?;
        // A result may be the very memory of an input, which its owner may free, or reuse, after this call.
        let borrowed = inputs.iter().any(|input| input.tensor.data().as_ptr_range().contains(&data));
        let bytes = if length <= COPY || borrowed {
            Copied::Result.count(length);
            // SAFETY: the value holds `length` bytes from `data` on; none are read where the length is 0.
            Bytes::copy_from_slice(if length == 0 { &[] } else { unsafe { std::slice::from_raw_parts(data, length) } })
        } else {
            Bytes::from_owner(Held { _value: self, data, length, _session: session.clone() })
        };
        Ok(Tensor::new(dtype, shape, bytes)?)
    }
}

impl Value<'_> {
    pub(super) fn ptr(&self) -> *const OrtValue {
        self.value.as_ptr()
    }

    /// Takes ownership of a value that was made elsewhere in this module.
    pub(super) fn owned(value: NonNull<OrtValue>) -> Self {
        Self { value, _aligned: None, _borrowed: PhantomData }
    }

    fn data(&self) -> ort::Result<*const u8> {
        let mut data = ptr::null_mut();
        // SAFETY: the value is live and a tensor; the out pointer is valid.
        check(unsafe { (ort::api().GetTensorMutableData)(self.value.as_ptr(), &raw mut data) })?;
        Ok(data.cast_const().cast())
    }

    fn dtype_and_shape(&self) -> Result<(DType, Shape), ort::Error> {
        let api = ort::api();
        let mut info = ptr::null_mut();
        let (mut code, mut rank) = (0i32, 0usize);
        let mut dims = Dims::new();
        // SAFETY: the value is live; out pointers are valid, the type's number is read as the integer it is (a newer
        // library may know more types than the enumeration); the information is released after its last use.
        unsafe {
            check((api.GetTensorTypeAndShape)(self.value.as_ptr(), &raw mut info))?;
            let read = check((api.GetTensorElementType)(info, (&raw mut code).cast()))
                .and_then(|()| check((api.GetDimensionsCount)(info, &raw mut rank)))
                .and_then(|()| {
                    dims.resize(rank, 0);
                    check((api.GetDimensions)(info, dims.as_mut_ptr(), rank))
                });
            (api.ReleaseTensorTypeAndShapeInfo)(info);
            read?;
        }
        let dtype = DType::ALL.into_iter().find(|dtype| element_type(*dtype) as i32 == code);
        let dtype = dtype.ok_or_else(|| ort::Error::new(format!("an output has the element type {code}")))?;
        let dim = |dim: &i64| u64::try_from(*dim).map_err(|_| ort::Error::new("an output has a negative dimension"));
        Ok((dtype, dims.iter().map(dim).collect::<Result<_, _>>()?))
    }
}

/// Bytes that belong to a value.
struct Held {
    _value: Value<'static>,
    data: *const u8,
    length: usize,
    _session: Arc<Session>,
}

// SAFETY: the bytes belong to `_value`, which may move between threads, and nothing writes to them any more.
unsafe impl Send for Held {}
// SAFETY: as above.
unsafe impl Sync for Held {}

impl AsRef<[u8]> for Held {
    fn as_ref(&self) -> &[u8] {
        // SAFETY: `_value`, which is alive with `self`, holds `length` bytes from `data` on.
        unsafe { std::slice::from_raw_parts(self.data, self.length) }
    }
}

pub(super) const fn element_type(dtype: DType) -> Type {
    match dtype {
        DType::Bool => Type::ONNX_TENSOR_ELEMENT_DATA_TYPE_BOOL,
        DType::U8 => Type::ONNX_TENSOR_ELEMENT_DATA_TYPE_UINT8,
        DType::U16 => Type::ONNX_TENSOR_ELEMENT_DATA_TYPE_UINT16,
        DType::U32 => Type::ONNX_TENSOR_ELEMENT_DATA_TYPE_UINT32,
        DType::U64 => Type::ONNX_TENSOR_ELEMENT_DATA_TYPE_UINT64,
        DType::I8 => Type::ONNX_TENSOR_ELEMENT_DATA_TYPE_INT8,
        DType::I16 => Type::ONNX_TENSOR_ELEMENT_DATA_TYPE_INT16,
        DType::I32 => Type::ONNX_TENSOR_ELEMENT_DATA_TYPE_INT32,
        DType::I64 => Type::ONNX_TENSOR_ELEMENT_DATA_TYPE_INT64,
        DType::F16 => Type::ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT16,
        DType::BF16 => Type::ONNX_TENSOR_ELEMENT_DATA_TYPE_BFLOAT16,
        DType::F32 => Type::ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT,
        DType::F64 => Type::ONNX_TENSOR_ELEMENT_DATA_TYPE_DOUBLE,
        DType::Bytes => Type::ONNX_TENSOR_ELEMENT_DATA_TYPE_STRING,
    }
}
