//! Images: resized, rearranged, sampled.

use scorehost_core::DType;

use super::Operator;
use crate::infer::context::{Content, axis, one, wrong};
use crate::infer::flow::{Axes, Flow, Flows, first, mixes, refuse};
use crate::infer::{Answer, Context, Dim, Dims, Stop};

pub(super) fn find(name: &str) -> Option<Operator> {
    Some(match name {
        "Resize" | "Upsample" => Operator::new(resize, resize_rows),
        "DepthToSpace" => Operator::new(depth_to_space, first),
        "SpaceToDepth" => Operator::new(space_to_depth, first),
        "GridSample" => Operator::new(grid_sample, grid_rows),
        "RoiAlign" => Operator::new(roi_align, mixes),
        "MaxRoiPool" => Operator::new(roi_pool, mixes),
        "AffineGrid" => Operator::new(affine_grid, mixes),
        "Col2Im" => Operator::new(col2im, first),
        "NonMaxSuppression" => Operator::new(suppressed, mixes),
        _ => return None,
    })
}

/// Which input holds the scales: operator set 10 and before had no region of interest.
fn scales_at(node: &crate::Node) -> usize {
    if &*node.operator == "Upsample" || node.opset < 11 { 1 } else { 2 }
}

/// Elements of an input of floats, where they are known.
fn floats(context: &Context<'_>, index: usize) -> Option<Vec<f32>> {
    match &context.optional(index)?.content {
        Content::Tensor(tensor) if tensor.dtype() == DType::F32 => {
            Some(tensor.data().as_chunks::<4>().0.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect())
        }
        _ => None,
    }
}

fn resize(context: &mut Context<'_>) -> Answer {
    let mut dims = context.dims(0)?;
    let dtype = context.dtype(0)?;
    let axes: Vec<usize> = match context.node.ints("axes") {
        Some(axes) => axes.iter().map(|given| axis(*given, dims.len())).collect::<Result<_, _>>()?,
        None => (0..dims.len()).collect(),
    };
    let scales = match context.node.attributes.get("scales") {
        Some(crate::Attribute::Floats(scales)) => Some(scales.clone()),
        _ => floats(context, scales_at(context.node)).filter(|scales| !scales.is_empty()),
    };
    if let Ok(sizes) = context.integers(3) {
        if context.node.text("keep_aspect_ratio_policy", "stretch") != "stretch" {
            return kept_ratio(context, dims, &axes, &sizes);
        }
        for (axis, size) in axes.iter().zip(sizes) {
            dims[*axis] = size;
        }
        return one(dtype, dims);
    }
    let Some(scales) = scales else {
        for axis in axes {
            dims[axis] = context.computed();
        }
        return one(dtype, dims);
    };
    if scales.len() != axes.len() || scales.iter().any(|scale| scale.is_nan() || *scale <= 0.0) {
        return wrong(format!("scales {scales:?} for {} axes", axes.len()));
    }
    for (axis, scale) in axes.iter().zip(scales) {
        dims[*axis] = match dims[*axis].value() {
            _ if scale == 1.0 => dims[*axis].clone(),
            // The product is rounded down in single precision, as the operator's definition computes it.
            Some(size) => Dim::known((size as f32 * scale).floor() as i64),
            // Twice, as upsampling has it, is twice whatever the size.
            None if scale.fract() == 0.0 && scale < 65536.0 => {
                dims[*axis].times(&Dim::known(scale as i64)).unwrap_or_else(|| context.computed())
            }
            None => context.symbols.derived(&dims[*axis], [4, i64::from(scale.to_bits()), 0, 0, 0, 0]),
        };
    }
    one(dtype, dims)
}

/// One scale for all axes: the smallest or largest that the sizes ask for.
fn kept_ratio(context: &mut Context<'_>, mut dims: Dims, axes: &[usize], sizes: &[Dim]) -> Answer {
    let larger = context.node.text("keep_aspect_ratio_policy", "stretch") == "not_larger";
    let mut scale = None::<f32>;
    for (axis, size) in axes.iter().zip(sizes) {
        let (Some(from), Some(to)) = (dims[*axis].value(), size.value()) else { return Err(Stop::Unknown) };
        let own = to as f32 / from as f32;
        scale = Some(scale.map_or(own, |scale| if larger { scale.min(own) } else { scale.max(own) }));
    }
    let scale = scale.ok_or(Stop::Unknown)?;
    for axis in axes {
        let from = dims[*axis].value().ok_or(Stop::Unknown)?;
        dims[*axis] = Dim::known((from as f32 * scale + 0.5).floor() as i64);
    }
    one(context.dtype(0)?, dims)
}

/// Sizes may repeat the batch's, where it is.
fn resize_rows(flows: &Flows<'_>) -> Axes {
    flows.only(&[0, 3])?;
    let batch = flows.axis(0).ok_or("does not take rows")?;
    if matches!(flows.flow(3), Flow::Rows(_))
        || flows.node.text("coordinate_transformation_mode", "") == "tf_crop_and_resize"
    {
        return refuse("resizes by what belongs to rows, or crops the batch");
    }
    let output = flows.outputs.first().and_then(Option::as_ref).and_then(|fact| fact.dims.as_ref());
    let same = output.and_then(|dims| dims.get(batch)) == flows.dims(0)?.get(batch);
    if same { Ok(vec![batch]) } else { refuse("changes the number of rows") }
}

fn blocks(context: &mut Context<'_>, into_space: bool) -> Answer {
    let dims = context.ranked(0, 4)?;
    let block = context.node.int("blocksize", 1);
    if block < 1 {
        return wrong("its block size is below 1");
    }
    let block = Dim::known(block);
    let area = block.times(&block).ok_or(Stop::Unknown)?;
    let [n, c, h, w] = [0, 1, 2, 3].map(|at| dims[at].clone());
    let (c, h, w) = if into_space {
        (c.over(&area), h.times(&block), w.times(&block))
    } else {
        (c.times(&area), h.over(&block), w.over(&block))
    };
    let mut sized = |dim: Option<Dim>| dim.unwrap_or_else(|| context.symbols.fresh());
    let dims = Dims::from_iter([n, sized(c), sized(h), sized(w)]);
    one(context.dtype(0)?, dims)
}

fn depth_to_space(context: &mut Context<'_>) -> Answer {
    blocks(context, true)
}

fn space_to_depth(context: &mut Context<'_>) -> Answer {
    blocks(context, false)
}

fn grid_sample(context: &mut Context<'_>) -> Answer {
    let (x, grid) = (context.dims(0)?, context.dims(1)?);
    if x.len() != grid.len() || x.len() < 3 {
        return wrong("input and grid differ in rank");
    }
    let space = grid[1..grid.len() - 1].iter();
    one(context.dtype(0)?, x[..2].iter().chain(space).cloned().collect())
}

fn grid_rows(flows: &Flows<'_>) -> Axes {
    flows.only(&[0, 1])?;
    let both = flows.flow(0) == Flow::Rows(0) && flows.flow(1) == Flow::Rows(0);
    if both { Ok(vec![0]) } else { refuse("samples rows at places that are not theirs") }
}

fn roi_align(context: &mut Context<'_>) -> Answer {
    let (x, regions) = (context.ranked(0, 4)?, context.ranked(1, 2)?);
    let size = |name: &str| Dim::known(context.node.int(name, 1).max(0));
    let dims = Dims::from_iter([regions[0].clone(), x[1].clone(), size("output_height"), size("output_width")]);
    one(context.dtype(0)?, dims)
}

fn roi_pool(context: &mut Context<'_>) -> Answer {
    let (x, regions) = (context.ranked(0, 4)?, context.ranked(1, 2)?);
    let pooled = context.node.ints("pooled_shape").unwrap_or(&[]);
    let space = pooled.iter().map(|size| Dim::known((*size).max(0)));
    let dims = [regions[0].clone(), x[1].clone()].into_iter().chain(space).collect();
    one(context.dtype(0)?, dims)
}

fn affine_grid(context: &mut Context<'_>) -> Answer {
    let size = context.integers(1)?;
    let Some(space) = size.get(2..) else { return wrong("its size has no space") };
    let last = Dim::size(space.len() as u64);
    one(context.dtype(0)?, size[..1].iter().chain(space).cloned().chain([last]).collect())
}

fn col2im(context: &mut Context<'_>) -> Answer {
    let (x, image, block) = (context.ranked(0, 3)?, context.numbers(1)?, context.numbers(2)?);
    let area = block.iter().try_fold(1i64, |area, size| area.checked_mul(*size)).ok_or(Stop::Unknown)?;
    let channels = x[1].over(&Dim::known(area)).ok_or(Stop::Unknown)?;
    let space = image.into_iter().map(|size| Dim::known(size.max(0)));
    let dims = [x[0].clone(), channels].into_iter().chain(space).collect();
    one(context.dtype(0)?, dims)
}

fn suppressed(context: &mut Context<'_>) -> Answer {
    let found = context.computed();
    one(DType::I64, Dims::from_iter([found, Dim::known(3)]))
}
