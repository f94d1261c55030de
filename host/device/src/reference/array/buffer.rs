//! Elements in memory of their own, or in the bytes of a tensor.

use std::marker::PhantomData;
use std::ops::Deref;

use bytemuck::Pod;
use bytes::Bytes;

/// Elements of a plain type. Those of a caller's tensor are read where they are.
pub(crate) enum Buffer<T> {
    /// The first `length` elements; a recycled buffer may be longer than it has to be.
    Owned { elements: Vec<T>, length: usize },
    /// Aligned little-endian elements.
    Shared(Bytes, PhantomData<T>),
}

impl<T: Pod> Buffer<T> {
    /// The first `length` of `elements`, which are at least that many.
    pub(super) fn prefix(elements: Vec<T>, length: usize) -> Self {
        debug_assert!(elements.len() >= length, "a buffer is at least as long as its content");
        Self::Owned { elements, length }
    }

    /// The elements of little-endian bytes; shares them where they are aligned.
    pub(crate) fn from_bytes(bytes: &Bytes) -> Self {
        if cfg!(target_endian = "little") && bytemuck::try_cast_slice::<u8, T>(bytes).is_ok() {
            return Self::Shared(bytes.clone(), PhantomData);
        }
        let mut elements = vec![T::zeroed(); bytes.len() / size_of::<T>()];
        bytemuck::cast_slice_mut(&mut elements).copy_from_slice(bytes);
        if cfg!(target_endian = "big") {
            bytemuck::cast_slice_mut::<T, u8>(&mut elements).chunks_mut(size_of::<T>()).for_each(<[u8]>::reverse);
        }
        elements.into()
    }

    /// The elements as little-endian bytes, without a copy where the machine is.
    pub(crate) fn into_bytes(self) -> Bytes
    where
        T: Send + Sync + 'static,
    {
        match self {
            Self::Shared(bytes, _) => bytes,
            Self::Owned { mut elements, length } => {
                if cfg!(target_endian = "big") {
                    let bytes: &mut [u8] = bytemuck::cast_slice_mut(&mut elements);
                    bytes.chunks_mut(size_of::<T>()).for_each(<[u8]>::reverse);
                }
                Bytes::from_owner(AsBytes { elements, length })
            }
        }
    }

    /// The elements for writing; copies those of a tensor first.
    pub(crate) fn to_mut(&mut self) -> &mut [T] {
        if let Self::Shared(..) = self {
            *self = self.to_vec().into();
        }
        match self {
            Self::Owned { elements, length } => &mut elements[..*length],
            Self::Shared(..) => &mut [],
        }
    }

    /// Memory that can be used again, where it is nobody else's.
    pub(super) fn into_memory(self) -> Option<Vec<T>> {
        match self {
            Self::Owned { elements, .. } => Some(elements),
            Self::Shared(..) => None,
        }
    }
}

struct AsBytes<T> {
    elements: Vec<T>,
    length: usize,
}

impl<T: Pod> AsRef<[u8]> for AsBytes<T> {
    fn as_ref(&self) -> &[u8] {
        bytemuck::cast_slice(&self.elements[..self.length])
    }
}

impl<T: Pod> Deref for Buffer<T> {
    type Target = [T];

    #[inline]
    fn deref(&self) -> &[T] {
        match self {
            Self::Owned { elements, length } => &elements[..*length],
            Self::Shared(bytes, _) => bytemuck::cast_slice(bytes),
        }
    }
}

impl<T> From<Vec<T>> for Buffer<T> {
    fn from(elements: Vec<T>) -> Self {
        Self::Owned { length: elements.len(), elements }
    }
}

impl<T: Pod> Clone for Buffer<T> {
    fn clone(&self) -> Self {
        match self {
            Self::Owned { .. } => self.to_vec().into(),
            Self::Shared(bytes, _) => Self::Shared(bytes.clone(), PhantomData),
        }
    }
}

impl<T: Pod + std::fmt::Debug> std::fmt::Debug for Buffer<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.deref().fmt(f)
    }
}
