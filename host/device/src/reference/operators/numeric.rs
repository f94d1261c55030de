//! Numbers of any element type.

use half::{bf16, f16};
use scorehost_core::DType;

use super::cast::convert;
use crate::reference::array::{Array, Element, Elements};

/// A number that tensors have. Integers wrap; their division by zero has no result.
pub(super) trait Number: Element + Copy + PartialOrd + Default {
    fn plus(self, other: Self) -> Self;
    fn minus(self, other: Self) -> Self;
    fn times(self, other: Self) -> Self;
    fn over(self, other: Self) -> Option<Self>;
    fn negative(self) -> Self;
    fn absolute(self) -> Self;
    fn is_nan(self) -> bool;
    /// What is left of a division: with the sign of `self` where `truncated`, else with that of `other`.
    fn modulo(self, other: Self, truncated: bool) -> Option<Self>;
    /// The larger one; NaN where one is NaN.
    fn larger(self, other: Self) -> Self {
        if self.is_nan() || self > other { self } else { other }
    }
    /// The smaller one; NaN where one is NaN.
    fn smaller(self, other: Self) -> Self {
        if self.is_nan() || self < other { self } else { other }
    }
}

macro_rules! integers {
    ($($kind:ident)*) => {
        $(impl Number for $kind {
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
            fn negative(self) -> Self {
                self.wrapping_neg()
            }
            #[allow(unused_comparisons, reason = "the types without a sign are among them")]
            fn absolute(self) -> Self {
                if self < 0 { self.wrapping_neg() } else { self }
            }
            fn is_nan(self) -> bool {
                false
            }
            #[allow(unused_comparisons, reason = "the types without a sign are among them")]
            fn modulo(self, other: Self, truncated: bool) -> Option<Self> {
                let rest = (other != 0).then(|| self.wrapping_rem(other))?;
                Some(if !truncated && rest != 0 && (rest < 0) != (other < 0) { rest.wrapping_add(other) } else { rest })
            }
        })*
    };
}

macro_rules! floats {
    ($($kind:ident)*) => {
        $(impl Number for $kind {
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
            fn negative(self) -> Self {
                -self
            }
            fn absolute(self) -> Self {
                if self.is_sign_negative() { -self } else { self }
            }
            fn is_nan(self) -> bool {
                $kind::is_nan(self)
            }
            fn modulo(self, other: Self, truncated: bool) -> Option<Self> {
                let (rest, zero) = (self % other, Self::default());
                Some(if !truncated && rest != zero && (rest < zero) != (other < zero) { rest + other } else { rest })
            }
        })*
    };
}

integers!(i8 i16 i32 i64 u8 u16 u32 u64);
floats!(f16 bf16 f32 f64);

/// Applies a generic expression to elements of any number type, which `$kind` names inside; refuses others.
macro_rules! numbers {
    ($elements:expr, $values:ident: $kind:ident => $body:expr) => {{
        use crate::reference::array::Elements as E;
        macro_rules! arm {
            ($slice:ident, $type:ty) => {{
                type $kind = $type;
                let $values: &[$kind] = $slice;
                $body
            }};
        }
        match $elements {
            E::U8(slice) => arm!(slice, u8),
            E::U16(slice) => arm!(slice, u16),
            E::U32(slice) => arm!(slice, u32),
            E::U64(slice) => arm!(slice, u64),
            E::I8(slice) => arm!(slice, i8),
            E::I16(slice) => arm!(slice, i16),
            E::I32(slice) => arm!(slice, i32),
            E::I64(slice) => arm!(slice, i64),
            E::F16(slice) => arm!(slice, half::f16),
            E::BF16(slice) => arm!(slice, half::bf16),
            E::F32(slice) => arm!(slice, f32),
            E::F64(slice) => arm!(slice, f64),
            other => return Err(super::numeric::unsupported(other.dtype())),
        }
    }};
}
pub(super) use numbers;

pub(super) fn unsupported(dtype: DType) -> String {
    format!("{dtype} is not supported here")
}

/// Whether the elements are floats of any precision.
pub(super) fn is_float(dtype: DType) -> bool {
    matches!(dtype, DType::F16 | DType::BF16 | DType::F32 | DType::F64)
}

/// All elements in double precision; booleans as 0 and 1.
pub(super) fn doubles(array: &Array) -> Result<Vec<f64>, String> {
    match convert(DType::F64, &array.elements)? {
        Elements::F64(values) if array.elements.dtype() != DType::Bytes => Ok(values.to_vec()),
        _ => Err(unsupported(array.elements.dtype())),
    }
}

/// All elements as 64-bit integers by their low bits; floats are cut off.
pub(super) fn integers(array: &Array) -> Result<Vec<i64>, String> {
    match convert(DType::I64, &array.elements)? {
        Elements::I64(values) if array.elements.dtype() != DType::Bytes => Ok(values.to_vec()),
        _ => Err(unsupported(array.elements.dtype())),
    }
}

/// Double-precision numbers rounded to a type.
pub(super) fn of_doubles(dtype: DType, shape: Vec<usize>, values: Vec<f64>) -> Result<Array, String> {
    let array = Array::new(shape, values)?;
    Ok(Array { elements: convert(dtype, &array.elements)?, shape: array.shape })
}

/// Integers cut to a type.
pub(super) fn of_integers(dtype: DType, shape: Vec<usize>, values: Vec<i64>) -> Result<Array, String> {
    let array = Array::new(shape, values)?;
    Ok(Array { elements: convert(dtype, &array.elements)?, shape: array.shape })
}

/// The only element of an input such as a count.
pub(super) fn scalar(array: &Array) -> Result<f64, String> {
    doubles(array)?.first().copied().ok_or_else(|| "expected one number, got an empty tensor".to_owned())
}

/// The only element of an integer input.
pub(super) fn integer(array: &Array) -> Result<i64, String> {
    integers(array)?.first().copied().ok_or_else(|| "expected one integer, got an empty tensor".to_owned())
}

/// A dimension or count that is not negative.
pub(super) fn size(value: i64, what: &str) -> Result<usize, String> {
    usize::try_from(value).map_err(|_| format!("{what} is {value}, expected 0 or more"))
}
