//! Typed arrays.

mod buffer;
pub(crate) mod memory;
#[cfg(test)]
mod tests;

pub(crate) use buffer::Buffer;

use bytes::Bytes;
use half::{bf16, f16};
use scorehost_core::{DType, Tensor, TensorError};

use super::multiply::Number;

/// Elements that one array may have; beyond this a model asks for more than a reference executor should try.
const MOST: usize = 1 << 30;

/// Row-major elements.
#[derive(Clone, Debug)]
pub(crate) struct Array {
    pub(crate) shape: Vec<usize>,
    pub(crate) elements: Elements,
}

/// An element type.
pub(crate) trait Element: Clone + Send + Sync + 'static {
    /// Elements as the enumeration.
    fn wrap(elements: Vec<Self>) -> Elements;
    /// The elements, where they are of this type.
    fn of(elements: &Elements) -> Option<&[Self]>;
}

macro_rules! elements {
    ($($variant:ident($kind:ty, $store:ty) = $dtype:ident),*) => {
        /// Elements of any type.
        #[derive(Clone, Debug)]
        pub(crate) enum Elements {
            $($variant($store)),*
        }

        impl Elements {
            pub(crate) fn dtype(&self) -> DType {
                match self { $(Self::$variant(_) => DType::$dtype),* }
            }
        }

        $(impl Element for $kind {
            fn wrap(elements: Vec<Self>) -> Elements {
                Elements::$variant(elements.into())
            }

            fn of(elements: &Elements) -> Option<&[Self]> {
                match elements {
                    Elements::$variant(elements) => Some(elements),
                    _ => None,
                }
            }
        })*

        /// Applies a generic function of a slice to the elements, whatever their type.
        macro_rules! each {
            ($elements:expr, $slice:ident => $body:expr) => {
                match $elements { $($crate::reference::array::Elements::$variant($slice) => $body),* }
            };
        }
        pub(crate) use each;
    };
}

elements! {
    Bool(bool, Vec<bool>) = Bool, U8(u8, Buffer<u8>) = U8, U16(u16, Buffer<u16>) = U16, U32(u32, Buffer<u32>) = U32,
    U64(u64, Buffer<u64>) = U64, I8(i8, Buffer<i8>) = I8, I16(i16, Buffer<i16>) = I16, I32(i32, Buffer<i32>) = I32,
    I64(i64, Buffer<i64>) = I64, F16(f16, Buffer<f16>) = F16, BF16(bf16, Buffer<bf16>) = BF16,
    F32(f32, Buffer<f32>) = F32, F64(f64, Buffer<f64>) = F64, Text(Bytes, Vec<Bytes>) = Bytes
}

/// Number of elements of a shape, bounded.
pub(crate) fn count(shape: &[usize]) -> Result<usize, String> {
    let product = shape.iter().try_fold(1usize, |product, dim| product.checked_mul(*dim));
    product.filter(|count| *count <= MOST).ok_or_else(|| format!("shape {shape:?} is too large"))
}

impl Array {
    /// An array; fails where the number of elements does not fit the shape.
    pub(crate) fn new<T: Element>(shape: Vec<usize>, elements: Vec<T>) -> Result<Self, String> {
        if count(&shape)? != elements.len() {
            return Err(format!("{} elements do not fill shape {shape:?}", elements.len()));
        }
        Ok(Self { shape, elements: T::wrap(elements) })
    }

    /// An array of numbers; fails where their number does not fit the shape.
    pub(crate) fn of<T: Number>(shape: Vec<usize>, numbers: Buffer<T>) -> Result<Self, String> {
        if count(&shape)? != numbers.len() {
            return Err(format!("{} elements do not fill shape {shape:?}", numbers.len()));
        }
        Ok(Self { shape, elements: T::elements(numbers) })
    }

    /// The same elements under another shape.
    pub(crate) fn into_shape(self, shape: Vec<usize>) -> Result<Self, String> {
        if count(&shape)? != self.len() {
            return Err(format!("shape {:?} cannot become {shape:?}", self.shape));
        }
        Ok(Self { shape, elements: self.elements })
    }

    pub(crate) fn len(&self) -> usize {
        self.shape.iter().product()
    }

    /// The elements, where they are of type `T`.
    pub(crate) fn get<T: Element>(&self) -> Option<&[T]> {
        T::of(&self.elements)
    }

    /// The elements, which have to be of type `T`.
    pub(crate) fn typed<T: Element>(&self) -> Result<&[T], String> {
        self.get().ok_or_else(|| format!("{} does not go together with the other inputs", self.elements.dtype()))
    }

    /// The numbers for writing, which have to be in single precision.
    pub(crate) fn numbers_mut(&mut self) -> Result<&mut [f32], String> {
        match &mut self.elements {
            Elements::F32(numbers) => Ok(numbers.to_mut()),
            other => Err(format!("expected FP32, got {}", other.dtype())),
        }
    }

    /// The same elements in memory of their own, not in a tensor's.
    pub(crate) fn unshared(mut self) -> Self {
        macro_rules! own {
            ($($variant:ident)*) => {
                match &mut self.elements {
                    $(Elements::$variant(values) => _ = values.to_mut(),)*
                    Elements::Bool(_) => {}
                    Elements::Text(values) => values.iter_mut().for_each(|text| *text = Bytes::copy_from_slice(text)),
                }
            };
        }
        own!(U8 U16 U32 U64 I8 I16 I32 I64 F16 BF16 F32 F64);
        self
    }

    /// Bytes of the elements.
    pub(crate) fn bytes(&self) -> u64 {
        match &self.elements {
            Elements::Text(values) => values.iter().map(|text| text.len() as u64 + 4).sum(),
            other => (self.len() * other.dtype().size().unwrap_or(0)) as u64,
        }
    }

    /// All numbers as double precision.
    pub(crate) fn to_f64(&self) -> Result<Vec<f64>, String> {
        Ok(match &self.elements {
            Elements::F64(values) => values.to_vec(),
            Elements::F32(values) => values.iter().map(|value| f64::from(*value)).collect(),
            Elements::I64(values) => values.iter().map(|value| *value as f64).collect(),
            Elements::I32(values) => values.iter().map(|value| f64::from(*value)).collect(),
            other => return Err(format!("{} is not supported here", other.dtype())),
        })
    }

    /// Integers such as axes and shapes.
    pub(crate) fn to_i64(&self) -> Result<Vec<i64>, String> {
        match &self.elements {
            Elements::I64(values) => Ok(values.to_vec()),
            Elements::I32(values) => Ok(values.iter().map(|value| i64::from(*value)).collect()),
            other => Err(format!("expected INT64, got {}", other.dtype())),
        }
    }

    pub(crate) fn from_tensor(tensor: &Tensor) -> Result<Self, String> {
        let dim = |dim: &u64| usize::try_from(*dim).map_err(|_| "a dimension is too large".to_owned());
        let shape: Vec<usize> = tensor.shape().iter().map(dim).collect::<Result<_, _>>()?;
        count(&shape)?;
        let data = tensor.data();
        let elements = match tensor.dtype() {
            DType::Bool => bool::wrap(data.iter().map(|byte| *byte != 0).collect()),
            DType::U8 => Elements::U8(Buffer::from_bytes(data)),
            DType::U16 => Elements::U16(Buffer::from_bytes(data)),
            DType::U32 => Elements::U32(Buffer::from_bytes(data)),
            DType::U64 => Elements::U64(Buffer::from_bytes(data)),
            DType::I8 => Elements::I8(Buffer::from_bytes(data)),
            DType::I16 => Elements::I16(Buffer::from_bytes(data)),
            DType::I32 => Elements::I32(Buffer::from_bytes(data)),
            DType::I64 => Elements::I64(Buffer::from_bytes(data)),
            DType::F16 => Elements::F16(Buffer::from_bytes(data)),
            DType::BF16 => Elements::BF16(Buffer::from_bytes(data)),
            DType::F32 => Elements::F32(Buffer::from_bytes(data)),
            DType::F64 => Elements::F64(Buffer::from_bytes(data)),
            DType::Bytes => Bytes::wrap(tensor.byte_strings().map(Bytes::copy_from_slice).collect()),
        };
        Ok(Self { shape, elements })
    }

    /// A tensor of these elements; numbers move into it without a copy.
    pub(crate) fn into_tensor(self) -> Result<Tensor, TensorError> {
        let shape: Vec<u64> = self.shape.iter().map(|dim| *dim as u64).collect();
        let dtype = self.elements.dtype();
        let data = match self.elements {
            Elements::Text(values) => return Tensor::from_byte_strings(shape, values),
            Elements::Bool(values) => values.into_iter().map(u8::from).collect::<Vec<u8>>().into(),
            Elements::U8(values) => values.into_bytes(),
            Elements::U16(values) => values.into_bytes(),
            Elements::U32(values) => values.into_bytes(),
            Elements::U64(values) => values.into_bytes(),
            Elements::I8(values) => values.into_bytes(),
            Elements::I16(values) => values.into_bytes(),
            Elements::I32(values) => values.into_bytes(),
            Elements::I64(values) => values.into_bytes(),
            Elements::F16(values) => values.into_bytes(),
            Elements::BF16(values) => values.into_bytes(),
            Elements::F32(values) => values.into_bytes(),
            Elements::F64(values) => values.into_bytes(),
        };
        Tensor::new(dtype, shape, data)
    }
}
