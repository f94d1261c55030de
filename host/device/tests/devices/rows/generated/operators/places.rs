//! Elements at places that are constants, or that the graph computes.

use scorehost_core::DType;

use super::super::Known;
use super::Maker;

pub(super) fn trilu(maker: &mut Maker<'_>) -> Option<()> {
    let x = maker.float(2)?;
    let upper = maker.random.below(2) as i64;
    maker.add("Trilu", &[&x.name], vec![("upper", upper.into())]).map(drop)
}

pub(super) fn reverse(maker: &mut Maker<'_>) -> Option<()> {
    let x = maker.float(2)?;
    let batch = maker.random.below(2);
    let lengths: Vec<i64> = vec![1; x.shape[batch] as usize];
    let lengths = match maker.value(DType::I64, 1) {
        Some(value) if maker.random.once_in(2) => value.name,
        _ => maker.plan.ints(&lengths),
    };
    let attributes = vec![("batch_axis", (batch as i64).into()), ("time_axis", (1 - batch as i64).into())];
    maker.add("ReverseSequence", &[&x.name, &lengths], attributes).map(drop)
}

pub(super) fn compress(maker: &mut Maker<'_>) -> Option<()> {
    let x = maker.float(1)?;
    let axis = maker.axis(x.shape.len());
    let condition = maker.plan.constant(DType::Bool, &[2], &[1, 0]);
    let attributes = if maker.random.once_in(3) { vec![] } else { vec![("axis", axis.into())] };
    maker.add("Compress", &[&x.name, &condition], attributes).map(drop)
}

pub(super) fn gather(maker: &mut Maker<'_>) -> Option<()> {
    let data = match maker.random.below(3) {
        0 => Known { name: maker.constant(&[4, 3]), dtype: DType::F32, shape: vec![4, 3] },
        _ => maker.any(1)?,
    };
    let places = match maker.value(DType::I64, 0) {
        Some(value) if maker.random.once_in(2) => value.name,
        _ if maker.random.once_in(2) => maker.plan.scalar(0),
        _ => maker.plan.ints(&[0, -1]),
    };
    let axis = maker.axis(data.shape.len());
    maker.add("Gather", &[&data.name, &places], vec![("axis", axis.into())]).map(drop)
}

pub(super) fn gather_elements(maker: &mut Maker<'_>) -> Option<()> {
    let (x, places) = (maker.float(1)?, maker.value(DType::I64, 1)?);
    let axis = maker.axis(x.shape.len());
    maker.add("GatherElements", &[&x.name, &places.name], vec![("axis", axis.into())]).map(drop)
}

pub(super) fn gather_nd(maker: &mut Maker<'_>) -> Option<()> {
    let (x, places) = (maker.float(1)?, maker.value(DType::I64, 1)?);
    let shared = maker.random.below(2) as i64;
    maker.add("GatherND", &[&x.name, &places.name], vec![("batch_dims", shared.into())]).map(drop)
}

pub(super) fn scatter(maker: &mut Maker<'_>) -> Option<()> {
    let (x, places) = (maker.float(1)?, maker.value(DType::I64, 1)?);
    let updates = match maker.float(1)? {
        value if maker.random.once_in(2) => value.name,
        _ => maker.constant(&places.shape.clone()),
    };
    if maker.random.once_in(3) {
        return maker.add("ScatterND", &[&x.name, &places.name, &updates], vec![]).map(drop);
    }
    let axis = maker.axis(x.shape.len());
    maker.add("ScatterElements", &[&x.name, &places.name, &updates], vec![("axis", axis.into())]).map(drop)
}

pub(super) fn one_hot(maker: &mut Maker<'_>) -> Option<()> {
    let places = maker.value(DType::I64, 0)?;
    let (depth, values) = (maker.plan.scalar(3), maker.constant(&[2]));
    let axis = maker.axis(places.shape.len() + 1);
    maker.add("OneHot", &[&places.name, &depth, &values], vec![("axis", axis.into())]).map(drop)
}

pub(super) fn found(maker: &mut Maker<'_>) -> Option<()> {
    let x = maker.float(1)?;
    match maker.random.below(2) {
        0 => maker.add("NonZero", &[&x.name], vec![]).map(drop),
        _ => maker.several("Unique", &[&x.name], 1, vec![("axis", 0.into())]).map(drop),
    }
}

/// Rows of the batch laid out behind one another, beside a value that has one row for each.
pub(super) fn folded(maker: &mut Maker<'_>) -> Option<()> {
    let x = maker.float(3)?;
    let last = *x.shape.last()? as i64;
    let flat = maker.plan.ints(&[-1, last]);
    let flat = maker.add("Reshape", &[&x.name, &flat], vec![])?;
    let one = maker.plan.ints(&[0, 0, -1]);
    let cut = maker.add("Reshape", &[&x.name, &one], vec![])?;
    let row = maker.add("ReduceMax", &[&cut.name], vec![("axes", vec![1].into()), ("keepdims", 0.into())]);
    let row = match row {
        Some(row) => row,
        None => {
            let axes = maker.plan.ints(&[1]);
            maker.add("ReduceMax", &[&cut.name, &axes], vec![("keepdims", 0.into())])?
        }
    };
    let (low, high) = (maker.constant(&[]), maker.constant(&[]));
    let places = maker.add("Clip", &[&row.name, &low, &high], vec![])?;
    let places = maker.add("Cast", &[&places.name], vec![("to", 7.into())])?;
    match maker.random.below(5) {
        0 => maker.add("GatherElements", &[&flat.name, &places.name], vec![("axis", 1.into())]),
        1 => maker.add("ScatterElements", &[&flat.name, &places.name, &row.name], vec![("axis", 1.into())]),
        2 => {
            let lengths = maker.add("ArgMax", &[&row.name], vec![("axis", 1.into()), ("keepdims", 0.into())])?;
            let attributes = vec![("batch_axis", 0.into()), ("time_axis", 1.into())];
            maker.add("ReverseSequence", &[&flat.name, &lengths.name], attributes)
        }
        3 => maker.add("Einsum", &[&flat.name, &row.name], vec![("equation", "ij,ij->ij".into())]),
        _ => maker.add("Concat", &[&flat.name, &row.name], vec![("axis", 1.into())]),
    }
    .map(drop)
}
