//! The handle to elements that live in the host.

use crate::bindings::scorer::scorehost::scoring::tensors::Tensor as Handle;
use crate::{DType, Element, Error, Result};

/// A handle to an immutable, row-major tensor in the host. Passing it on copies nothing.
#[derive(Debug)]
pub struct Tensor(Handle);

impl Tensor {
    /// Makes a tensor from elements; one copy into the host.
    ///
    /// # Errors
    /// `InvalidInput` where the number of elements is not the product of `shape`.
    pub fn from_slice<T: Element>(shape: impl AsRef<[usize]>, elements: &[T]) -> Result<Self> {
        let mut data = Vec::with_capacity(elements.len() * T::SIZE);
        for element in elements {
            element.write(&mut data);
        }
        Self::from_bytes(T::DTYPE, shape, &data)
    }

    /// Makes a [`DType::Bytes`] tensor from byte strings (text is UTF-8 bytes).
    ///
    /// # Errors
    /// `InvalidInput` where the number of strings is not the product of `shape`, or one is longer than 4 GiB.
    pub fn from_strings<S: AsRef<[u8]>>(shape: impl AsRef<[usize]>, strings: &[S]) -> Result<Self> {
        let mut data = Vec::new();
        for string in strings {
            let string = string.as_ref();
            let length = u32::try_from(string.len()).map_err(Error::invalid)?;
            data.extend_from_slice(&length.to_le_bytes());
            data.extend_from_slice(string);
        }
        Self::from_bytes(DType::Bytes, shape, &data)
    }

    /// Makes a tensor from its bytes: row-major, little-endian; `Bytes` elements each after their u32 length.
    ///
    /// # Errors
    /// `InvalidInput` where the bytes do not fit dtype and shape.
    pub fn from_bytes(dtype: DType, shape: impl AsRef<[usize]>, data: &[u8]) -> Result<Self> {
        Handle::create(dtype, &dimensions(shape.as_ref()), data).map(Self).map_err(Error::from_host)
    }

    /// The element type.
    #[must_use]
    pub fn dtype(&self) -> DType {
        self.0.dtype()
    }

    /// The dimensions, outermost first.
    #[must_use]
    pub fn shape(&self) -> Vec<usize> {
        self.0.shape().into_iter().map(|dimension| usize::try_from(dimension).unwrap_or(usize::MAX)).collect()
    }

    /// Bytes that [`Tensor::bytes`] would return.
    #[must_use]
    pub fn byte_length(&self) -> u64 {
        self.0.byte_length()
    }

    /// Copies all elements into the scorer.
    ///
    /// # Errors
    /// `InvalidInput` where `T` is not the tensor's element type.
    pub fn to_vec<T: Element>(&self) -> Result<Vec<T>> {
        self.expect(T::DTYPE)?;
        Ok(self.0.data().chunks_exact(T::SIZE).map(T::read).collect())
    }

    /// Copies all byte strings of a [`DType::Bytes`] tensor into the scorer.
    ///
    /// # Errors
    /// `InvalidInput` for another dtype.
    pub fn to_strings(&self) -> Result<Vec<Vec<u8>>> {
        self.expect(DType::Bytes)?;
        let data = self.0.data();
        let mut rest = data.as_slice();
        let mut strings = Vec::new();
        while let Some((length, tail)) = rest.split_first_chunk::<4>() {
            let length = u32::from_le_bytes(*length) as usize;
            let (string, tail) =
                tail.split_at_checked(length).ok_or_else(|| Error::internal("a byte string is cut short"))?;
            strings.push(string.to_vec());
            rest = tail;
        }
        Ok(strings)
    }

    /// Copies all bytes into the scorer, in the layout of [`Tensor::from_bytes`].
    #[must_use]
    pub fn bytes(&self) -> Vec<u8> {
        self.0.data()
    }

    /// Copies `length` bytes from byte `offset` on.
    ///
    /// # Errors
    /// `InvalidInput` beyond the end.
    pub fn read(&self, offset: u64, length: u64) -> Result<Vec<u8>> {
        self.0.read(offset, length).map_err(Error::from_host)
    }

    /// The same elements under another shape; no copy.
    ///
    /// # Errors
    /// `InvalidInput` where the number of elements differs.
    pub fn reshape(&self, shape: impl AsRef<[usize]>) -> Result<Self> {
        self.0.reshape(&dimensions(shape.as_ref())).map(Self).map_err(Error::from_host)
    }

    /// Rows of the first dimension; no copy for dtypes of fixed size.
    ///
    /// # Errors
    /// `InvalidInput` where the rows do not exist.
    pub fn slice(&self, rows: std::ops::Range<usize>) -> Result<Self> {
        self.0.slice(rows.start as u64, rows.end as u64).map(Self).map_err(Error::from_host)
    }

    pub(crate) const fn handle(&self) -> &Handle {
        &self.0
    }

    pub(crate) fn into_handle(self) -> Handle {
        self.0
    }

    pub(crate) const fn from_handle(handle: Handle) -> Self {
        Self(handle)
    }

    fn expect(&self, wanted: DType) -> Result<()> {
        let dtype = self.dtype();
        if dtype == wanted {
            return Ok(());
        }
        // Under the name that scorers know it by.
        let name = |dtype: DType| format!("{dtype:?}").replace("Dtype", "DType");
        let message =
            format!("the tensor holds {} elements, not {}; read those, or cast it", name(dtype), name(wanted));
        Err(Error::invalid(message))
    }
}

impl Clone for Tensor {
    /// A second handle to the same elements; no copy.
    fn clone(&self) -> Self {
        Self(self.0.share())
    }
}

fn dimensions(shape: &[usize]) -> Vec<u64> {
    shape.iter().map(|dimension| *dimension as u64).collect()
}
