//! Where elements are: strides, and copies of elements in another order.

use crate::reference::array::{Array, Element, Elements, count, each};

/// Row-major strides of a shape, in elements.
pub(super) fn row_major(shape: &[usize]) -> Vec<isize> {
    let mut strides = vec![0; shape.len()];
    let mut stride = 1isize;
    for (place, dim) in strides.iter_mut().zip(shape).rev() {
        *place = stride;
        stride = stride.saturating_mul(*dim as isize);
    }
    strides
}

/// Offsets of all elements of a shape in row-major order, for any strides.
pub(super) struct Walk<'a> {
    shape: &'a [usize],
    strides: &'a [isize],
    at: Vec<usize>,
    offset: isize,
    left: usize,
}

impl<'a> Walk<'a> {
    pub(super) fn new(start: usize, shape: &'a [usize], strides: &'a [isize]) -> Self {
        let left = shape.iter().product();
        Self { shape, strides, at: vec![0; shape.len()], offset: start as isize, left }
    }
}

impl Iterator for Walk<'_> {
    type Item = usize;

    fn next(&mut self) -> Option<usize> {
        self.left = self.left.checked_sub(1)?;
        let offset = self.offset as usize;
        for axis in (0..self.shape.len()).rev() {
            self.at[axis] += 1;
            self.offset += self.strides[axis];
            if self.at[axis] < self.shape[axis] {
                break;
            }
            self.offset -= self.strides[axis] * self.shape[axis] as isize;
            self.at[axis] = 0;
        }
        Some(offset)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.left, Some(self.left))
    }
}

/// A copy of the elements that `strides` lead to from `start` on.
pub(super) fn view(array: &Array, start: usize, shape: Vec<usize>, strides: &[isize]) -> Result<Array, String> {
    count(&shape)?;
    // Runs that are contiguous in the source are copied whole.
    let (mut outer, mut block) = (shape.len(), 1usize);
    while outer > 0 && (shape[outer - 1] == 1 || strides[outer - 1] == block as isize) {
        outer -= 1;
        block *= shape[outer];
    }
    let starts: Vec<usize> = Walk::new(start, &shape[..outer], &strides[..outer]).collect();
    blocks(array, shape, block, &starts)
}

/// The runs of `block` elements that begin at `starts`, one after the other.
pub(super) fn blocks(array: &Array, shape: Vec<usize>, block: usize, starts: &[usize]) -> Result<Array, String> {
    if count(&shape)? != starts.len() * block {
        return Err(format!("{} elements do not fill shape {shape:?}", starts.len() * block));
    }
    let elements = each!(&array.elements, values => copied(values, block, starts)?);
    Ok(Array { shape, elements })
}

fn copied<T: Element>(values: &[T], block: usize, starts: &[usize]) -> Result<Elements, String> {
    let mut copies = Vec::with_capacity(starts.len() * block);
    for start in starts {
        let run = values.get(*start..start + block).ok_or("an element outside the tensor")?;
        copies.extend_from_slice(run);
    }
    Ok(T::wrap(copies))
}

/// The elements at `from`, or `filler`'s only element where there is no place.
pub(super) fn pick(array: &Array, filler: &Array, shape: Vec<usize>, from: &[Option<usize>]) -> Result<Array, String> {
    let elements = each!(&array.elements, values => picked(values, filler, from)?);
    if count(&shape)? != from.len() {
        return Err(format!("{} elements do not fill shape {shape:?}", from.len()));
    }
    Ok(Array { shape, elements })
}

fn picked<T: Element>(values: &[T], filler: &Array, from: &[Option<usize>]) -> Result<Elements, String> {
    let wrong = || format!("the value to fill with is {}, another type than the data", filler.elements.dtype());
    let filler = filler.get::<T>().and_then(<[T]>::first).ok_or_else(wrong)?;
    let one = |place: &Option<usize>| place.map_or(Some(filler), |place| values.get(place)).cloned();
    let picked: Option<Vec<T>> = from.iter().map(one).collect();
    Ok(T::wrap(picked.ok_or("an element outside the tensor")?))
}

/// Coordinates of all elements of a shape in row-major order.
pub(super) fn coordinates(shape: &[usize], mut visit: impl FnMut(&[usize])) {
    let mut at = vec![0; shape.len()];
    for _ in 0..shape.iter().product::<usize>() {
        visit(&at);
        for axis in (0..shape.len()).rev() {
            at[axis] += 1;
            if at[axis] < shape[axis] {
                break;
            }
            at[axis] = 0;
        }
    }
}

/// Rearranges with `from`, which maps coordinates of the result to an offset in the source; `None` takes the filler.
pub(super) fn rearrange(
    array: &Array,
    filler: &Array,
    shape: Vec<usize>,
    mut from: impl FnMut(&[usize]) -> Option<usize>,
) -> Result<Array, String> {
    let mut places = Vec::with_capacity(count(&shape)?);
    coordinates(&shape, |at| places.push(from(at)));
    pick(array, filler, shape, &places)
}

/// Offset of coordinates.
pub(super) fn offset(at: &[usize], strides: &[isize]) -> usize {
    at.iter().zip(strides).map(|(at, stride)| at * *stride as usize).sum()
}

/// One element of the array's type: 0, false or an empty string.
pub(super) fn zero(array: &Array) -> Array {
    fn default<T: Element + Default>(_: &[T]) -> Elements {
        T::wrap(vec![T::default()])
    }
    Array { shape: vec![], elements: each!(&array.elements, values => default(values)) }
}

/// The shape before, along and behind an axis, as counts of elements.
pub(super) fn around(shape: &[usize], axis: usize) -> (usize, usize, usize) {
    (shape[..axis].iter().product(), shape[axis], shape[axis + 1..].iter().product())
}
