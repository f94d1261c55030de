use super::Map;
use crate::{Point, Quad};

/// Mean probability of the map positions inside `corners`, edges included; 0 when none is.
pub(super) fn mean_inside(map: &Map, corners: &Quad) -> f32 {
    let (top, bottom) = extent(corners.0.iter().map(|corner| corner.y), map.height);
    let mut sum = 0.0;
    let mut count = 0;
    for y in top..=bottom {
        let Some((left, right)) = crossing(corners, y as f32) else { continue };
        let (left, right) = extent([left, right].into_iter(), map.width);
        let row = &map.values[y * map.width + left..=y * map.width + right];
        sum += row.iter().sum::<f32>();
        count += row.len();
    }
    if count == 0 { 0.0 } else { sum / count as f32 }
}

/// The whole positions nearest to the least and greatest of `values`, within `0..length`.
fn extent(values: impl Iterator<Item = f32>, length: usize) -> (usize, usize) {
    let (least, greatest) = values.fold((f32::INFINITY, 0.0_f32), |(a, b), value| (a.min(value), b.max(value)));
    let within = |value: f32| (value.round().max(0.0) as usize).min(length - 1);
    (within(least), within(greatest))
}

/// Where the horizontal line at `y` enters and leaves the quadrilateral.
fn crossing(corners: &Quad, y: f32) -> Option<(f32, f32)> {
    let edges = corners.0.iter().zip(corners.0.iter().cycle().skip(1));
    let places = edges.filter_map(|(from, to)| place(*from, *to, y));
    places.fold(None, |found, x| match found {
        None => Some((x, x)),
        Some((left, right)) => Some((x.min(left), x.max(right))),
    })
}

fn place(from: Point, to: Point, y: f32) -> Option<f32> {
    let between = (from.y.min(to.y)..=from.y.max(to.y)).contains(&y);
    // A level edge adds nothing: its ends belong to the edges beside it.
    (between && from.y != to.y).then(|| from.x + (to.x - from.x) * (y - from.y) / (to.y - from.y))
}

#[cfg(test)]
mod tests;
