//! Operators that place elements elsewhere: padding, blocks of images, reversed sequences, triangles.

use super::layout::{coordinates, offset, rearrange, row_major, view, zero};
use super::numeric::{doubles, integer, integers, of_doubles, size};
use super::{Attributes, Kernel, Table, axis};
use crate::reference::array::{Array, count};

pub(super) const OPERATORS: Table = &[
    ("", "Pad", pad),
    ("", "CenterCropPad", center_crop_pad),
    ("", "DepthToSpace", depth_to_space),
    ("", "SpaceToDepth", space_to_depth),
    ("", "ReverseSequence", reverse_sequence),
    ("", "Trilu", trilu),
    ("", "Col2Im", col_to_im),
];

/// What is beyond the edges.
#[derive(Clone, Copy)]
enum Beyond {
    Constant,
    Edge,
    Reflect,
    Wrap,
}

impl Beyond {
    /// The place on an axis of `length` that stands for `at`; `None` for the constant.
    fn place(self, at: i64, length: i64) -> Option<i64> {
        if (0..length).contains(&at) {
            return Some(at);
        }
        match self {
            Self::Constant => None,
            Self::Edge => Some(at.clamp(0, length - 1)),
            Self::Wrap => Some(at.rem_euclid(length)),
            Self::Reflect if length == 1 => Some(0),
            Self::Reflect => {
                let around = at.rem_euclid(2 * (length - 1));
                Some(around.min(2 * (length - 1) - around))
            }
        }
    }
}

/// Pads and value are attributes below operator set 11, inputs from there on. Negative pads cut off.
fn pad(attributes: &Attributes<'_>) -> Result<Kernel, String> {
    let beyond = match &*attributes.string("mode", "constant")? {
        b"constant" => Beyond::Constant,
        b"edge" => Beyond::Edge,
        b"reflect" => Beyond::Reflect,
        b"wrap" => Beyond::Wrap,
        other => return Err(format!("mode '{}'", String::from_utf8_lossy(other))),
    };
    let (given, value) = (attributes.ints("pads")?, attributes.float("value", 0.0)?);
    Ok(Box::new(move |inputs| {
        let data = inputs.get(0)?;
        let rank = data.shape.len();
        let pads = inputs.optional(1).map_or(Ok(given.clone()), integers)?;
        let axes: Vec<usize> = match inputs.optional(3) {
            Some(axes) => integers(axes)?.iter().map(|at| axis(*at, rank)).collect::<Result<_, _>>()?,
            None => (0..rank).collect(),
        };
        if pads.len() != 2 * axes.len() {
            return Err(format!("{} pads for {} axes, expected two for each", pads.len(), axes.len()));
        }
        let (mut before, mut shape) = (vec![0; rank], data.shape.clone());
        for (index, at) in axes.iter().enumerate() {
            let (first, last) = (pads[index], pads[index + axes.len()]);
            before[*at] = first;
            let padded = first.checked_add(last).and_then(|both| both.checked_add(data.shape[*at] as i64));
            shape[*at] = size(padded.unwrap_or(i64::MIN), "a padded dimension")?;
        }
        let filler = match inputs.optional(2) {
            Some(value) if value.len() == 1 => value.clone(),
            Some(value) => return Err(format!("the value to pad with has shape {:?}, expected one", value.shape)),
            None if value == 0.0 => zero(data),
            None => of_doubles(data.elements.dtype(), vec![], vec![value.into()])?,
        };
        if !matches!(beyond, Beyond::Constant) && data.len() == 0 && count(&shape)? > 0 {
            return Err(format!("a tensor of shape {:?} has no elements to pad with", data.shape));
        }
        let by = row_major(&data.shape);
        let padded = rearrange(data, &filler, shape, |at| {
            let place = |axis: usize| beyond.place(at[axis] as i64 - before[axis], data.shape[axis] as i64);
            (0..rank).try_fold(0, |offset, axis| Some(offset + place(axis)? as usize * by[axis] as usize))
        });
        Ok(vec![padded?])
    }))
}

fn center_crop_pad(attributes: &Attributes<'_>) -> Result<Kernel, String> {
    let given = attributes.ints("axes")?;
    Ok(Box::new(move |inputs| {
        let (data, wanted) = (inputs.get(0)?, integers(inputs.get(1)?)?);
        let rank = data.shape.len();
        let axes: Vec<usize> = if given.is_empty() {
            (0..rank).collect()
        } else {
            given.iter().map(|at| axis(*at, rank)).collect::<Result<_, _>>()?
        };
        if axes.len() != wanted.len() {
            return Err(format!("{} dimensions for {} axes", wanted.len(), axes.len()));
        }
        let (mut shape, mut shift) = (data.shape.clone(), vec![0i64; rank]);
        for (at, wanted) in axes.iter().zip(wanted) {
            shape[*at] = size(wanted, "a dimension")?;
            let (from, to) = (data.shape[*at] as i64, wanted);
            shift[*at] = if from > to { (from - to) / 2 } else { -((to - from) / 2) };
        }
        let by = row_major(&data.shape);
        let moved = rearrange(data, &zero(data), shape, |at| {
            (0..rank).try_fold(0, |offset, axis| {
                let place = usize::try_from(at[axis] as i64 + shift[axis]).ok()?;
                (place < data.shape[axis]).then(|| offset + place * by[axis] as usize)
            })
        });
        Ok(vec![moved?])
    }))
}

/// The elements seen as `apart`, with the axes in another order, under a new shape.
fn regrouped(data: &Array, apart: &[usize], order: [usize; 6], shape: Vec<usize>) -> Result<Vec<Array>, String> {
    let by = row_major(apart);
    let moved = view(data, 0, order.map(|axis| apart[axis]).to_vec(), &order.map(|axis| by[axis]))?;
    Ok(vec![Array { shape, elements: moved.elements }])
}

fn image(data: &Array, block: usize) -> Result<[usize; 4], String> {
    let dims: Result<[usize; 4], _> = data.shape.as_slice().try_into();
    dims.ok().filter(|_| block > 0).ok_or_else(|| format!("expected images [N, C, H, W], got {:?}", data.shape))
}

fn depth_to_space(attributes: &Attributes<'_>) -> Result<Kernel, String> {
    let block = size(attributes.int("blocksize", 0)?, "blocksize")?;
    let depth_first = match &*attributes.string("mode", "DCR")? {
        b"DCR" => true,
        b"CRD" => false,
        other => return Err(format!("mode '{}', expected DCR or CRD", String::from_utf8_lossy(other))),
    };
    Ok(Box::new(move |inputs| {
        let data = inputs.get(0)?;
        let [n, c, h, w] = image(data, block)?;
        let channels = c / (block * block).max(1);
        if channels * block * block != c {
            return Err(format!("{c} channels are no multiple of {block} x {block}"));
        }
        let shape = vec![n, channels, h * block, w * block];
        match depth_first {
            true => regrouped(data, &[n, block, block, channels, h, w], [0, 3, 4, 1, 5, 2], shape),
            false => regrouped(data, &[n, channels, block, block, h, w], [0, 1, 4, 2, 5, 3], shape),
        }
    }))
}

fn space_to_depth(attributes: &Attributes<'_>) -> Result<Kernel, String> {
    let block = size(attributes.int("blocksize", 0)?, "blocksize")?;
    Ok(Box::new(move |inputs| {
        let data = inputs.get(0)?;
        let [n, c, h, w] = image(data, block)?;
        let (rows, columns) = (h / block, w / block);
        if rows * block != h || columns * block != w {
            return Err(format!("images of {h} x {w} are no multiple of {block} x {block}"));
        }
        let shape = vec![n, c * block * block, rows, columns];
        regrouped(data, &[n, c, rows, block, columns, block], [0, 3, 5, 1, 2, 4], shape)
    }))
}

fn reverse_sequence(attributes: &Attributes<'_>) -> Result<Kernel, String> {
    let (batch, time) = (attributes.int("batch_axis", 1)?, attributes.int("time_axis", 0)?);
    Ok(Box::new(move |inputs| {
        let (data, lengths) = (inputs.get(0)?, integers(inputs.get(1)?)?);
        let (batch, time) = (axis(batch, data.shape.len())?, axis(time, data.shape.len())?);
        let fits = |length: &i64| usize::try_from(*length).is_ok_and(|length| length <= data.shape[time]);
        if lengths.len() != data.shape[batch] || !lengths.iter().all(fits) {
            return Err(format!("lengths {lengths:?} do not fit data of shape {:?}", data.shape));
        }
        let by = row_major(&data.shape);
        let reversed = rearrange(data, &zero(data), data.shape.clone(), |at| {
            let (place, length) = (at[time], lengths[at[batch]] as usize);
            let from = if place < length { length - 1 - place } else { place };
            Some(offset(at, &by) - place * by[time] as usize + from * by[time] as usize)
        });
        Ok(vec![reversed?])
    }))
}

/// The upper or lower triangle of the matrices in the last two axes, zeros elsewhere.
fn trilu(attributes: &Attributes<'_>) -> Result<Kernel, String> {
    let upper = attributes.int("upper", 1)? != 0;
    Ok(Box::new(move |inputs| {
        let data = inputs.get(0)?;
        let diagonal = inputs.optional(1).map_or(Ok(0), integer)?;
        let rank = data.shape.len();
        if rank < 2 {
            return Err(format!("expected matrices, got shape {:?}", data.shape));
        }
        let by = row_major(&data.shape);
        let triangle = rearrange(data, &zero(data), data.shape.clone(), |at| {
            let right = at[rank - 1] as i64 - at[rank - 2] as i64;
            (if upper { right >= diagonal } else { right <= diagonal }).then(|| offset(at, &by))
        });
        Ok(vec![triangle?])
    }))
}

/// Sums columns of blocks back into images of any number of spatial axes.
fn col_to_im(attributes: &Attributes<'_>) -> Result<Kernel, String> {
    let (dilations, pads, steps) =
        (attributes.ints("dilations")?, attributes.ints("pads")?, attributes.ints("strides")?);
    Ok(Box::new(move |inputs| {
        let dims = |index: usize| -> Result<Vec<usize>, String> {
            integers(inputs.get(index)?)?.iter().map(|dim| size(*dim, "a dimension")).collect()
        };
        let (data, image, block) = (inputs.get(0)?, dims(1)?, dims(2)?);
        let rank = image.len();
        let ones = |given: &[i64]| if given.is_empty() { vec![1; rank] } else { given.to_vec() };
        let (dilations, steps) = (ones(&dilations), ones(&steps));
        let pads = if pads.is_empty() { vec![0; 2 * rank] } else { pads.clone() };
        let [n, columns, positions] = data.shape[..] else {
            return Err(format!("expected columns [N, C * block, L], got {:?}", data.shape));
        };
        let in_block = count(&block)?.max(1);
        if [dilations.len(), steps.len(), block.len(), pads.len() / 2] != [rank; 4] || columns % in_block != 0 {
            return Err(format!("columns of shape {:?} do not fit blocks of {block:?}", data.shape));
        }
        let grid: Vec<usize> = (0..rank)
            .map(|axis| {
                let reach = dilations[axis] * (block[axis] as i64 - 1) + 1;
                (image[axis] as i64 + pads[axis] + pads[axis + rank] - reach).div_euclid(steps[axis].max(1)) + 1
            })
            .map(|places| usize::try_from(places).unwrap_or(0))
            .collect();
        if count(&grid)? != positions {
            return Err(format!("{positions} blocks, expected {grid:?}"));
        }
        let (channels, pixels) = (columns / in_block, count(&image)?);
        let (values, by) = (doubles(data)?, row_major(&image));
        let mut result = vec![0.0; count(&[n, channels, pixels])?];
        let mut inside = Vec::new();
        coordinates(&block, |in_block| {
            coordinates(&grid, |at| {
                let place =
                    |axis: usize| at[axis] as i64 * steps[axis] + in_block[axis] as i64 * dilations[axis] - pads[axis];
                inside.push((0..rank).try_fold(0, |offset, axis| {
                    let place = usize::try_from(place(axis)).ok().filter(|place| *place < image[axis])?;
                    Some(offset + place * by[axis] as usize)
                }));
            });
        });
        for (plane, columns) in result.chunks_mut(pixels.max(1)).zip(values.chunks((in_block * positions).max(1))) {
            for (place, value) in inside.iter().zip(columns) {
                place.iter().for_each(|place| plane[*place] += value);
            }
        }
        let shape = [n, channels].into_iter().chain(image).collect();
        Ok(vec![of_doubles(data.elements.dtype(), shape, result)?])
    }))
}
