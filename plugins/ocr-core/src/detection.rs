//! Finding text: the detector's input, and the regions in the probability map that it answers with.
//!
//! Post-processing as for Differentiable Binarization (Liao et al., 2020): binarise, take connected components, put the
//! smallest rectangle around each, keep those with a high mean probability, and grow them, because the network was
//! trained to mark shrunken text.

mod components;
mod order;
mod score;

use crate::geometry::Rectangle;
use crate::resample::resize;
use crate::{OcrError, Photo, Point, Quad, Tensor};

/// The network halves its input five times.
const SIZE_STEP: f32 = 32.0;
/// Regions with a shorter side are noise, in pixels of the map before and after growing, and of the photo.
const MIN_SIDE: f32 = 3.0;
const MIN_GROWN_SIDE: f32 = MIN_SIDE + 2.0;

/// How text is searched for.
#[derive(Debug, Clone, PartialEq)]
pub struct DetectionOptions {
    /// Longer side that a photo is reduced to for the detector, in pixels; smaller photos keep their size.
    pub max_side: usize,
    /// A map position belongs to text above this probability.
    pub pixel_threshold: f32,
    /// Least mean probability of a region.
    pub region_threshold: f32,
    /// How far regions grow: the distance is this times area over perimeter.
    pub growth: f32,
    /// Most regions looked at, the largest first.
    pub max_regions: usize,
}

impl Default for DetectionOptions {
    fn default() -> Self {
        Self { max_side: 960, pixel_threshold: 0.3, region_threshold: 0.5, growth: 1.6, max_regions: 1000 }
    }
}

/// A place with text.
#[derive(Debug, Clone, PartialEq)]
pub struct Region {
    /// Its corners in the photo.
    pub corners: Quad,
    /// Mean probability, 0 to 1.
    pub score: f32,
}

/// Makes the detector's input: [1, 3, h, w], h and w multiples of 32, channels blue, green, red, values -1 to 1.
pub fn input(photo: &Photo, options: &DetectionOptions) -> Tensor {
    let (width, height) = input_size((photo.width(), photo.height()), options);
    let mut tensor = Tensor::zeros(&[1, 3, height, width]);
    tensor.write_photo(0, &resize(photo, width, height));
    tensor
}

/// Returns the regions of text in `photo`, in reading order, from the detector's answer `map`: [1, 1, h, w].
///
/// # Errors
/// [`OcrError::Shape`] when `map` is not one image with one channel.
pub fn regions(map: &Tensor, photo: &Photo, options: &DetectionOptions) -> Result<Vec<Region>, OcrError> {
    regions_within(map, (photo.width(), photo.height()), options)
}

/// [`regions`] of a photo of which only width and height are known.
///
/// # Errors
/// As there.
pub fn regions_within(map: &Tensor, size: (usize, usize), options: &DetectionOptions) -> Result<Vec<Region>, OcrError> {
    let map = Map::of(map)?;
    let mut components = components::of(&map.mask(options.pixel_threshold), map.width);
    components.sort_by_key(|component| std::cmp::Reverse(component.pixels));
    components.truncate(options.max_regions);
    let found = components.into_iter().filter_map(|component| region(component.outline, &map, size, options));
    Ok(order::reading_order(found.collect()))
}

/// Width and height of the detector's input for a photo of `width` x `height`: multiples of 32. Rounds half to even, as the
/// pipeline that the networks were published with does.
pub fn input_size((width, height): (usize, usize), options: &DetectionOptions) -> (usize, usize) {
    let ratio = (options.max_side as f32 / width.max(height) as f32).min(1.0);
    let fit = |side: usize| ((side as f32 * ratio / SIZE_STEP).round_ties_even().max(1.0) * SIZE_STEP) as usize;
    (fit(width), fit(height))
}

fn region(outline: Vec<Point>, map: &Map, size: (usize, usize), options: &DetectionOptions) -> Option<Region> {
    let rectangle = Rectangle::around(outline).filter(|found| found.short_side() >= MIN_SIDE)?;
    let score = score::mean_inside(map, &rectangle.corners());
    if score < options.region_threshold {
        return None;
    }
    let grown = rectangle.grown(rectangle.area() * options.growth / rectangle.perimeter());
    if grown.short_side() < MIN_GROWN_SIDE {
        return None;
    }
    let corners = map.to_photo(grown.corners(), size);
    let large_enough = corners.width() > MIN_SIDE && corners.height() > MIN_SIDE;
    large_enough.then_some(Region { corners, score })
}

/// One image of probabilities.
pub(crate) struct Map<'a> {
    pub(crate) width: usize,
    pub(crate) height: usize,
    pub(crate) values: &'a [f32],
}

impl<'a> Map<'a> {
    fn of(tensor: &'a Tensor) -> Result<Self, OcrError> {
        match tensor.shape[..] {
            [1, 1, height, width] if height > 0 && width > 0 && tensor.data.len() == height * width => {
                Ok(Self { width, height, values: &tensor.data })
            }
            _ => Err(OcrError::Shape {
                model: "the detector",
                expected: "[1, 1, height, width]".to_owned(),
                found: tensor.shape.clone(),
            }),
        }
    }

    /// Positions above `threshold`, spread by one pixel to the right and down, which closes gaps between strokes.
    fn mask(&self, threshold: f32) -> Vec<bool> {
        let mut mask: Vec<bool> = self.values.iter().map(|&value| value > threshold).collect();
        for row in mask.chunks_exact_mut(self.width) {
            spread(row, 1);
        }
        spread(&mut mask, self.width);
        mask
    }

    fn to_photo(&self, corners: Quad, (width, height): (usize, usize)) -> Quad {
        let (width, height) = (width as f32, height as f32);
        let scale = (width / self.width as f32, height / self.height as f32);
        corners.map(|corner| {
            Point::new((corner.x * scale.0).clamp(0.0, width - 1.0), (corner.y * scale.1).clamp(0.0, height - 1.0))
        })
    }
}

/// Sets every position whose predecessor by `step` was set.
fn spread(mask: &mut [bool], step: usize) {
    for at in (step..mask.len()).rev() {
        mask[at] |= mask[at - step];
    }
}

#[cfg(test)]
mod tests;
