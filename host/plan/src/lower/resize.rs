//! Resizing: by the nearest elements in one kernel, by more of them along one dimension after the other.

use scorehost_core::DType;
use scorehost_graph::Node;

use super::attributes::{float, floats, int, integers, ints, numbers, text};
use super::convolution::index;
use super::gather::MAX_RANK;
use super::sample::{Taps, weigh};
use crate::expression::THREADS;
use crate::kernels::{self, File};
use crate::launch::{Arg, Cost, Work, words};
use crate::planner::Planner;
use crate::view::{View, dense};

pub(super) fn resize(planner: &mut Planner<'_>, node: &Node) -> Result<(), String> {
    let id = planner.input(node, 0)?;
    let (x, dtype) = planner.compute_view(id)?;
    let rank = x.shape.len();
    if rank > MAX_RANK || rank == 0 {
        return Err(format!("{rank} dimensions are not resized on this device"));
    }
    let target = Target::of(planner, node, &x.shape)?;
    let mode = text(node, "mode", "nearest");
    if !matches!(mode, "nearest" | "linear" | "bilinear" | "cubic") {
        return Err(format!("mode {mode} is unknown"));
    }
    let between = mode != "nearest";
    if mode == "cubic" || between && (int(node, "antialias", 0) != 0 || int(node, "exclude_outside", 0) != 0) {
        let x = planner.made_dense(&x, dtype)?;
        let y = target.weighted(planner, node, x, mode == "cubic")?;
        planner.set_view(node, y, dtype);
        return Ok(());
    }
    let mut y = planner.buffer(x.dtype, target.shape.clone());
    let scale = target.words(node, &x, mode != "nearest")?;
    let total = index(y.elements())?;
    let name = kernels::name(x.dtype).ok_or("strings cannot be resized")?;
    let kernel = kernels::fixed(planner.target.dialect, File::Gather, "resize", &[("T", name), ("I", "i64")]);
    let args = vec![Arg::Place((&x).into()), Arg::Place((&y).into()), Arg::Words(scale), Arg::Int(total as i32)];
    let cost =
        Cost { bytes: (x.elements() + y.elements()) * x.dtype.size().unwrap_or(1) as u64, operations: y.elements() };
    if total > 0 {
        planner.launch(
            Work::Kernel { kernel, blocks: [total.div_ceil(THREADS), 1, 1], threads: THREADS, shared: 0, args },
            cost,
        );
    }
    y.steps = dense(&y.shape);
    planner.set_view(node, y, dtype);
    Ok(())
}

struct Target {
    shape: Vec<u64>,
    scales: Vec<f32>,
    region: Vec<f32>,
}

impl Target {
    fn of(planner: &Planner<'_>, node: &Node, from: &[u64]) -> Result<Self, String> {
        let rank = from.len();
        let given = |index: usize| node.inputs.get(index).copied().flatten();
        let upsample = &*node.operator == "Upsample" || node.opset < 11;
        let scales = match given(if upsample { 1 } else { 2 }) {
            Some(id) => numbers(planner.host(id)?)?,
            None => floats(node, "scales").unwrap_or_default(),
        };
        let sizes = match given(3) {
            Some(id) if !upsample => integers(planner.host(id)?)?,
            _ => Vec::new(),
        };
        let region = match given(1) {
            Some(id) if !upsample => numbers(planner.host(id)?)?,
            _ => Vec::new(),
        };
        let axes: Vec<usize> = match ints(node, "axes") {
            Some(axes) => axes.into_iter().map(|d| super::attributes::axis(d, rank)).collect::<Result<_, _>>()?,
            None => (0..rank).collect(),
        };
        let mut target = Self { shape: from.to_vec(), scales: vec![1.0; rank], region: vec![0.0; 2 * rank] };
        target.region[rank..].fill(1.0);
        for (i, d) in axes.iter().enumerate() {
            if let Some(scale) = scales.get(i) {
                target.scales[*d] = *scale;
                target.shape[*d] = (from[*d] as f64 * f64::from(*scale)).floor() as u64;
            } else if let Some(size) = sizes.get(i) {
                target.shape[*d] = (*size).max(0) as u64;
                target.scales[*d] = target.shape[*d] as f32 / from[*d] as f32;
            }
            if region.len() == 2 * axes.len() {
                (target.region[*d], target.region[rank + d]) = (region[i], region[axes.len() + i]);
            }
        }
        if !sizes.is_empty() {
            target.keep_aspect(node, from, &axes);
        }
        if target.scales.iter().any(|scale| scale.is_nan() || *scale <= 0.0) {
            return Err("scales must be positive".to_owned());
        }
        Ok(target)
    }

    /// `not_larger` and `not_smaller` keep the sides' proportion.
    fn keep_aspect(&mut self, node: &Node, from: &[u64], axes: &[usize]) {
        let scales = axes.iter().map(|d| self.scales[*d]);
        let scale = match text(node, "keep_aspect_ratio_policy", "stretch") {
            "not_larger" => scales.fold(f32::INFINITY, f32::min),
            "not_smaller" => scales.fold(0.0, f32::max),
            _ => return,
        };
        for d in axes {
            self.scales[*d] = scale;
            self.shape[*d] = (scale * from[*d] as f32).round() as u64;
        }
    }

    /// Resized along one dimension after the other, each result a weighted sum of all elements within reach.
    fn weighted(&self, planner: &mut Planner<'_>, node: &Node, x: View, cubic: bool) -> Result<View, String> {
        if matches!(x.dtype, DType::Bool) {
            return Err("BOOL is not resized on this device".to_owned());
        }
        let (rank, mut y) = (x.shape.len(), x);
        for d in 0..rank {
            let (source, output) = (y.shape[d], self.shape[d]);
            let crop = text(node, "coordinate_transformation_mode", "half_pixel") == "tf_crop_and_resize";
            if source == output && self.scales[d] == 1.0 && !crop {
                continue;
            }
            if source == 0 {
                return Err("a dimension without elements cannot be resized".to_owned());
            }
            let axis = Axis { source, output, scale: self.scales[d], region: (self.region[d], self.region[rank + d]) };
            let taps = (0..output).map(|o| axis.taps(node, o, cubic)).collect::<Result<Taps, _>>()?;
            y = weigh(planner, &y, d, &taps, float(node, "extrapolation_value", 0.0))?;
        }
        Ok(y)
    }

    /// The kernel's structure.
    fn words(&self, node: &Node, x: &View, linear: bool) -> Result<Vec<u32>, String> {
        let rank = x.shape.len();
        let old = if &*node.operator == "Upsample" || node.opset < 11 { "asymmetric" } else { "half_pixel" };
        let coordinates = match text(node, "coordinate_transformation_mode", old) {
            "half_pixel" => 0,
            "asymmetric" => 1,
            "align_corners" => 2,
            "pytorch_half_pixel" => 3,
            "tf_crop_and_resize" => 4,
            "half_pixel_symmetric" => 5,
            other => return Err(format!("coordinates {other} are not supported on this device")),
        };
        let default = if node.opset < 11 { "floor" } else { "round_prefer_floor" };
        let nearest = match text(node, "nearest_mode", default) {
            "round_prefer_floor" => 0,
            "round_prefer_ceil" => 1,
            "floor" => 2,
            _ => 3,
        };
        let fill = |values: Vec<u32>| values.into_iter().chain(std::iter::repeat(0)).take(MAX_RANK);
        let bits = |values: &[f32]| values.iter().map(|value| value.to_bits()).collect::<Vec<u32>>();
        let mut all = vec![rank as u32];
        all.extend(fill(words(x.shape.iter().map(|size| *size as i64))));
        all.extend(fill(words(self.shape.iter().map(|size| *size as i64))));
        all.extend(fill(words(x.steps.iter().copied())));
        all.extend(fill(bits(&self.scales)));
        all.extend(fill(bits(&self.region[..rank])));
        all.extend(fill(bits(&self.region[rank..])));
        all.extend([coordinates, nearest, u32::from(linear), u32::from(coordinates == 4)]);
        all.push(float(node, "extrapolation_value", 0.0).to_bits());
        if x.dtype == DType::Bool {
            return Err("BOOL is not resized on this device".to_owned());
        }
        Ok(all)
    }
}

/// One dimension of a resize.
struct Axis {
    source: u64,
    output: u64,
    scale: f32,
    region: (f32, f32),
}

impl Axis {
    /// The place of a result in the source, between elements; `None` outside of a region that is cropped. In single precision, as the
    /// operator's definition has it.
    fn place(&self, node: &Node, output: u64) -> Result<Option<f32>, String> {
        let (place, source, resized) = (output as f32, self.source as f32, self.scale * self.source as f32);
        let half = (place + 0.5) / self.scale - 0.5;
        Ok(Some(match text(node, "coordinate_transformation_mode", "half_pixel") {
            "half_pixel" => half,
            "half_pixel_symmetric" => source / 2.0 * (1.0 - self.output as f32 / resized) + half,
            "pytorch_half_pixel" if self.output > 1 => half,
            "align_corners" if self.output > 1 && resized > 1.0 => place * (source - 1.0) / (resized - 1.0),
            "pytorch_half_pixel" | "align_corners" => 0.0,
            "asymmetric" => place / self.scale,
            "tf_crop_and_resize" => {
                let (start, end) = self.region;
                let place = if self.output > 1 {
                    start * (source - 1.0) + place * (end - start) * (source - 1.0) / (self.output - 1) as f32
                } else {
                    0.5 * (start + end) * (source - 1.0)
                };
                return Ok((0.0..=source - 1.0).contains(&place).then_some(place));
            }
            other => return Err(format!("coordinates {other} are not supported on this device")),
        }))
    }

    /// The elements that a result is made of, with weights that add up to 1.
    fn taps(&self, node: &Node, output: u64, cubic: bool) -> Result<Vec<(u64, f32)>, String> {
        let Some(place) = self.place(node, output)?.map(f64::from) else { return Ok(Vec::new()) };
        let sharpness = f64::from(float(node, "cubic_coeff_a", -0.75));
        let excludes = int(node, "exclude_outside", 0) != 0;
        let stretch = if int(node, "antialias", 0) != 0 { f64::from(self.scale.min(1.0)) } else { 1.0 };
        // Beyond the source there is only its edge, so no more places than it has count.
        let reach = ((if cubic { 2.0 } else { 1.0 }) / stretch).min(4.0 * self.source as f64 + 4.0);
        let mut taps: Vec<(u64, f64)> = Vec::new();
        for at in (place - reach).floor() as i64..=(place + reach).ceil() as i64 {
            let distance = (at as f64 - place) * stretch;
            let weight = if cubic { keys(distance, sharpness) } else { (1.0 - distance.abs()).max(0.0) };
            let inside = (0..self.source as i64).contains(&at);
            if weight == 0.0 || excludes && !inside {
                continue;
            }
            let at = at.clamp(0, self.source as i64 - 1) as u64;
            match taps.last_mut() {
                Some((same, sum)) if *same == at => *sum += weight,
                _ => taps.push((at, weight)),
            }
        }
        let total: f64 = taps.iter().map(|(_, weight)| weight).sum();
        Ok(taps.into_iter().map(|(at, weight)| (at, (weight / total) as f32)).collect())
    }
}

/// The weight of an element at a distance (Keys, *Cubic Convolution Interpolation*, 1981).
fn keys(distance: f64, a: f64) -> f64 {
    let x = distance.abs();
    if x <= 1.0 {
        ((a + 2.0) * x - (a + 3.0)) * x * x + 1.0
    } else if x < 2.0 {
        ((a * x - 5.0 * a) * x + 8.0 * a) * x - 4.0 * a
    } else {
        0.0
    }
}
