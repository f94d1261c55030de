//! Typed arrays.

use bytes::Bytes;
use half::{bf16, f16};
use scorehost_core::{DType, Tensor, TensorError};

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
    ($($variant:ident($kind:ty) = $dtype:ident),*) => {
        /// Elements of any type.
        #[derive(Clone, Debug)]
        pub(crate) enum Elements {
            $($variant(Vec<$kind>)),*
        }

        impl Elements {
            pub(crate) fn dtype(&self) -> DType {
                match self { $(Self::$variant(_) => DType::$dtype),* }
            }
        }

        $(impl Element for $kind {
            fn wrap(elements: Vec<Self>) -> Elements {
                Elements::$variant(elements)
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
    Bool(bool) = Bool, U8(u8) = U8, U16(u16) = U16, U32(u32) = U32, U64(u64) = U64, I8(i8) = I8, I16(i16) = I16,
    I32(i32) = I32, I64(i64) = I64, F16(f16) = F16, BF16(bf16) = BF16, F32(f32) = F32, F64(f64) = F64, Text(Bytes) = Bytes
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

    /// The same elements under another shape.
    pub(crate) fn reshaped(&self, shape: Vec<usize>) -> Result<Self, String> {
        if count(&shape)? != self.len() {
            return Err(format!("shape {:?} cannot become {shape:?}", self.shape));
        }
        Ok(Self { shape, elements: self.elements.clone() })
    }

    pub(crate) fn len(&self) -> usize {
        self.shape.iter().product()
    }

    /// The elements, where they are of type `T`.
    pub(crate) fn get<T: Element>(&self) -> Option<&[T]> {
        T::of(&self.elements)
    }

    /// All numbers as double precision.
    pub(crate) fn to_f64(&self) -> Result<Vec<f64>, String> {
        Ok(match &self.elements {
            Elements::F64(values) => values.clone(),
            Elements::F32(values) => values.iter().map(|value| f64::from(*value)).collect(),
            Elements::I64(values) => values.iter().map(|value| *value as f64).collect(),
            Elements::I32(values) => values.iter().map(|value| f64::from(*value)).collect(),
            other => return Err(format!("{} is not supported here", other.dtype())),
        })
    }

    /// Integers such as axes and shapes.
    pub(crate) fn to_i64(&self) -> Result<Vec<i64>, String> {
        match &self.elements {
            Elements::I64(values) => Ok(values.clone()),
            Elements::I32(values) => Ok(values.iter().map(|value| i64::from(*value)).collect()),
            other => Err(format!("expected INT64, got {}", other.dtype())),
        }
    }

    pub(crate) fn from_tensor(tensor: &Tensor) -> Result<Self, String> {
        let dim = |dim: &u64| usize::try_from(*dim).map_err(|_| "a dimension is too large".to_owned());
        let shape: Vec<usize> = tensor.shape().iter().map(dim).collect::<Result<_, _>>()?;
        count(&shape)?;
        let data = tensor.data();
        macro_rules! numbers {
            ($kind:ty) => {
                <$kind>::wrap(data.as_chunks().0.iter().map(|bytes| <$kind>::from_le_bytes(*bytes)).collect())
            };
        }
        let elements = match tensor.dtype() {
            DType::Bool => bool::wrap(data.iter().map(|byte| *byte != 0).collect()),
            DType::U8 => u8::wrap(data.to_vec()),
            DType::U16 => numbers!(u16),
            DType::U32 => numbers!(u32),
            DType::U64 => numbers!(u64),
            DType::I8 => numbers!(i8),
            DType::I16 => numbers!(i16),
            DType::I32 => numbers!(i32),
            DType::I64 => numbers!(i64),
            DType::F16 => numbers!(f16),
            DType::BF16 => numbers!(bf16),
            DType::F32 => numbers!(f32),
            DType::F64 => numbers!(f64),
            DType::Bytes => Bytes::wrap(tensor.byte_strings().map(Bytes::copy_from_slice).collect()),
        };
        Ok(Self { shape, elements })
    }

    pub(crate) fn to_tensor(&self) -> Result<Tensor, TensorError> {
        let shape: Vec<u64> = self.shape.iter().map(|dim| *dim as u64).collect();
        macro_rules! numbers {
            ($values:expr) => {
                $values.iter().flat_map(|value| value.to_le_bytes()).collect::<Vec<u8>>()
            };
        }
        let data = match &self.elements {
            Elements::Text(values) => return Tensor::from_byte_strings(shape, values),
            Elements::Bool(values) => values.iter().map(|value| u8::from(*value)).collect(),
            Elements::U8(values) => values.clone(),
            Elements::U16(values) => numbers!(values),
            Elements::U32(values) => numbers!(values),
            Elements::U64(values) => numbers!(values),
            Elements::I8(values) => numbers!(values),
            Elements::I16(values) => numbers!(values),
            Elements::I32(values) => numbers!(values),
            Elements::I64(values) => numbers!(values),
            Elements::F16(values) => numbers!(values),
            Elements::BF16(values) => numbers!(values),
            Elements::F32(values) => numbers!(values),
            Elements::F64(values) => numbers!(values),
        };
        Tensor::new(self.elements.dtype(), shape, data.into())
    }
}
