//! Products of matrices.
#![expect(unsafe_code, reason = "the gemm crate takes pointers and strides; this is its only caller")]

use gemm::Parallelism;

/// A matrix inside a slice: element (r, c) is at `r * row + c * column`.
#[derive(Clone, Copy)]
pub(crate) struct Matrix<'a, T> {
    elements: &'a [T],
    rows: usize,
    columns: usize,
    row: usize,
    column: usize,
}

impl<'a, T> Matrix<'a, T> {
    /// A row-major matrix.
    ///
    /// # Errors
    /// When `elements` is not `rows * columns` long.
    pub(crate) fn new(elements: &'a [T], rows: usize, columns: usize) -> Result<Self, String> {
        if rows.checked_mul(columns) != Some(elements.len()) {
            return Err(format!("{} elements are no {rows} x {columns} matrix", elements.len()));
        }
        Ok(Self { elements, rows, columns, row: columns, column: 1 })
    }

    pub(crate) fn transposed(self, transposed: bool) -> Self {
        if !transposed {
            return self;
        }
        let Self { elements, rows, columns, row, column } = self;
        Self { elements, rows: columns, columns: rows, row: column, column: row }
    }

    pub(crate) fn rows(&self) -> usize {
        self.rows
    }

    pub(crate) fn columns(&self) -> usize {
        self.columns
    }
}

/// A number that matrices have.
pub(crate) trait Number: Copy + Default + 'static {
    /// 1.
    const ONE: Self;
}

impl Number for f32 {
    const ONE: Self = 1.0;
}

impl Number for f64 {
    const ONE: Self = 1.0;
}

/// `left * right`, row-major.
///
/// # Errors
/// When the inner dimensions differ.
pub(crate) fn multiply<T: Number>(left: Matrix<'_, T>, right: Matrix<'_, T>) -> Result<Vec<T>, String> {
    let (m, k, n) = (left.rows, left.columns, right.columns);
    if k != right.rows {
        return Err(format!("cannot multiply {m} x {k} by {} x {n}", right.rows));
    }
    let mut product = vec![T::default(); super::array::count(&[m, n])?];
    if product.is_empty() || k == 0 {
        return Ok(product);
    }
    // SAFETY: both matrices lie in their slices (checked when they were made), the product has m * n elements in rows
    // of n and is not read before it is written, and the three do not overlap.
    unsafe {
        gemm::gemm(
            m,
            n,
            k,
            product.as_mut_ptr(),
            1,
            n as isize,
            false,
            left.elements.as_ptr(),
            left.column as isize,
            left.row as isize,
            right.elements.as_ptr(),
            right.column as isize,
            right.row as isize,
            T::default(),
            T::ONE,
            false,
            false,
            false,
            Parallelism::None,
        );
    }
    Ok(product)
}
