//! Other shapes of the same elements, parts, and things put together.

use super::super::ROWS;
use super::Maker;

/// Another shape of as many elements: dimensions merged, split, turned, or left to be counted.
pub(super) fn reshape(maker: &mut Maker<'_>) -> Option<()> {
    let x = maker.any(1)?;
    let mut dims: Vec<i64> = x.shape.iter().map(|dim| *dim as i64).collect();
    for _ in 0..=maker.random.below(2) {
        let at = maker.random.below(dims.len());
        match maker.random.below(4) {
            0 if at + 1 < dims.len() => {
                let next = dims.remove(at + 1);
                dims[at] *= next;
            }
            1 if at + 1 < dims.len() => dims.swap(at, at + 1),
            2 => {
                let divisors: Vec<i64> = (1..=dims[at]).filter(|by| dims[at] % by == 0).collect();
                let by = *maker.random.choose(&divisors);
                dims[at] /= by;
                dims.insert(at + usize::from(maker.random.once_in(2)), by);
            }
            _ => {}
        }
    }
    for (at, dim) in dims.iter_mut().enumerate() {
        if x.shape.get(at) == Some(&(*dim as u64)) && maker.random.once_in(2) {
            *dim = 0;
        }
    }
    if !maker.random.once_in(3) {
        let at = maker.random.below(dims.len());
        dims[at] = -1;
    }
    let shape = maker.plan.ints(&dims);
    maker.add("Reshape", &[&x.name, &shape], vec![]).map(drop)
}

/// Shapes that are computed of a value's own shape.
pub(super) fn by_shape(maker: &mut Maker<'_>) -> Option<()> {
    let like = maker.any(1)?;
    let shape = maker.add("Shape", &[&like.name], vec![])?;
    let place = maker.random.below(like.shape.len()) as i64;
    let place = maker.plan.ints(&[if maker.random.once_in(2) { 0 } else { place }]);
    let mut size = maker.add("Gather", &[&shape.name, &place], vec![])?.name;
    if maker.random.once_in(3) {
        let by = *maker.random.choose(&[1, 2, ROWS as i64]);
        let by = maker.plan.ints(&[by]);
        let operator = *maker.random.choose(&["Mul", "Div", "Add", "Sub", "Mod", "Max"]);
        size = maker.add(operator, &[&size, &by], vec![])?.name;
    }
    let x = maker.float(0)?;
    match maker.random.below(7) {
        0 => maker.add("Expand", &[&x.name, &shape.name], vec![]),
        1 => {
            let rest = maker.plan.ints(&[-1]);
            let mut parts = [&*size, &*rest];
            if maker.random.once_in(3) {
                parts.reverse();
            }
            let target = maker.add("Concat", &parts, vec![("axis", 0.into())])?;
            maker.add("Reshape", &[&x.name, &target.name], vec![])
        }
        2 => {
            let many = *maker.random.choose(&[1, 2, 4]);
            let rest = maker.plan.ints(&[many]);
            let target = maker.add("Concat", &[&size, &rest], vec![("axis", 0.into())])?;
            let zero = maker.add("ConstantOfShape", &[&target.name], vec![])?;
            maker.add("Add", &[&zero.name, &x.name], vec![])
        }
        3 => {
            let number = maker.add("Cast", &[&size], vec![("to", 1.into())])?;
            let operator = *maker.random.choose(&["Div", "Mul", "Add"]);
            maker.add(operator, &[&x.name, &number.name], vec![])
        }
        4 => {
            let zero = maker.plan.ints(&[0]);
            maker.add("Slice", &[&x.name, &zero, &size], vec![])
        }
        5 => {
            let (zero, one) = (maker.plan.scalar(0), maker.plan.scalar(1));
            let none = maker.plan.ints(&[0]);
            let limit = if maker.plan.opset >= 13 {
                maker.add("Squeeze", &[&size, &none], vec![])?
            } else {
                maker.add("Squeeze", &[&size], vec![("axes", vec![0].into())])?
            };
            let numbers = maker.add("Range", &[&zero, &limit.name, &one], vec![])?;
            let numbers = maker.add("Cast", &[&numbers.name], vec![("to", 1.into())])?;
            maker.add("Add", &[&x.name, &numbers.name], vec![])
        }
        _ => {
            let rest = maker.plan.ints(&vec![1; x.shape.len().saturating_sub(1)]);
            let repeats = maker.add("Concat", &[&size, &rest], vec![("axis", 0.into())])?;
            maker.add("Tile", &[&x.name, &repeats.name], vec![])
        }
    }
    .map(drop)
}

pub(super) fn flatten(maker: &mut Maker<'_>) -> Option<()> {
    let x = maker.any(1)?;
    let axis = maker.random.below(x.shape.len() + 1) as i64;
    maker.add("Flatten", &[&x.name], vec![("axis", axis.into())]).map(drop)
}

pub(super) fn squeeze(maker: &mut Maker<'_>) -> Option<()> {
    let x = maker.any(1)?;
    let axes: Vec<i64> = (0..x.shape.len()).filter(|at| x.shape[*at] == 1).map(|at| at as i64).collect();
    let (attributes, input) = if axes.is_empty() { (vec![], None) } else { maker.axes(axes, 13) };
    let inputs: Vec<&str> = [&*x.name].into_iter().chain(input.as_deref()).collect();
    maker.add("Squeeze", &inputs, attributes).map(drop)
}

pub(super) fn unsqueeze(maker: &mut Maker<'_>) -> Option<()> {
    let x = maker.any(0)?;
    let axis = maker.axis(x.shape.len() + 1);
    let (attributes, input) = maker.axes(vec![axis], 13);
    let inputs: Vec<&str> = [&*x.name].into_iter().chain(input.as_deref()).collect();
    maker.add("Unsqueeze", &inputs, attributes).map(drop)
}

pub(super) fn transpose(maker: &mut Maker<'_>) -> Option<()> {
    let x = maker.any(2)?;
    let mut order: Vec<i64> = (0..x.shape.len() as i64).collect();
    for at in (1..order.len()).rev() {
        let other = maker.random.below(at + 1);
        order.swap(at, other);
    }
    let attributes = if maker.random.once_in(5) { vec![] } else { vec![("perm", order.into())] };
    maker.add("Transpose", &[&x.name], attributes).map(drop)
}

pub(super) fn expand(maker: &mut Maker<'_>) -> Option<()> {
    let x = maker.float(0)?;
    let mut shape: Vec<i64> = x.shape.iter().map(|dim| *dim as i64).collect();
    for dim in &mut shape {
        if *dim == 1 || maker.random.once_in(3) {
            *dim = *maker.random.choose(&[1, 2, ROWS as i64]);
        }
    }
    if maker.random.once_in(3) {
        shape.insert(0, 2);
    }
    let shape = maker.plan.ints(&shape);
    maker.add("Expand", &[&x.name, &shape], vec![]).map(drop)
}

pub(super) fn concat(maker: &mut Maker<'_>) -> Option<()> {
    let x = maker.float(1)?;
    let axis = maker.axis(x.shape.len());
    let other = match maker.random.below(3) {
        0 => x.name.clone(),
        1 => maker.float(1)?.name,
        _ => maker.constant(&x.shape.clone()),
    };
    maker.add("Concat", &[&x.name, &other], vec![("axis", axis.into())]).map(drop)
}

pub(super) fn split(maker: &mut Maker<'_>) -> Option<()> {
    let x = maker.float(1)?;
    let axis = maker.axis(x.shape.len());
    let mut attributes = vec![("axis", axis.into())];
    if maker.plan.opset >= 18 {
        attributes.push(("num_outputs", 2.into()));
    }
    maker.several("Split", &[&x.name], 2, attributes).map(drop)
}

pub(super) fn slice(maker: &mut Maker<'_>) -> Option<()> {
    let x = maker.any(1)?;
    let axis = maker.axis(x.shape.len());
    let start = *maker.random.choose(&[0, 0, 1, -1, -2]);
    let end = *maker.random.choose(&[1, 2, 3, ROWS as i64, i64::MAX, -1, i64::MIN]);
    let step = *maker.random.choose(&[1, 1, 2, -1]);
    let (starts, ends) = (maker.plan.ints(&[start]), maker.plan.ints(&[end]));
    if maker.random.once_in(4) {
        return maker.add("Slice", &[&x.name, &starts, &ends], vec![]).map(drop);
    }
    let (axes, steps) = (maker.plan.ints(&[axis]), maker.plan.ints(&[step]));
    maker.add("Slice", &[&x.name, &starts, &ends, &axes, &steps], vec![]).map(drop)
}

pub(super) fn tile(maker: &mut Maker<'_>) -> Option<()> {
    let x = maker.float(1)?;
    let repeats: Vec<i64> = x.shape.iter().map(|_| 1 + maker.random.below(2) as i64).collect();
    let repeats = maker.plan.ints(&repeats);
    maker.add("Tile", &[&x.name, &repeats], vec![]).map(drop)
}

pub(super) fn pad(maker: &mut Maker<'_>) -> Option<()> {
    let x = maker.float(1)?;
    let pads: Vec<i64> = (0..2 * x.shape.len()).map(|_| *maker.random.choose(&[0, 0, 1, -1])).collect();
    let pads = maker.plan.ints(&pads);
    let mode = *maker.random.choose(&["constant", "reflect", "edge"]);
    maker.add("Pad", &[&x.name, &pads], vec![("mode", mode.into())]).map(drop)
}
