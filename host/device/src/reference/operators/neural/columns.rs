//! The column matrix of a convolution: a row for every tap of every channel, a column for every output place.

use std::ops::Range;

use super::window::Geometry;

/// Writes the columns of the output rows `rows` (rows of the innermost axis, counted over the outer ones) of `channels`
/// channels into `columns`, in place order.
pub(crate) fn gather<T: Copy + Default>(columns: &mut [T], input: &[T], geometry: &Geometry, rows: Range<usize>) {
    let width = geometry.output[2];
    let plane = geometry.input_plane();
    let length = rows.len() * width;
    let mut lines = columns.chunks_exact_mut(length.max(1));
    for channel in input.chunks_exact(plane.max(1)) {
        for (z, y, x) in taps(geometry) {
            let Some(line) = lines.next() else { return };
            let inside = geometry.inside(2, x);
            for (row, target) in rows.clone().zip(line.chunks_exact_mut(width.max(1))) {
                let source = source_row(channel, geometry, row, (z, y));
                match source {
                    None => target.fill(T::default()),
                    Some(source) => copy_row(target, source, geometry, &inside, x),
                }
            }
        }
    }
}

/// Adds columns back to the places that they came from: the transposed operation of [`gather`] for all rows.
pub(crate) fn scatter<T: Copy + std::ops::AddAssign>(columns: &[T], output: &mut [T], geometry: &Geometry) {
    let width = geometry.output[2];
    let plane = geometry.input_plane();
    let mut lines = columns.chunks_exact(geometry.output_plane().max(1));
    for channel in output.chunks_exact_mut(plane.max(1)) {
        for (z, y, x) in taps(geometry) {
            let Some(line) = lines.next() else { return };
            let inside = geometry.inside(2, x);
            for (row, values) in line.chunks_exact(width.max(1)).enumerate() {
                let Some(start) = row_start(geometry, row, (z, y)) else { continue };
                // Empty ranges have no first place.
                let Some(first) = geometry.source(2, inside.start, x) else { continue };
                let places = channel[start + first..start + geometry.input[2]].iter_mut().step_by(geometry.strides[2]);
                places.zip(&values[inside.clone()]).for_each(|(place, value)| *place += *value);
            }
        }
    }
}

/// All taps of the window, the innermost axis fastest.
pub(crate) fn taps(geometry: &Geometry) -> impl Iterator<Item = (usize, usize, usize)> {
    let [depth, height, width] = geometry.kernel;
    (0..depth).flat_map(move |z| (0..height).flat_map(move |y| (0..width).map(move |x| (z, y, x))))
}

/// Where the input row starts that an output row sees through a tap of the outer axes.
fn row_start(geometry: &Geometry, row: usize, (z, y): (usize, usize)) -> Option<usize> {
    let z = geometry.source(0, row / geometry.output[1], z)?;
    let y = geometry.source(1, row % geometry.output[1], y)?;
    Some((z * geometry.input[1] + y) * geometry.input[2])
}

/// The input row that an output row sees through a tap of the outer axes.
pub(crate) fn source_row<'a, T>(
    channel: &'a [T],
    geometry: &Geometry,
    row: usize,
    tap: (usize, usize),
) -> Option<&'a [T]> {
    row_start(geometry, row, tap).map(|start| &channel[start..start + geometry.input[2]])
}

#[inline]
fn copy_row<T: Copy + Default>(target: &mut [T], source: &[T], geometry: &Geometry, inside: &Range<usize>, tap: usize) {
    target[..inside.start].fill(T::default());
    target[inside.end..].fill(T::default());
    let Some(first) = geometry.source(2, inside.start, tap) else { return };
    let stride = geometry.strides[2];
    let target = &mut target[inside.clone()];
    match stride {
        1 => target.copy_from_slice(&source[first..first + target.len()]),
        _ => target.iter_mut().zip(source[first..].iter().step_by(stride)).for_each(|(to, from)| *to = *from),
    }
}
