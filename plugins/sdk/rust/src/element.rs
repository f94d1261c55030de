//! Rust types that are elements of tensors.

use crate::DType;

mod sealed {
    pub trait Sealed {}
}

/// A Rust type with a dtype: `bool`, the integers, `f32`, `f64`, and with feature `half` its two types.
pub trait Element: sealed::Sealed + Copy {
    /// The dtype.
    const DTYPE: DType;
    /// Bytes of one element.
    const SIZE: usize;
    /// Appends the element's little-endian bytes.
    fn write(self, bytes: &mut Vec<u8>);
    /// Reads an element from exactly [`Element::SIZE`] bytes.
    fn read(bytes: &[u8]) -> Self;
}

macro_rules! element {
    ($($type:ty => $dtype:ident),* $(,)?) => {$(
        impl sealed::Sealed for $type {}

        impl Element for $type {
            const DTYPE: DType = DType::$dtype;
            const SIZE: usize = size_of::<$type>();

            #[inline]
            fn write(self, bytes: &mut Vec<u8>) {
                bytes.extend_from_slice(&self.to_le_bytes());
            }

            #[inline]
            fn read(bytes: &[u8]) -> Self {
                let mut element = [0; size_of::<$type>()];
                element.copy_from_slice(bytes);
                Self::from_le_bytes(element)
            }
        }
    )*};
}

element! {
    u8 => U8, u16 => U16, u32 => U32, u64 => U64,
    i8 => I8, i16 => I16, i32 => I32, i64 => I64,
    f32 => Fp32, f64 => Fp64,
}

#[cfg(feature = "half")]
element! { half::f16 => Fp16, half::bf16 => Bf16 }

impl sealed::Sealed for bool {}

impl Element for bool {
    const DTYPE: DType = DType::Bool;
    const SIZE: usize = 1;

    #[inline]
    fn write(self, bytes: &mut Vec<u8>) {
        bytes.push(u8::from(self));
    }

    #[inline]
    fn read(bytes: &[u8]) -> Self {
        bytes[0] != 0
    }
}
