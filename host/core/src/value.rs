//! Values that may stay in a device's memory between one call and the next.

use std::any::Any;
use std::fmt;
use std::sync::{Arc, OnceLock};

use bytes::{Bytes, BytesMut};
use smallvec::SmallVec;

use crate::tensor::count;
use crate::{DType, Failure, Graph, NamedTensor, NamedTensors, Shape, Tensor, TensorError};

/// One device's memory: a graph takes values of its own memory without a copy through the host's.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct MemoryId(Arc<str>);

impl MemoryId {
    /// The memory of a device that no other device of this process is called.
    #[must_use]
    pub fn new(device: impl Into<Arc<str>>) -> Self {
        Self(device.into())
    }
}

impl fmt::Display for MemoryId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Elements in a device's memory, written once and freed with the last value over them. The room of the device implements it, and
/// finds its own again by its type.
pub trait DeviceMemory: Any + Send + Sync {
    /// Whose memory it is.
    fn id(&self) -> &MemoryId;
    /// A copy of `length` bytes from byte `offset` on; blocks until they are here.
    ///
    /// # Errors
    /// `Unavailable` where the device is lost.
    fn read(&self, offset: u64, length: u64) -> Result<Bytes, Failure>;
    /// Loads a graph in ONNX's form on the device, to work on its values.
    ///
    /// # Errors
    /// `Unsupported` where the device has no kernel for one of its operators.
    fn load(&self, onnx: &Bytes) -> Result<Arc<dyn Graph>, Failure>;
}

/// What a tensor is, wherever its elements are.
pub trait Described {
    /// Element type.
    fn dtype(&self) -> DType;
    /// Dimensions.
    fn shape(&self) -> &[u64];
    /// Bytes of all elements.
    fn byte_len(&self) -> u64;
    /// The elements, where they are in the host's memory.
    fn host(&self) -> Option<&Bytes>;

    /// Number of elements.
    fn elements(&self) -> u64 {
        // Checked when the tensor was made.
        self.shape().iter().product()
    }
}

/// Something under its input or output name.
pub trait Named {
    /// What it is.
    type Item: Described;
    /// Name of the input or output.
    fn name(&self) -> &Arc<str>;
    /// The value.
    fn item(&self) -> &Self::Item;
}

/// An immutable tensor of fixed-size elements in a device's memory. Cloning shares them.
#[derive(Clone)]
pub struct DeviceTensor {
    dtype: DType,
    shape: Shape,
    memory: Arc<dyn DeviceMemory>,
    offset: u64,
    bytes: u64,
    /// The elements in the host's memory, too, once someone has asked for them.
    fetched: Arc<OnceLock<Bytes>>,
}

impl DeviceTensor {
    /// The elements from byte `offset` of `memory` on.
    ///
    /// # Errors
    /// `Overflow` where no tensor has such a shape. Byte strings have no fixed size: `Length`.
    pub fn new(
        dtype: DType,
        shape: impl Into<Shape>,
        memory: Arc<dyn DeviceMemory>,
        offset: u64,
    ) -> Result<Self, TensorError> {
        let shape = shape.into();
        let length = || TensorError::Length { dtype, shape: shape.to_vec(), expected: 0, actual: 0 };
        let size = dtype.size().ok_or_else(length)? as u64;
        let overflow = || TensorError::Overflow(shape.to_vec());
        let bytes = count(&shape)?.checked_mul(size).ok_or_else(overflow)?;
        Ok(Self { dtype, shape, memory, offset, bytes, fetched: Arc::default() })
    }

    /// What holds the elements.
    #[must_use]
    pub const fn memory(&self) -> &Arc<dyn DeviceMemory> {
        &self.memory
    }

    /// Bytes before the first element in [`DeviceTensor::memory`].
    #[must_use]
    pub const fn offset(&self) -> u64 {
        self.offset
    }

    /// The same elements in the host's memory; copied once, and blocks until they are here.
    ///
    /// # Errors
    /// `Unavailable` where the device is lost.
    pub fn fetch(&self) -> Result<Tensor, Failure> {
        let bytes = match self.fetched.get() {
            Some(bytes) => bytes,
            None => {
                let read = self.memory.read(self.offset, self.bytes)?;
                self.fetched.get_or_init(|| read)
            }
        };
        Ok(Tensor::new(self.dtype, self.shape.clone(), bytes.clone())?)
    }

    fn reshape(&self, shape: Shape) -> Result<Self, TensorError> {
        if count(&shape)? != self.elements() {
            return Err(TensorError::Reshape { from: self.shape.to_vec(), to: shape.to_vec() });
        }
        Ok(Self { shape, ..self.clone() })
    }

    fn rows(&self, start: u64, end: u64) -> Result<Self, TensorError> {
        let outside = || TensorError::Rows { start, end, shape: self.shape.to_vec() };
        let rows = *self.shape.first().ok_or_else(outside)?;
        if start > end || end > rows {
            return Err(outside());
        }
        let per_row = self.bytes.checked_div(rows).unwrap_or(0);
        let mut shape = self.shape.clone();
        shape[0] = end - start;
        let fetched = self.fetched.get().map(|all| all.slice((start * per_row) as usize..(end * per_row) as usize));
        Ok(Self {
            dtype: self.dtype,
            shape,
            memory: Arc::clone(&self.memory),
            offset: self.offset + start * per_row,
            bytes: (end - start) * per_row,
            fetched: Arc::new(fetched.map_or_else(OnceLock::new, OnceLock::from)),
        })
    }
}

impl Described for DeviceTensor {
    fn dtype(&self) -> DType {
        self.dtype
    }

    fn shape(&self) -> &[u64] {
        &self.shape
    }

    fn byte_len(&self) -> u64 {
        self.bytes
    }

    fn host(&self) -> Option<&Bytes> {
        self.fetched.get()
    }
}

impl fmt::Debug for DeviceTensor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {:?} in {}", self.dtype, self.shape, self.memory.id())
    }
}

impl Described for Tensor {
    fn dtype(&self) -> DType {
        self.dtype()
    }

    fn shape(&self) -> &[u64] {
        self.shape()
    }

    fn byte_len(&self) -> u64 {
        self.data().len() as u64
    }

    fn host(&self) -> Option<&Bytes> {
        Some(self.data())
    }
}

/// A tensor, in the host's memory or in a device's.
#[derive(Clone, Debug)]
pub enum Value {
    /// In the host's.
    Host(Tensor),
    /// In a device's.
    Device(DeviceTensor),
}

impl Value {
    /// Element type.
    #[must_use]
    pub const fn dtype(&self) -> DType {
        match self {
            Self::Host(tensor) => tensor.dtype(),
            Self::Device(tensor) => tensor.dtype,
        }
    }

    /// Dimensions.
    #[must_use]
    pub fn shape(&self) -> &[u64] {
        match self {
            Self::Host(tensor) => tensor.shape(),
            Self::Device(tensor) => &tensor.shape,
        }
    }

    /// Bytes of all elements.
    #[must_use]
    pub const fn byte_len(&self) -> u64 {
        match self {
            Self::Host(tensor) => tensor.data().len() as u64,
            Self::Device(tensor) => tensor.bytes,
        }
    }

    /// Whose memory it is in; `None` is the host's.
    #[must_use]
    pub fn memory(&self) -> Option<&MemoryId> {
        match self {
            Self::Host(_) => None,
            Self::Device(tensor) => Some(tensor.memory.id()),
        }
    }

    /// The same elements in the host's memory; blocks until they are here.
    ///
    /// # Errors
    /// `Unavailable` where they are on a device that is lost.
    pub fn fetch(&self) -> Result<Tensor, Failure> {
        match self {
            Self::Host(tensor) => Ok(tensor.clone()),
            Self::Device(tensor) => tensor.fetch(),
        }
    }

    /// The same elements under another shape, no copy.
    ///
    /// # Errors
    /// When the numbers of elements differ.
    pub fn reshape(&self, shape: impl Into<Shape>) -> Result<Self, TensorError> {
        match self {
            Self::Host(tensor) => tensor.reshape(shape).map(Self::Host),
            Self::Device(tensor) => tensor.reshape(shape.into()).map(Self::Device),
        }
    }

    /// Rows `start..end` of the first dimension, no copy.
    ///
    /// # Errors
    /// When the range is not within the first dimension, or there is none.
    pub fn rows(&self, start: u64, end: u64) -> Result<Self, TensorError> {
        match self {
            Self::Host(tensor) => tensor.rows(start, end).map(Self::Host),
            Self::Device(tensor) => tensor.rows(start, end).map(Self::Device),
        }
    }
}

impl From<Tensor> for Value {
    fn from(tensor: Tensor) -> Self {
        Self::Host(tensor)
    }
}

impl Described for Value {
    fn dtype(&self) -> DType {
        self.dtype()
    }

    fn shape(&self) -> &[u64] {
        self.shape()
    }

    fn byte_len(&self) -> u64 {
        self.byte_len()
    }

    fn host(&self) -> Option<&Bytes> {
        match self {
            Self::Host(tensor) => Some(tensor.data()),
            Self::Device(tensor) => tensor.host(),
        }
    }
}

/// A value under its input or output name.
#[derive(Clone, Debug)]
pub struct NamedValue {
    /// Name of the input or output.
    pub name: Arc<str>,
    /// The value.
    pub value: Value,
}

/// Values by name, in the order of the model or the call.
pub type NamedValues = Vec<NamedValue>;

impl From<NamedTensor> for NamedValue {
    fn from(NamedTensor { name, tensor }: NamedTensor) -> Self {
        Self { name, value: Value::Host(tensor) }
    }
}

impl NamedValue {
    /// The same in the host's memory; blocks until it is here.
    ///
    /// # Errors
    /// `Unavailable` where it is on a device that is lost.
    pub fn fetch(self) -> Result<NamedTensor, Failure> {
        let tensor = match self.value {
            Value::Host(tensor) => tensor,
            Value::Device(tensor) => tensor.fetch()?,
        };
        Ok(NamedTensor { name: self.name, tensor })
    }
}

impl Named for NamedTensor {
    type Item = Tensor;

    fn name(&self) -> &Arc<str> {
        &self.name
    }

    fn item(&self) -> &Tensor {
        &self.tensor
    }
}

impl Named for NamedValue {
    type Item = Value;

    fn name(&self) -> &Arc<str> {
        &self.name
    }

    fn item(&self) -> &Value {
        &self.value
    }
}

/// Some of a model's outputs, of the first 64; later ones are never among them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OutputSet(u64);

impl OutputSet {
    /// None of them.
    pub const NONE: Self = Self(0);

    /// The set whose output `i` is bit `i`.
    #[must_use]
    pub const fn of_bits(bits: u64) -> Self {
        Self(bits)
    }

    /// The same and output `index`.
    #[must_use]
    pub const fn with(self, index: usize) -> Self {
        if index < 64 { Self(self.0 | 1 << index) } else { self }
    }

    /// Whether output `index` is among them.
    #[must_use]
    pub const fn has(self, index: usize) -> bool {
        index < 64 && self.0 >> index & 1 == 1
    }

    /// Those of both.
    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }
}

/// Alike calls one behind the other along dimension 0, in the host's memory. One call is passed on; each byte of several is copied once.
///
/// # Errors
/// `Unavailable` where a value is on a device that is lost, `InvalidInput` where the calls are not alike.
pub fn joined(calls: &[&[NamedValue]]) -> Result<NamedTensors, Failure> {
    match calls {
        [] => Ok(Vec::new()),
        [call] => call.iter().map(|input| input.clone().fetch()).collect(),
        [first, ..] => first.iter().enumerate().map(|(index, input)| join(input, index, calls)).collect(),
    }
}

fn join(first: &NamedValue, index: usize, calls: &[&[NamedValue]]) -> Result<NamedTensor, Failure> {
    let unlike = || Failure::invalid(format!("calls that run as one differ in input '{}'", first.name));
    let part = |call: &&[NamedValue]| call.get(index).ok_or_else(unlike)?.value.fetch();
    let parts: SmallVec<[Tensor; 8]> = calls.iter().map(part).collect::<Result<_, _>>()?;
    let mut data = BytesMut::with_capacity(parts.iter().map(|part| part.data().len()).sum());
    parts.iter().for_each(|part| data.extend_from_slice(part.data()));
    let mut shape = Shape::from_slice(first.value.shape());
    *shape.first_mut().ok_or_else(unlike)? = parts.iter().filter_map(|part| part.shape().first()).sum();
    let tensor = Tensor::new(first.value.dtype(), shape, data.freeze())?;
    Ok(NamedTensor { name: Arc::clone(&first.name), tensor })
}

#[cfg(test)]
mod tests;
