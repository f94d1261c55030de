use half::{bf16, f16};
use scorehost_core::{DType, Described, Tensor};

use crate::element::{Element, is_float, numeric, of_vec, tensor, view};
use crate::shape::{bytes, fixed, one};
use crate::{OperationError, Plan, Watch};

/// The same numbers as another dtype. Integers wrap around; floats become integers toward zero, and saturate, with NaN as 0; numbers
/// become booleans by being other than 0.
#[derive(Clone, Debug, PartialEq)]
pub struct Cast {
    /// The dtype wanted.
    pub to: DType,
}

/// A conversion as `as` does it.
trait To<T> {
    fn to(self) -> T;
}

macro_rules! native {
    ($from:ty => $($to:ty),*) => {
        $(impl To<$to> for $from {
            #[inline]
            fn to(self) -> $to {
                self as $to
            }
        })*
        impl To<f16> for $from {
            #[inline]
            fn to(self) -> f16 {
                f16::from_f64(self as f64)
            }
        }
        impl To<bf16> for $from {
            #[inline]
            fn to(self) -> bf16 {
                bf16::from_f64(self as f64)
            }
        }
    };
}

macro_rules! half {
    ($from:ty => $($to:ty),*) => {$(
        impl To<$to> for $from {
            #[inline]
            fn to(self) -> $to {
                self.to_f32() as $to
            }
        }
    )*};
}

native!(u8 => u8, u16, u32, u64, i8, i16, i32, i64, f32, f64);
native!(u16 => u8, u16, u32, u64, i8, i16, i32, i64, f32, f64);
native!(u32 => u8, u16, u32, u64, i8, i16, i32, i64, f32, f64);
native!(u64 => u8, u16, u32, u64, i8, i16, i32, i64, f32, f64);
native!(i8 => u8, u16, u32, u64, i8, i16, i32, i64, f32, f64);
native!(i16 => u8, u16, u32, u64, i8, i16, i32, i64, f32, f64);
native!(i32 => u8, u16, u32, u64, i8, i16, i32, i64, f32, f64);
native!(i64 => u8, u16, u32, u64, i8, i16, i32, i64, f32, f64);
native!(f32 => u8, u16, u32, u64, i8, i16, i32, i64, f32, f64);
native!(f64 => u8, u16, u32, u64, i8, i16, i32, i64, f32, f64);
half!(f16 => u8, u16, u32, u64, i8, i16, i32, i64, f32, f64);
half!(bf16 => u8, u16, u32, u64, i8, i16, i32, i64, f32, f64);

macro_rules! halves {
    ($($from:ty => $to:ty),*) => {$(
        impl To<$to> for $from {
            #[inline]
            fn to(self) -> $to {
                <$to>::from_f32(self.to_f32())
            }
        }
    )*};
}

halves!(f16 => f16, f16 => bf16, bf16 => f16, bf16 => bf16);

impl Cast {
    pub(crate) const NAME: &'static str = "cast";

    pub(crate) fn plan(&self, inputs: &[impl Described]) -> Result<Plan, OperationError> {
        let input = one(Self::NAME, inputs)?;
        fixed(Self::NAME, input)?;
        if self.to == DType::Bytes {
            return Err(OperationError::argument(Self::NAME, "to", self.to, "elements of fixed size"));
        }
        let same = input.dtype() == self.to;
        Ok(if same { Plan::default() } else { Plan::of(bytes(self.to, input.shape())?, 0.5) })
    }

    pub(crate) fn run(&self, inputs: &[Tensor], _: &Watch<'_>) -> Result<Vec<Tensor>, OperationError> {
        let input = one(Self::NAME, inputs)?;
        if input.dtype() == self.to {
            return Ok(vec![input.clone()]);
        }
        Ok(vec![if self.to == DType::Bool { to_bool(input)? } else { convert(input, self.to)? }])
    }
}

/// The dtype whose numbers the elements are: booleans are 0 and 1.
const fn numbers(dtype: DType) -> DType {
    if matches!(dtype, DType::Bool) { DType::U8 } else { dtype }
}

fn to_bool(input: &Tensor) -> Result<Tensor, OperationError> {
    numeric!(Cast::NAME, numbers(input.dtype()), T => {
        let zero = T::default();
        let flags: Vec<u8> = view::<T>(input).iter().map(|element| u8::from(*element != zero)).collect();
        of_vec(DType::Bool, input.shape(), flags)
    })
}

fn convert(input: &Tensor, to: DType) -> Result<Tensor, OperationError> {
    numeric!(Cast::NAME, numbers(input.dtype()), T => {
        let elements = view::<T>(input);
        numeric!(Cast::NAME, to, U => tensor::<U>(input.shape(), converted::<T, U>(&elements)))
    })
}

fn converted<T: Element + To<U>, U: Element>(elements: &[T]) -> Vec<U> {
    elements.iter().map(|element| element.to()).collect()
}

/// The elements as `f64`, for sums that need the precision.
pub(super) fn to_f64<T: Element>(elements: &[T]) -> Vec<f64> {
    elements.iter().map(|element| element.to_f64()).collect()
}

/// `fp32` where the dtype is a shorter float, which is computed in it; the dtype itself otherwise.
pub(super) const fn computed_in(dtype: DType) -> DType {
    if is_float(dtype) && !matches!(dtype, DType::F64) { DType::F32 } else { dtype }
}

/// The tensor as another dtype of numbers; shares the bytes where it is of that dtype already.
pub(super) fn as_dtype(input: &Tensor, to: DType) -> Result<Tensor, OperationError> {
    if input.dtype() == to { Ok(input.clone()) } else { convert(input, to) }
}
