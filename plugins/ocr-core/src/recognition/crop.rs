//! Cutting a quadrilateral out of a photo and straightening it.

use crate::{Photo, Point, Quad};

/// From this ratio of height to width on, a region is taken for a line that runs downwards, and is turned.
const UPRIGHT_RATIO: f32 = 1.5;
/// A line of larger letters is cut out at this height: three times what the recogniser looks at.
const MAX_HEIGHT: f32 = 144.0;
/// Sharpness of the cubic interpolation; the networks were trained on pictures cut out with this one.
const CUBIC: f32 = -0.75;

/// What is cut out of a photo for one line of text, and its size then.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Cut {
    /// Corners in the photo: those that become top left, top right, bottom right, bottom left.
    pub corners: Quad,
    /// Width in pixels, at least 1.
    pub width: usize,
    /// Height in pixels, at least 1.
    pub height: usize,
}

impl Cut {
    /// The cut of a region; one that runs downwards is turned.
    pub(super) fn of(corners: &Quad) -> Self {
        let corners = if corners.height() >= UPRIGHT_RATIO * corners.width() { corners.turned() } else { *corners };
        // Whole pixels as the networks were trained, before a large line is reduced.
        let (full_width, full_height) = (corners.width().floor().max(1.0), corners.height().floor().max(1.0));
        let reduction = (MAX_HEIGHT / full_height).min(1.0);
        let width = (full_width * reduction).max(1.0) as usize;
        let height = (full_height * reduction).max(1.0) as usize;
        Self { corners, width, height }
    }

    pub(super) fn aspect(&self) -> f32 {
        self.width as f32 / self.height as f32
    }
}

/// Returns the content of `corners` as an upright picture; pixels beyond the border repeat the border.
pub(super) fn cut(photo: &Photo, corners: &Quad) -> Photo {
    let Cut { corners, width, height } = Cut::of(corners);
    let projection = Projection::onto(&corners);
    let mut pixels = Vec::with_capacity(width * height * 3);
    for y in 0..height {
        for x in 0..width {
            let place = projection.place(x as f32 / width as f32, y as f32 / height as f32);
            pixels.extend(sample(photo, place));
        }
    }
    Photo::from_rgb(width, height, pixels).unwrap_or_else(|| photo.clone())
}

/// The projective map from the unit square to a quadrilateral (Heckbert, "Fundamentals of Texture Mapping", 1989).
struct Projection {
    x: [f32; 3],
    y: [f32; 3],
    depth: [f32; 2],
}

impl Projection {
    fn onto(corners: &Quad) -> Self {
        let [a, b, c, d] = corners.0;
        let skew = Point::new(a.x - b.x + c.x - d.x, a.y - b.y + c.y - d.y);
        let right = Point::new(b.x - c.x, b.y - c.y);
        let bottom = Point::new(d.x - c.x, d.y - c.y);
        let area = cross(right, bottom);
        // A quadrilateral without area has no depth to recover.
        let (g, h) = if area == 0.0 { (0.0, 0.0) } else { (cross(skew, bottom) / area, cross(right, skew) / area) };
        Self {
            x: [b.x - a.x + g * b.x, d.x - a.x + h * d.x, a.x],
            y: [b.y - a.y + g * b.y, d.y - a.y + h * d.y, a.y],
            depth: [g, h],
        }
    }

    fn place(&self, u: f32, v: f32) -> Point {
        let depth = self.depth[0] * u + self.depth[1] * v + 1.0;
        let along = |row: &[f32; 3]| (row[0] * u + row[1] * v + row[2]) / depth;
        Point::new(along(&self.x), along(&self.y))
    }
}

fn cross(a: Point, b: Point) -> f32 {
    a.x * b.y - a.y * b.x
}

/// Cubic interpolation over 4 x 4 pixels.
fn sample(photo: &Photo, place: Point) -> [u8; 3] {
    let (left, top) = (place.x.floor(), place.y.floor());
    let across = cubic_weights(place.x - left);
    let down = cubic_weights(place.y - top);
    let mut sum = [0.0; 3];
    for (row, row_weight) in down.iter().enumerate() {
        let y = clamp(top, row, photo.height());
        for (column, column_weight) in across.iter().enumerate() {
            let pixel = photo.pixel(clamp(left, column, photo.width()), y);
            for (sum, value) in sum.iter_mut().zip(pixel) {
                *sum += f32::from(value) * row_weight * column_weight;
            }
        }
    }
    sum.map(|value| (value + 0.5) as u8)
}

/// Position `tap` of the four around `start`, kept inside `0..length`.
fn clamp(start: f32, tap: usize, length: usize) -> usize {
    ((start + tap as f32 - 1.0).max(0.0) as usize).min(length - 1)
}

/// Weights of the pixels at -1, 0, 1, 2 for a place at `t` in 0..1 (cubic convolution, Keys 1981).
fn cubic_weights(t: f32) -> [f32; 4] {
    let near = |d: f32| ((CUBIC + 2.0) * d - (CUBIC + 3.0)) * d * d + 1.0;
    let far = |d: f32| ((CUBIC * d - 5.0 * CUBIC) * d + 8.0 * CUBIC) * d - 4.0 * CUBIC;
    [far(1.0 + t), near(t), near(1.0 - t), far(2.0 - t)]
}

#[cfg(test)]
mod tests;
