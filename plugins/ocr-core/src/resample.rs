//! Resizing with a triangle filter: bilinear interpolation when enlarging, and when reducing the average over the area
//! that a pixel stands for, so that thin strokes do not break up.

use crate::Photo;

/// The source positions that make one target position: `first` and on, with weights that sum to 1.
struct Taps {
    first: usize,
    weights: Vec<f32>,
}

/// Returns `photo` at `width` x `height` pixels (both at least 1).
pub(crate) fn resize(photo: &Photo, width: usize, height: usize) -> Photo {
    if (width, height) == (photo.width(), photo.height()) {
        return photo.clone();
    }
    let narrowed = resize_rows(photo, width);
    let pixels = resize_columns(&narrowed, width * 3, &taps(photo.height(), height));
    Photo::from_rgb(width, height, pixels).unwrap_or_else(|| photo.clone())
}

/// Every row at `width` pixels, not yet rounded.
fn resize_rows(photo: &Photo, width: usize) -> Vec<f32> {
    let taps = taps(photo.width(), width);
    let mut result = Vec::with_capacity(width * photo.height() * 3);
    for row in photo.rows() {
        for tap in &taps {
            let mut sum = [0.0; 3];
            for (pixel, weight) in row[tap.first * 3..].chunks_exact(3).zip(&tap.weights) {
                for (sum, &value) in sum.iter_mut().zip(pixel) {
                    *sum += f32::from(value) * weight;
                }
            }
            result.extend(sum);
        }
    }
    result
}

/// Mixes rows of `stride` values as `taps` says, and rounds.
fn resize_columns(rows: &[f32], stride: usize, taps: &[Taps]) -> Vec<u8> {
    let mut result = Vec::with_capacity(stride * taps.len());
    let mut mixed = vec![0.0; stride];
    for tap in taps {
        mixed.fill(0.0);
        for (row, weight) in rows[tap.first * stride..].chunks_exact(stride).zip(&tap.weights) {
            for (sum, value) in mixed.iter_mut().zip(row) {
                *sum += value * weight;
            }
        }
        result.extend(mixed.iter().map(|value| (value + 0.5) as u8));
    }
    result
}

fn taps(source: usize, target: usize) -> Vec<Taps> {
    let scale = source as f32 / target as f32;
    (0..target).map(|position| tap((position as f32 + 0.5) * scale, scale.max(1.0), source)).collect()
}

/// Weights of the pixels whose centres lie within `radius` of `centre`, both in source pixels.
fn tap(centre: f32, radius: f32, source: usize) -> Taps {
    let first = ((centre - radius).max(0.0) as usize).min(source - 1);
    let last = ((centre + radius) as usize).min(source - 1);
    let weight = |at: usize| (1.0 - (at as f32 + 0.5 - centre).abs() / radius).max(0.0);
    let mut weights: Vec<f32> = (first..=last).map(weight).collect();
    let sum: f32 = weights.iter().sum();
    weights.iter_mut().for_each(|weight| *weight /= sum);
    Taps { first, weights }
}

#[cfg(test)]
mod tests;
