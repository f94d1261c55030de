//! Products of matrices.
#![expect(unsafe_code, reason = "the gemm crate takes pointers and strides; this is its only caller")]

use bytemuck::Pod;
use gemm::Parallelism;

use super::array::{Buffer, Element, Elements, memory};

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

    /// A row-major matrix whose rows lie `stride` apart.
    ///
    /// # Errors
    /// When `elements` is too short.
    pub(crate) fn strided(elements: &'a [T], rows: usize, columns: usize, stride: usize) -> Result<Self, String> {
        let needed = rows.saturating_sub(1).checked_mul(stride).and_then(|start| start.checked_add(columns));
        if rows > 0 && needed.is_none_or(|needed| needed > elements.len()) {
            return Err(format!("{} elements hold no {rows} x {columns} matrix", elements.len()));
        }
        Ok(Self { elements, rows, columns, row: stride, column: 1 })
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
pub(crate) trait Number: Pod + Element + Default {
    /// 1.
    const ONE: Self;
    /// `length` numbers of no particular value, each of which is to be written.
    fn scratch(length: usize) -> Buffer<Self>;
    /// Takes memory back.
    fn recycle(memory: Buffer<Self>);
    /// Numbers as elements.
    fn elements(numbers: Buffer<Self>) -> Elements;
}

impl Number for f32 {
    const ONE: Self = 1.0;

    fn scratch(length: usize) -> Buffer<Self> {
        memory::numbers(length)
    }

    fn recycle(memory: Buffer<Self>) {
        memory::recycle(memory);
    }

    fn elements(numbers: Buffer<Self>) -> Elements {
        Elements::F32(numbers)
    }
}

impl Number for f64 {
    const ONE: Self = 1.0;

    fn scratch(length: usize) -> Buffer<Self> {
        vec![0.0; length].into()
    }

    fn recycle(_: Buffer<Self>) {}

    fn elements(numbers: Buffer<Self>) -> Elements {
        Elements::F64(numbers)
    }
}

/// Where a product goes: a row-major matrix with rows `stride` apart.
pub(crate) struct Target<'a, T> {
    pub(crate) elements: &'a mut [T],
    pub(crate) stride: usize,
    /// Whether the product is added to what is there.
    pub(crate) add: bool,
}

/// `target = factor * left * right`, or added to it.
///
/// # Errors
/// When the inner dimensions differ, or the target is too small.
pub(crate) fn multiply_into<T: Number>(
    target: Target<'_, T>,
    factor: T,
    left: Matrix<'_, T>,
    right: Matrix<'_, T>,
) -> Result<(), String> {
    let (m, k, n) = (left.rows, left.columns, right.columns);
    if k != right.rows {
        return Err(format!("cannot multiply {m} x {k} by {} x {n}", right.rows));
    }
    if m == 0 || n == 0 {
        return Ok(());
    }
    let needed = (m - 1).checked_mul(target.stride).and_then(|start| start.checked_add(n));
    if target.stride < n || needed.is_none_or(|needed| needed > target.elements.len()) {
        return Err(format!("a product of {m} x {n} does not fit its place"));
    }
    if k == 0 {
        if !target.add {
            target.elements.chunks_mut(target.stride).take(m).for_each(|row| row[..n].fill(T::default()));
        }
        return Ok(());
    }
    let kept = if target.add { T::ONE } else { T::default() };
    // SAFETY: both matrices lie in their slices (checked when they were made), rows of n elements `stride` apart fit the
    // target (checked above), which is not read before it is written unless `add` says that it holds numbers, and
    // the three do not overlap.
    unsafe {
        gemm::gemm(
            m,
            n,
            k,
            target.elements.as_mut_ptr(),
            1,
            target.stride as isize,
            target.add,
            left.elements.as_ptr(),
            left.column as isize,
            left.row as isize,
            right.elements.as_ptr(),
            right.column as isize,
            right.row as isize,
            kept,
            factor,
            false,
            false,
            false,
            Parallelism::None,
        );
    }
    Ok(())
}

/// `left * right`, row-major.
///
/// # Errors
/// When the inner dimensions differ.
pub(crate) fn multiply<T: Number>(left: Matrix<'_, T>, right: Matrix<'_, T>) -> Result<Vec<T>, String> {
    let (rows, columns) = (left.rows, right.columns);
    let mut product = vec![T::default(); super::array::count(&[rows, columns])?];
    multiply_into(Target { elements: &mut product, stride: columns, add: false }, T::ONE, left, right)?;
    Ok(product)
}
