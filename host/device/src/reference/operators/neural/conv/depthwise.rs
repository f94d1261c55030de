//! One channel, one kernel: each output row is a sum of shifted input rows.

use super::super::columns::source_row;
use super::super::window::Geometry;
use crate::reference::vector::{Body, dispatch, vectorised};

/// Convolves one channel.
pub(super) fn convolve(target: &mut [f32], channel: &[f32], weights: &[f32], geometry: &Geometry) {
    let square = |size: usize, stride: usize| {
        geometry.kernel == [1, size, size] && geometry.strides[2] == stride && geometry.dilations[2] == 1
    };
    let arguments = (target, channel, weights, geometry);
    match () {
        () if square(3, 1) => dispatch(Rows::<3, 1>, arguments),
        () if square(3, 2) => dispatch(Rows::<3, 2>, arguments),
        () if square(5, 1) => dispatch(Rows::<5, 1>, arguments),
        () if square(5, 2) => dispatch(Rows::<5, 2>, arguments),
        () => dispatch(Any, arguments),
    }
}

type Job<'a> = (&'a mut [f32], &'a [f32], &'a [f32], &'a Geometry);

/// The loop of [`rows`].
struct Rows<const K: usize, const S: usize>;

impl<const K: usize, const S: usize> Body<Job<'_>> for Rows<K, S> {
    type Output = ();

    #[inline(always)]
    fn run(self, job: Job<'_>) {
        rows::<K, S>(job);
    }
}

/// Windows of `K` by `K` that move by `S`: rows with their padding are laid out once, and all taps of a place summed in
/// registers.
#[inline(always)]
fn rows<const K: usize, const S: usize>((target, channel, weights, geometry): Job<'_>) {
    let width = geometry.output[2];
    // What the windows of a row see, in whole groups of S.
    let padded = (width + (K - 1) / S) * S;
    let before = geometry.before[2].min(padded);
    let mut lines = vec![0.0f32; K * padded];
    for (row, out) in target.chunks_exact_mut(width).enumerate() {
        for (y, line) in lines.chunks_exact_mut(padded).enumerate() {
            let seen = &mut line[before..];
            match source_row(channel, geometry, row, (0, y)) {
                None => seen.fill(0.0),
                Some(source) => {
                    let length = source.len().min(seen.len());
                    seen[..length].copy_from_slice(&source[..length]);
                }
            }
        }
        for y in 0..K {
            let line = &lines[y * padded..(y + 1) * padded];
            let taps: [f32; K] = std::array::from_fn(|x| weights[y * K + x]);
            accumulate::<K, S>(out, line, taps, y == 0);
        }
    }
}

/// Adds `K` taps of one row. The row is read in groups of `S`, so that all slices have the length of the result.
#[inline(always)]
fn accumulate<const K: usize, const S: usize>(out: &mut [f32], line: &[f32], taps: [f32; K], first: bool) {
    let (groups, _) = line.as_chunks::<S>();
    let count = out.len();
    let views: [&[[f32; S]]; K] = std::array::from_fn(|x| &groups[x / S..x / S + count]);
    for (place, value) in out.iter_mut().enumerate() {
        let mut sum = if first { 0.0 } else { *value };
        for (x, (tap, view)) in taps.iter().zip(&views).enumerate() {
            sum = tap.mul_add(view[place][x % S], sum);
        }
        *value = sum;
    }
}

vectorised! {
    /// Any window: tap by tap.
    fn any as Any((target, channel, weights, geometry): Job<'_>) {
        target.fill(0.0);
        let width = geometry.output[2].max(1);
        for ((z, y, x), weight) in super::super::columns::taps(geometry).zip(weights) {
            let inside = geometry.inside(2, x);
            let Some(first) = geometry.source(2, inside.start, x) else { continue };
            for (row, out) in target.chunks_exact_mut(width).enumerate() {
                let Some(source) = source_row(channel, geometry, row, (z, y)) else { continue };
                let seen = source[first..].iter().step_by(geometry.strides[2]);
                out[inside.clone()].iter_mut().zip(seen).for_each(|(sum, value)| *sum = weight.mul_add(*value, *sum));
            }
        }
    }
}
