//! Elements of tensors as Rust numbers, and tensors as slices of them.

use std::borrow::Cow;

use bytemuck::{NoUninit, Pod};
use bytes::Bytes;
use half::{bf16, f16};
use scorehost_core::{Copied, DType, Shape, Tensor};
use smallvec::SmallVec;

use crate::OperationError;

// Tensors are little-endian, and slices of numbers are the machine's.
const _: () = assert!(cfg!(target_endian = "little"), "tensors are read in place");

/// A number that is an element of tensors.
pub(crate) trait Element: Pod + PartialOrd + Default + Send + Sync {
    /// Its dtype.
    const DTYPE: DType;

    fn to_f64(self) -> f64;
    /// Rounds and saturates as `as` does.
    fn from_f64(value: f64) -> Self;
    /// Integers wrap around.
    fn plus(self, other: Self) -> Self;
    fn minus(self, other: Self) -> Self;
    fn times(self, other: Self) -> Self;
    /// `None` where an integer is divided by 0.
    fn over(self, other: Self) -> Option<Self>;
    /// Lower than all others, for a search that begins with it.
    fn lowest() -> Self;
}

macro_rules! integers {
    ($($type:ty => $dtype:ident),*) => {$(
        impl Element for $type {
            const DTYPE: DType = DType::$dtype;

            fn to_f64(self) -> f64 {
                self as f64
            }
            fn from_f64(value: f64) -> Self {
                value as $type
            }
            fn plus(self, other: Self) -> Self {
                self.wrapping_add(other)
            }
            fn minus(self, other: Self) -> Self {
                self.wrapping_sub(other)
            }
            fn times(self, other: Self) -> Self {
                self.wrapping_mul(other)
            }
            fn over(self, other: Self) -> Option<Self> {
                (other != 0).then(|| self.wrapping_div(other))
            }
            fn lowest() -> Self {
                <$type>::MIN
            }
        }
    )*};
}

macro_rules! floats {
    ($($type:ty => $dtype:ident, $from:expr, $to:expr);*) => {$(
        impl Element for $type {
            const DTYPE: DType = DType::$dtype;

            fn to_f64(self) -> f64 {
                $to(self)
            }
            fn from_f64(value: f64) -> Self {
                $from(value)
            }
            fn plus(self, other: Self) -> Self {
                self + other
            }
            fn minus(self, other: Self) -> Self {
                self - other
            }
            fn times(self, other: Self) -> Self {
                self * other
            }
            fn over(self, other: Self) -> Option<Self> {
                Some(self / other)
            }
            fn lowest() -> Self {
                <$type>::NEG_INFINITY
            }
        }
    )*};
}

integers! { u8 => U8, u16 => U16, u32 => U32, u64 => U64, i8 => I8, i16 => I16, i32 => I32, i64 => I64 }
floats! {
    f16 => F16, f16::from_f64, f16::to_f64;
    bf16 => BF16, bf16::from_f64, bf16::to_f64;
    f32 => F32, |value| value as f32, f64::from;
    f64 => F64, |value| value, |value| value
}

/// Runs `$body` with `$type` as the Rust type of a numeric dtype.
macro_rules! numeric {
    ($operation:expr, $dtype:expr, $type:ident => $body:expr) => {
        $crate::element::numeric!($operation, $dtype, $type => $body;
            U8 u8, U16 u16, U32 u32, U64 u64, I8 i8, I16 i16, I32 i32, I64 i64,
            F16 half::f16, BF16 half::bf16, F32 f32, F64 f64)
    };
    ($operation:expr, $dtype:expr, $type:ident => $body:expr; $($name:ident $number:ty),*) => {{
        use scorehost_core::DType;
        match $dtype {
            $(DType::$name => {
                type $type = $number;
                $body
            })*
            dtype @ (DType::Bool | DType::Bytes) => {
                Err($crate::OperationError::DType { operation: $operation, dtype, expected: "numbers" })
            }
        }
    }};
}
pub(crate) use numeric;

/// Refuses dtypes without arithmetic.
pub(crate) fn check_numeric(operation: &'static str, dtype: DType) -> Result<(), OperationError> {
    match dtype {
        DType::Bool | DType::Bytes => Err(OperationError::DType { operation, dtype, expected: "numbers" }),
        _ => Ok(()),
    }
}

/// Whether a dtype has fractions.
pub(crate) const fn is_float(dtype: DType) -> bool {
    matches!(dtype, DType::F16 | DType::BF16 | DType::F32 | DType::F64)
}

/// The elements in place where they are aligned, else a copy of them.
pub(crate) fn view<T: Pod>(tensor: &Tensor) -> Cow<'_, [T]> {
    match bytemuck::try_cast_slice(tensor.data()) {
        Ok(elements) => Cow::Borrowed(elements),
        Err(_) => {
            Copied::Align.count(tensor.data().len());
            Cow::Owned(bytemuck::pod_collect_to_vec(tensor.data()))
        }
    }
}

/// Numbers as the bytes of a tensor; they are not copied.
struct Numbers<T>(Vec<T>);

impl<T: NoUninit> AsRef<[u8]> for Numbers<T> {
    fn as_ref(&self) -> &[u8] {
        bytemuck::cast_slice(&self.0)
    }
}

/// The tensor of some numbers.
pub(crate) fn tensor<T: Element>(shape: impl Into<Shape>, elements: Vec<T>) -> Result<Tensor, OperationError> {
    of_vec(T::DTYPE, shape, elements)
}

/// The tensor of elements given as anything of their size.
pub(crate) fn of_vec<T: NoUninit + Send + Sync>(
    dtype: DType,
    shape: impl Into<Shape>,
    elements: Vec<T>,
) -> Result<Tensor, OperationError> {
    Ok(Tensor::new(dtype, shape, Bytes::from_owner(Numbers(elements)))?)
}

/// The bytes of one element of a dtype with this value.
///
/// # Errors
/// Where the dtype cannot hold the value.
pub(crate) fn encoded(
    operation: &'static str,
    argument: &'static str,
    dtype: DType,
    value: f64,
) -> Result<SmallVec<[u8; 8]>, OperationError> {
    if dtype == DType::Bool && (value == 0.0 || value == 1.0) {
        return Ok(SmallVec::from_slice(&[value as u8]));
    }
    if dtype == DType::Bool {
        return Err(OperationError::argument(operation, argument, value, "0 or 1 for BOOL"));
    }
    numeric!(operation, dtype, T => {
        let element: T = scalar(operation, argument, value)?;
        Ok(SmallVec::from_slice(bytemuck::bytes_of(&element)))
    })
}

/// A scalar argument as an element: integers must be exact, floats are rounded.
pub(crate) fn scalar<T: Element>(
    operation: &'static str,
    argument: &'static str,
    value: f64,
) -> Result<T, OperationError> {
    let element = T::from_f64(value);
    if is_float(T::DTYPE) || element.to_f64() == value {
        return Ok(element);
    }
    Err(OperationError::argument(operation, argument, value, format!("a value that {} can hold", T::DTYPE)))
}
