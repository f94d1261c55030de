//! Boxes in images: suppression of overlapping ones, and pooling of what is in them.

use super::numeric::{doubles, integer, integers, of_doubles, scalar, size};
use super::{Attributes, Kernel, Table};
use crate::reference::array::{Array, count};

pub(super) const OPERATORS: Table = &[("", "NonMaxSuppression", non_max_suppression), ("", "RoiAlign", roi_align)];

/// Corners (y1, x1, y2, x2) with the lower ones first.
fn corners(values: &[f64], centers: bool) -> [f64; 4] {
    match *values {
        [x, y, w, h] if centers => [y - h / 2.0, x - w / 2.0, y + h / 2.0, x + w / 2.0],
        [a, b, c, d] => [a.min(c), b.min(d), a.max(c), b.max(d)],
        _ => [0.0; 4],
    }
}

/// Shared area of two boxes by the area of both.
fn overlap(a: &[f64; 4], b: &[f64; 4]) -> f64 {
    let area = |b: &[f64; 4]| (b[2] - b[0]) * (b[3] - b[1]);
    let side = |low: usize| (a[low + 2].min(b[low + 2]) - a[low].max(b[low])).max(0.0);
    let shared = side(0) * side(1);
    if shared <= 0.0 { 0.0 } else { shared / (area(a) + area(b) - shared) }
}

fn non_max_suppression(attributes: &Attributes<'_>) -> Result<Kernel, String> {
    let centers = attributes.int("center_point_box", 0)? != 0;
    Ok(Box::new(move |inputs| {
        let (boxes, scores) = (inputs.get(0)?, inputs.get(1)?);
        let ([batches, many, 4], [_, classes, _]) = (&boxes.shape[..], &scores.shape[..]) else {
            return Err(format!(
                "expected boxes [N, boxes, 4] and scores [N, classes, boxes], got {:?} and {:?}",
                boxes.shape, scores.shape
            ));
        };
        if scores.shape != [*batches, *classes, *many] {
            return Err(format!("boxes of shape {:?} and scores of shape {:?}", boxes.shape, scores.shape));
        }
        let most = inputs.optional(2).map_or(Ok(0), integer)?.max(0) as usize;
        let limit = inputs.optional(3).map_or(Ok(0.0), scalar)?;
        let least = inputs.optional(4).map(scalar).transpose()?;
        let (boxes, scores) = (doubles(boxes)?, doubles(scores)?);
        let mut chosen: Vec<i64> = Vec::new();
        for batch in 0..*batches {
            let boxes: Vec<[f64; 4]> = boxes[batch * many * 4..(batch + 1) * many * 4]
                .chunks(4)
                .map(|values| corners(values, centers))
                .collect();
            for class in 0..*classes {
                let scores = &scores[(batch * classes + class) * many..][..*many];
                let mut order: Vec<usize> =
                    (0..*many).filter(|place| least.is_none_or(|least| scores[*place] > least)).collect();
                order.sort_by(|a, b| scores[*b].total_cmp(&scores[*a]).then(a.cmp(b)));
                let mut kept: Vec<usize> = Vec::new();
                for place in order {
                    if kept.len() == most {
                        break;
                    }
                    if kept.iter().all(|other| overlap(&boxes[*other], &boxes[place]) <= limit) {
                        kept.push(place);
                    }
                }
                chosen.extend(kept.iter().flat_map(|place| [batch as i64, class as i64, *place as i64]));
            }
        }
        Ok(vec![Array::new(vec![chosen.len() / 3, 3], chosen)?])
    }))
}

struct Roi {
    height: usize,
    width: usize,
    sampling: i64,
    scale: f64,
    half_pixel: bool,
    max: bool,
}

/// Pools regions, sampled between elements, to a fixed size.
fn roi_align(attributes: &Attributes<'_>) -> Result<Kernel, String> {
    let default = if attributes.opset() < 16 { "output_half_pixel" } else { "half_pixel" };
    let roi = Roi {
        height: size(attributes.int("output_height", 1)?, "output_height")?,
        width: size(attributes.int("output_width", 1)?, "output_width")?,
        sampling: attributes.int("sampling_ratio", 0)?,
        scale: attributes.float("spatial_scale", 1.0)?.into(),
        half_pixel: *attributes.string("coordinate_transformation_mode", default)? == *b"half_pixel",
        max: *attributes.string("mode", "avg")? == *b"max",
    };
    Ok(Box::new(move |inputs| {
        let (data, rois, images) = (inputs.get(0)?, inputs.get(1)?, integers(inputs.get(2)?)?);
        let [n, channels, h, w] = data.shape[..] else {
            return Err(format!("expected images [N, C, H, W], got {:?}", data.shape));
        };
        if rois.shape != [images.len(), 4] || !images.iter().all(|image| (0..n as i64).contains(image)) {
            return Err(format!("regions of shape {:?} for the images {images:?} of {n}", rois.shape));
        }
        let (values, regions) = (doubles(data)?, doubles(rois)?);
        let shape = vec![images.len(), channels, roi.height, roi.width];
        let mut result = Vec::with_capacity(count(&shape)?);
        for (region, image) in regions.chunks(4).zip(images) {
            for channel in 0..channels {
                let plane = &values[(image as usize * channels + channel) * h * w..][..h * w];
                result.extend(roi.pool(plane, (h, w), region)?);
            }
        }
        Ok(vec![of_doubles(data.elements.dtype(), shape, result)?])
    }))
}

impl Roi {
    fn pool(&self, plane: &[f64], dims: (usize, usize), region: &[f64]) -> Result<Vec<f64>, String> {
        let shift = if self.half_pixel { 0.5 } else { 0.0 };
        let edge = |index: usize| region[index] * self.scale - shift;
        // Without half pixels a region is at least one element large.
        let side = |length: f64| if self.half_pixel { length } else { length.max(1.0) };
        let (left, top) = (edge(0), edge(1));
        let (bin_h, bin_w) = (side(edge(3) - top) / self.height as f64, side(edge(2) - left) / self.width as f64);
        let samples = |bin: f64| if self.sampling > 0 { self.sampling as usize } else { bin.ceil().max(0.0) as usize };
        let (rows, columns) = (samples(bin_h), samples(bin_w));
        count(&[rows, columns, self.height, self.width])?;
        let mut result = Vec::with_capacity(self.height * self.width);
        for row in 0..self.height {
            for column in 0..self.width {
                let at = |start: f64, bin: f64, index: usize, sample: usize, of: usize| {
                    start + index as f64 * bin + (sample as f64 + 0.5) * bin / of as f64
                };
                let (mut sum, mut most) = (0.0, f64::NEG_INFINITY);
                for (i, j) in (0..rows).flat_map(|i| (0..columns).map(move |j| (i, j))) {
                    let parts =
                        bilinear(plane, dims, at(top, bin_h, row, i, rows), at(left, bin_w, column, j, columns));
                    sum += parts.iter().sum::<f64>();
                    most = parts.iter().copied().fold(most, f64::max);
                }
                let samples = (rows * columns).max(1) as f64;
                result.push(if self.max && rows * columns > 0 { most } else { sum / samples });
            }
        }
        Ok(result)
    }
}

/// The four weighed neighbours of a place; zeros beyond one element outside.
fn bilinear(plane: &[f64], (h, w): (usize, usize), y: f64, x: f64) -> [f64; 4] {
    if y < -1.0 || y > h as f64 || x < -1.0 || x > w as f64 || plane.is_empty() {
        return [0.0; 4];
    }
    let axis = |at: f64, length: usize| {
        let at = at.max(0.0);
        let low = (at as usize).min(length - 1);
        let high = (low + 1).min(length - 1);
        let share = if low == length - 1 { 0.0 } else { at - low as f64 };
        (low, high, share)
    };
    let ((top, bottom, v), (left, right, u)) = (axis(y, h), axis(x, w));
    [
        plane[top * w + left] * (1.0 - v) * (1.0 - u),
        plane[top * w + right] * (1.0 - v) * u,
        plane[bottom * w + left] * v * (1.0 - u),
        plane[bottom * w + right] * v * u,
    ]
}
