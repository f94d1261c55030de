//! Products, convolutions, normalisations and other layers.

use scorehost_core::DType;

use super::super::ROWS;
use super::Maker;
use crate::encode::Value;

pub(super) fn matmul(maker: &mut Maker<'_>) -> Option<()> {
    let x = maker.float(1)?;
    let last = *x.shape.last()?;
    let y = match maker.random.below(4) {
        0 => maker.float(1)?.name,
        1 => maker.constant(&[last, 3]),
        2 => maker.constant(&[2, last, 3]),
        _ => maker.constant(&[last]),
    };
    let swapped = maker.random.once_in(4);
    maker.add("MatMul", &if swapped { [&*y, &*x.name] } else { [&*x.name, &*y] }, vec![]).map(drop)
}

pub(super) fn gemm(maker: &mut Maker<'_>) -> Option<()> {
    let x = maker.float(2)?;
    let turned = maker.random.below(2);
    let inner = *x.shape.get(1 - turned)?;
    let y = if maker.random.once_in(3) { maker.float(2)?.name } else { maker.constant(&[inner, 3]) };
    let shape = [&[][..], &[3], &[1, 3], &[ROWS, 1], &[ROWS, 3]][maker.random.below(5)];
    let bias = if maker.random.once_in(3) { maker.float(1)?.name } else { maker.constant(shape) };
    maker.add("Gemm", &[&x.name, &y, &bias], vec![("transA", (turned as i64).into())]).map(drop)
}

pub(super) fn einsum(maker: &mut Maker<'_>) -> Option<()> {
    let (x, y) = (maker.float(1)?, maker.float(1)?);
    let equations = [
        "ij,ij->i",
        "ij,kj->ik",
        "ij,ij->ij",
        "ij,ik->ijk",
        "ijk,ikl->ijl",
        "ijk,ljk->il",
        "ij,j->i",
        "ij,i->i",
        "i,i->i",
    ];
    let equation = *maker.random.choose(&equations);
    if maker.random.once_in(4) {
        let equation = *maker.random.choose(&["ij->ji", "ij->i", "ij->j", "ii->i", "ijk->kji", "ij->"]);
        return maker.add("Einsum", &[&x.name], vec![("equation", equation.into())]).map(drop);
    }
    maker.add("Einsum", &[&x.name, &y.name], vec![("equation", equation.into())]).map(drop)
}

pub(super) fn conv(maker: &mut Maker<'_>) -> Option<()> {
    let x = maker.float(3)?;
    let channels = x.shape[1];
    let space = vec![2u64; x.shape.len() - 2];
    let (operator, weights) = match maker.random.below(2) {
        0 => ("Conv", [&[3, channels], &*space].concat()),
        _ => ("ConvTranspose", [&[channels, 3], &*space].concat()),
    };
    let weights = maker.constant(&weights);
    maker.add(operator, &[&x.name, &weights], vec![]).map(drop)
}

pub(super) fn pool(maker: &mut Maker<'_>) -> Option<()> {
    let x = maker.float(3)?;
    let window = vec![2i64; x.shape.len() - 2];
    match maker.random.below(4) {
        0 => maker.several("MaxPool", &[&x.name], 2, vec![("kernel_shape", window.into())]).map(drop),
        1 => maker.add("MaxPool", &[&x.name], vec![("kernel_shape", window.into())]).map(drop),
        2 => maker.add("AveragePool", &[&x.name], vec![("kernel_shape", window.into())]).map(drop),
        _ => maker.add("GlobalAveragePool", &[&x.name], vec![]).map(drop),
    }
}

pub(super) fn norm(maker: &mut Maker<'_>) -> Option<()> {
    let x = maker.float(2)?;
    let channels = maker.constant(&[x.shape[1]]);
    match maker.random.below(6) {
        0 if maker.plan.opset >= 17 => {
            let axis = maker.random.below(x.shape.len());
            let scale = maker.constant(&x.shape[axis..]);
            maker.add("LayerNormalization", &[&x.name, &scale], vec![("axis", (axis as i64).into())]).map(drop)
        }
        1 => maker.add("InstanceNormalization", &[&x.name, &channels, &channels], vec![]).map(drop),
        2 => maker.add("LRN", &[&x.name], vec![("size", 3.into())]).map(drop),
        3 => {
            let axis = maker.axis(x.shape.len());
            maker.add("MeanVarianceNormalization", &[&x.name], vec![("axes", vec![axis].into())]).map(drop)
        }
        _ => {
            let square = maker.add("Mul", &[&channels, &channels], vec![])?.name;
            let training = maker.plan.opset >= 14 && maker.random.once_in(2);
            let attributes = if training { vec![("training_mode", 1.into())] } else { vec![] };
            let inputs = [&*x.name, &*channels, &*channels, &*channels, &*square];
            maker.add("BatchNormalization", &inputs, attributes).map(drop)
        }
    }
}

pub(super) fn recurrent(maker: &mut Maker<'_>) -> Option<()> {
    let x = maker.float(3).filter(|x| x.shape.len() == 3)?;
    let (operator, gates) = *maker.random.choose(&[("LSTM", 4), ("GRU", 3), ("RNN", 1)]);
    let (hidden, inputs) = (2, x.shape[2]);
    let (w, r) = (maker.constant(&[1, gates * hidden, inputs]), maker.constant(&[1, gates * hidden, hidden]));
    let mut attributes = vec![("hidden_size", Value::Int(2))];
    if maker.plan.opset >= 14 && maker.random.once_in(2) {
        attributes.push(("layout", 1.into()));
    }
    let reverse = maker.random.once_in(2);
    attributes.push(("direction", if reverse { "reverse" } else { "forward" }.into()));
    maker.several(operator, &[&x.name, &w, &r], 2, attributes).map(drop)
}

/// Numbers as small integers and back: by a scale of all rows together, by one for each place of an axis.
pub(super) fn quantised(maker: &mut Maker<'_>) -> Option<()> {
    let x = maker.float(1)?;
    if maker.random.once_in(2) {
        let parts = maker.several("DynamicQuantizeLinear", &[&x.name], 3, vec![])?;
        let names: Vec<&str> = parts.iter().map(|part| &*part.name).collect();
        return maker.add("DequantizeLinear", &names, vec![]).map(drop);
    }
    let axis = maker.random.below(x.shape.len());
    let scales = vec![0.5f32; x.shape[axis] as usize];
    let data: Vec<u8> = scales.iter().flat_map(|scale| scale.to_le_bytes()).collect();
    let scale = maker.plan.constant(DType::F32, &[x.shape[axis]], &data);
    let attributes = if maker.plan.opset >= 13 { vec![("axis", Value::Int(axis as i64))] } else { vec![] };
    let small = maker.add("QuantizeLinear", &[&x.name, &scale], attributes.clone())?;
    maker.add("DequantizeLinear", &[&small.name, &scale], attributes).map(drop)
}

pub(super) fn resize(maker: &mut Maker<'_>) -> Option<()> {
    let x = maker.float(2)?;
    let sizes: Vec<i64> = x.shape.iter().map(|dim| *dim as i64 + maker.random.below(2) as i64).collect();
    let sizes = maker.plan.ints(&sizes);
    let mode = *maker.random.choose(&["nearest", "linear", "cubic"]);
    if maker.random.once_in(2) {
        let data: Vec<u8> =
            x.shape.iter().flat_map(|_| maker.random.choose(&[1.0f32, 1.0, 2.0, 0.5]).to_le_bytes()).collect();
        let scales = maker.plan.constant(DType::F32, &[x.shape.len() as u64], &data);
        return maker.add("Resize", &[&x.name, "", &scales], vec![("mode", mode.into())]).map(drop);
    }
    maker.add("Resize", &[&x.name, "", "", &sizes], vec![("mode", mode.into())]).map(drop)
}

pub(super) fn blocks(maker: &mut Maker<'_>) -> Option<()> {
    let x = maker.float(4)?;
    let operator = *maker.random.choose(&["DepthToSpace", "SpaceToDepth"]);
    maker.add(operator, &[&x.name], vec![("blocksize", 2.into())]).map(drop)
}
