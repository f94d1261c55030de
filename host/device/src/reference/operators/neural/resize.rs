//! `Resize` and `Upsample`: each axis by itself, as a weighted sum of source places for every place of the result.

mod coordinates;

use coordinates::{Axis, Coordinates};

use crate::reference::array::{Array, Element, Elements, count, each};
use crate::reference::attributes::Attributes;
use crate::reference::operators::{Arguments, Kernel, Results, axis};

/// How places between elements get their value.
#[derive(Clone, Copy, PartialEq)]
enum Mode {
    Nearest,
    Linear,
    Cubic,
}

impl Mode {
    fn read(attributes: &Attributes<'_>) -> Result<Self, String> {
        Ok(match &*attributes.string("mode", "nearest")? {
            b"nearest" => Self::Nearest,
            b"linear" | b"bilinear" => Self::Linear,
            b"cubic" => Self::Cubic,
            other => return Err(format!("mode '{}'", String::from_utf8_lossy(other))),
        })
    }
}

#[derive(Clone, Copy, PartialEq)]
enum Aspect {
    Stretch,
    NotLarger,
    NotSmaller,
}

struct Resize {
    mode: Mode,
    coordinates: Coordinates,
    aspect: Aspect,
    axes: Vec<i64>,
    extrapolation: f32,
    /// Places of `roi`, `scales` and `sizes` among the inputs.
    places: [Option<usize>; 3],
    scales: Vec<f32>,
}

/// `Upsample`: scales are an attribute below operator set 9, an input from there on.
pub(crate) fn upsample(attributes: &Attributes<'_>) -> Result<Kernel, String> {
    let resize = Resize {
        mode: Mode::read(attributes)?,
        coordinates: Coordinates::asymmetric(),
        aspect: Aspect::Stretch,
        axes: Vec::new(),
        extrapolation: 0.0,
        places: [None, Some(1), None],
        scales: attributes.floats("scales")?,
    };
    Ok(Box::new(move |inputs| resize.run(inputs)))
}

/// `Resize`; operator set 10 has no region and one way to count coordinates.
pub(crate) fn resize(attributes: &Attributes<'_>) -> Result<Kernel, String> {
    let old = attributes.opset() < 11;
    let aspect = match &*attributes.string("keep_aspect_ratio_policy", "stretch")? {
        b"not_larger" => Aspect::NotLarger,
        b"not_smaller" => Aspect::NotSmaller,
        _ => Aspect::Stretch,
    };
    let resize = Resize {
        mode: Mode::read(attributes)?,
        coordinates: if old { Coordinates::asymmetric() } else { Coordinates::read(attributes)? },
        aspect,
        axes: attributes.ints("axes")?,
        extrapolation: attributes.float("extrapolation_value", 0.0)?,
        places: if old { [None, Some(1), None] } else { [Some(1), Some(2), Some(3)] },
        scales: Vec::new(),
    };
    Ok(Box::new(move |inputs| resize.run(inputs)))
}

/// Source places and their weights, for every place of the result; none where it lies outside the source.
type Taps = Vec<Vec<(usize, f32)>>;

impl Resize {
    fn run(&self, inputs: &mut Arguments<'_>) -> Results {
        let data = inputs.get(0)?;
        let axes = self.axes(inputs, &data.shape)?;
        let shape: Vec<usize> = axes.iter().map(|axis| axis.output).collect();
        count(&shape)?;
        let taps: Vec<Option<Taps>> = axes.iter().map(|axis| self.taps(axis)).collect::<Result<_, _>>()?;
        if self.mode == Mode::Nearest {
            let elements = each!(&data.elements, values => nearest(values, &data.shape, &taps, self.extrapolation));
            return Ok(vec![Array { shape, elements: elements? }]);
        }
        match &data.elements {
            Elements::F32(values) => Ok(vec![self.interpolated(values, &data.shape, &taps)?]),
            Elements::F16(_) | Elements::BF16(_) | Elements::F64(_) => super::in_single(inputs, |inputs| {
                let data = inputs.get(0)?;
                Ok(vec![self.interpolated(data.typed()?, &data.shape, &taps)?])
            }),
            other => Err(format!("{} is not supported here", other.dtype())),
        }
    }

    /// Sizes, scales and regions of all axes.
    fn axes(&self, inputs: &Arguments<'_>, shape: &[usize]) -> Result<Vec<Axis>, String> {
        let rank = shape.len();
        let chosen: Vec<usize> = match &*self.axes {
            [] => (0..rank).collect(),
            given => given.iter().map(|at| axis(*at, rank)).collect::<Result<_, _>>()?,
        };
        let input =
            |place: Option<usize>| place.and_then(|place| inputs.optional(place)).filter(|array| array.len() > 0);
        let scales = match input(self.places[1]) {
            Some(scales) => scales.typed::<f32>()?.to_vec(),
            None => self.scales.clone(),
        };
        let sizes = input(self.places[2]).map(Array::to_i64).transpose()?;
        let roi = match input(self.places[0]) {
            Some(roi) if self.coordinates.uses_region() => roi.to_f64()?.into_iter().map(|x| x as f32).collect(),
            _ => [vec![0.0; chosen.len()], vec![1.0; chosen.len()]].concat(),
        };
        let given = sizes.as_ref().map_or(scales.len(), Vec::len);
        if given != chosen.len() || roi.len() != 2 * chosen.len() {
            return Err(format!("{given} scales or sizes for {} axes", chosen.len()));
        }
        let mut axes: Vec<Axis> = shape.iter().map(|size| Axis::unchanged(*size)).collect();
        let common = sizes.as_ref().and_then(|sizes| self.common_scale(sizes, &chosen, shape));
        for (index, at) in chosen.iter().enumerate() {
            let source = shape[*at];
            let (scale, resized) = match (&sizes, common) {
                (Some(_), Some(scale)) => (scale, (scale * source as f32).round()),
                (Some(sizes), None) => (sizes[index] as f32 / source.max(1) as f32, sizes[index] as f32),
                // In single precision, as the operator's definition computes it.
                (None, _) => (scales[index], scales[index] * source as f32),
            };
            let output = resized.floor();
            if !scale.is_finite() || scale <= 0.0 || !(0.0..1e9).contains(&output) {
                return Err(format!("axis {at} of {source} cannot be scaled by {scale}"));
            }
            let region = (roi[index], roi[chosen.len() + index]);
            axes[*at] = Axis { source, output: output as usize, scale, resized, region };
        }
        Ok(axes)
    }

    /// The one scale that keeps the aspect ratio.
    fn common_scale(&self, sizes: &[i64], axes: &[usize], shape: &[usize]) -> Option<f32> {
        let scales = sizes.iter().zip(axes).map(|(size, at)| *size as f32 / shape[*at].max(1) as f32);
        match self.aspect {
            Aspect::Stretch => None,
            Aspect::NotLarger => scales.reduce(f32::min),
            Aspect::NotSmaller => scales.reduce(f32::max),
        }
    }

    /// `None` for an axis that stays as it is.
    fn taps(&self, axis: &Axis) -> Result<Option<Taps>, String> {
        let same = axis.source == axis.output && axis.scale == 1.0 && !self.coordinates.uses_region();
        if same {
            return Ok(None);
        }
        if axis.source == 0 {
            return Err("an axis without elements cannot be resized".to_owned());
        }
        let place = |output: usize| match self.mode {
            Mode::Nearest => self.coordinates.nearest(axis, output),
            Mode::Linear => self.coordinates.weighted(axis, output, 1, coordinates::triangle),
            Mode::Cubic => {
                let sharpness = self.coordinates.sharpness;
                self.coordinates.weighted(axis, output, 2, move |x| coordinates::cubic(x, sharpness))
            }
        };
        Ok(Some((0..axis.output).map(place).collect()))
    }

    fn interpolated(&self, values: &[f32], shape: &[usize], taps: &[Option<Taps>]) -> Result<Array, String> {
        let (mut shape, mut values) = (shape.to_vec(), values.to_vec());
        for (at, taps) in taps.iter().enumerate() {
            let Some(taps) = taps else { continue };
            let (outer, inner): (usize, usize) = (shape[..at].iter().product(), shape[at + 1..].iter().product());
            let source = shape[at];
            shape[at] = taps.len();
            let mut next = vec![0.0; count(&shape)?];
            for (block, target) in next.chunks_exact_mut((taps.len() * inner).max(1)).enumerate().take(outer) {
                let from = &values[block * source * inner..(block + 1) * source * inner];
                for (taps, row) in taps.iter().zip(target.chunks_exact_mut(inner.max(1))) {
                    for (place, weight) in taps {
                        let from = &from[place * inner..(place + 1) * inner];
                        row.iter_mut().zip(from).for_each(|(sum, x)| *sum += weight * x);
                    }
                }
            }
            values = next;
        }
        fill_outside(&mut values, &shape, taps, &self.extrapolation);
        Array::new(shape, values)
    }
}

/// Writes a value wherever an axis has no source.
fn fill_outside<T: Clone>(values: &mut [T], shape: &[usize], taps: &[Option<Taps>], value: &T) {
    for (at, taps) in taps.iter().enumerate() {
        let inner: usize = shape[at + 1..].iter().product();
        let empty = taps.iter().flatten().enumerate().filter(|(_, taps)| taps.is_empty());
        for (place, _) in empty {
            for block in values.chunks_exact_mut((shape[at] * inner).max(1)) {
                block[place * inner..(place + 1) * inner].fill(value.clone());
            }
        }
    }
}

/// Takes the nearest elements, axis by axis.
fn nearest<T: Element>(
    values: &[T],
    shape: &[usize],
    taps: &[Option<Taps>],
    extrapolation: f32,
) -> Result<Elements, String> {
    let outside = || T::of(&Elements::F32(vec![extrapolation].into())).and_then(|values| values.first().cloned());
    let (mut shape, mut values) = (shape.to_vec(), values.to_vec());
    for (at, axis) in taps.iter().enumerate() {
        let Some(taps) = axis else { continue };
        let inner: usize = shape[at + 1..].iter().product();
        let block = shape[at] * inner;
        shape[at] = taps.len();
        let mut next = Vec::with_capacity(count(&shape)?);
        for from in values.chunks_exact(block.max(1)) {
            for tap in taps {
                let place = tap.first().map_or(0, |tap| tap.0);
                next.extend_from_slice(&from[place * inner..(place + 1) * inner]);
            }
        }
        values = next;
    }
    if taps.iter().flatten().flatten().any(Vec::is_empty) {
        let outside = outside().ok_or("a region outside the input needs FP32")?;
        fill_outside(&mut values, &shape, taps, &outside);
    }
    Ok(T::wrap(values))
}
