use scorehost_graph::Attribute;

use super::{array, close, doubles, ints, run, text};
use crate::reference::array::Array;

fn softmax(row: &[f64]) -> Vec<f64> {
    let most = row.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let powers: Vec<f64> = row.iter().map(|x| (x - most).exp()).collect();
    let sum: f64 = powers.iter().sum();
    powers.into_iter().map(|x| x / sum).collect()
}

#[test]
fn softmax_works_along_any_axis() {
    let input = array(1, &[3, 5, 7]);
    let values = doubles(&input);
    for (axis, length, stride) in [(0i64, 3, 35), (1, 5, 7), (-1, 7, 1)] {
        let mut want = vec![0.0; values.len()];
        for start in (0..values.len()).filter(|index| index / stride % length == 0) {
            let line: Vec<f64> = (0..length).map(|at| values[start + at * stride]).collect();
            softmax(&line).into_iter().enumerate().for_each(|(at, x)| want[start + at * stride] = x);
        }
        let attributes = [("axis", Attribute::Int(axis))];
        close("Softmax", &run(("", "Softmax", 13), &attributes, &[Some(&input)]).unwrap()[0], &[3, 5, 7], &want);
        let log: Vec<f64> = want.iter().map(|x| x.ln()).collect();
        close("LogSoftmax", &run(("", "LogSoftmax", 13), &attributes, &[Some(&input)]).unwrap()[0], &[3, 5, 7], &log);
    }
    // Below operator set 13 all axes from there on are one.
    let together: Vec<f64> = values.chunks(35).flat_map(softmax).collect();
    close("Softmax 11", &run(("", "Softmax", 11), &[], &[Some(&input)]).unwrap()[0], &[3, 5, 7], &together);
}

fn normalised(row: &[f64], epsilon: f64) -> Vec<f64> {
    let mean = row.iter().sum::<f64>() / row.len() as f64;
    let variance = row.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / row.len() as f64;
    row.iter().map(|x| (x - mean) / (variance + epsilon).sqrt()).collect()
}

#[test]
fn layer_norms_follow_the_definition() {
    let (input, residual) = (array(1, &[2, 3, 37]), array(2, &[2, 3, 37]));
    let (scale, bias) = (array(3, &[37]), array(4, &[37]));
    let affine = |rows: &[f64]| -> Vec<f64> {
        let rows = rows.chunks(37).flat_map(|row| normalised(row, 1e-5)).enumerate();
        rows.map(|(index, x)| x * doubles(&scale)[index % 37] + doubles(&bias)[index % 37]).collect()
    };
    let got = run(("", "LayerNormalization", 17), &[], &[Some(&input), Some(&scale), Some(&bias)]).unwrap();
    close("LayerNormalization", &got[0], &[2, 3, 37], &affine(&doubles(&input)));
    let sum: Vec<f64> = doubles(&input).iter().zip(doubles(&residual)).map(|(a, b)| a + b).collect();
    let inputs = [Some(&input), Some(&residual), Some(&scale), Some(&bias)];
    let got = run(("scorehost", "SkipLayerNorm", 1), &[], &inputs).unwrap();
    close("SkipLayerNorm", &got[0], &[2, 3, 37], &affine(&sum));
}

#[test]
fn channel_norms_follow_the_definition() {
    let input = array(1, &[2, 4, 3, 5]);
    let values = doubles(&input);
    let (scale, bias, mean) = (array(2, &[4]), array(3, &[4]), array(4, &[4]));
    let variance = Array::new(vec![4], vec![0.5f32, 1.0, 2.0, 0.25]).unwrap();
    let [s, b, m, v] = [&scale, &bias, &mean, &variance].map(doubles);
    let channel = |index: usize| index / 15 % 4;
    let want: Vec<f64> = (0..values.len())
        .map(|at| (values[at] - m[channel(at)]) / (v[channel(at)] + 1e-5).sqrt() * s[channel(at)] + b[channel(at)])
        .collect();
    let inputs = [Some(&input), Some(&scale), Some(&bias), Some(&mean), Some(&variance)];
    close("BatchNormalization", &run(("", "BatchNormalization", 15), &[], &inputs).unwrap()[0], &[2, 4, 3, 5], &want);
    for (operator, attributes, members) in
        [("InstanceNormalization", vec![], 1), ("GroupNormalization", vec![("num_groups", Attribute::Int(2))], 2)]
    {
        let rows = values.chunks(15 * members).flat_map(|row| normalised(row, 1e-5)).enumerate();
        let want: Vec<f64> = rows.map(|(at, x)| x * s[channel(at)] + b[channel(at)]).collect();
        let got = run(("", operator, 21), &attributes, &[Some(&input), Some(&scale), Some(&bias)]).unwrap();
        close(operator, &got[0], &[2, 4, 3, 5], &want);
    }
}

/// Products of stacked matrices whose stacks have the same size.
fn multiplied(left: &[f64], right: &[f64], (stack, m, k, n): (usize, usize, usize, usize), shared: bool) -> Vec<f64> {
    let mut product = Vec::new();
    for at in 0..stack {
        for (row, column) in (0..m).flat_map(|row| (0..n).map(move |column| (row, column))) {
            let other = if shared { 0 } else { at };
            let term = |inner: usize| left[(at * m + row) * k + inner] * right[(other * k + inner) * n + column];
            product.push((0..k).map(term).sum());
        }
    }
    product
}

#[test]
fn products_follow_the_definition_with_bias_residual_and_activation() {
    let (left, weights, stacked) = (array(1, &[2, 3, 4, 5]), array(2, &[5, 6]), array(3, &[2, 3, 5, 6]));
    let shape = [2, 3, 4, 6];
    let by_weights = multiplied(&doubles(&left), &doubles(&weights), (6, 4, 5, 6), true);
    let by_stack = multiplied(&doubles(&left), &doubles(&stacked), (6, 4, 5, 6), false);
    close("one matrix", &run(("", "MatMul", 13), &[], &[Some(&left), Some(&weights)]).unwrap()[0], &shape, &by_weights);
    close("a stack", &run(("", "MatMul", 13), &[], &[Some(&left), Some(&stacked)]).unwrap()[0], &shape, &by_stack);
    let (bias, residual) = (array(4, &[6]), array(5, &shape));
    let attributes = [("alpha", Attribute::Float(0.5)), ("activation", text("Relu"))];
    let inputs = [Some(&left), Some(&weights), Some(&bias), Some(&residual)];
    let got = run(("scorehost", "FusedMatMul", 1), &attributes, &inputs).unwrap();
    let (b, r) = (doubles(&bias), doubles(&residual));
    let want: Vec<f64> = (0..by_weights.len()).map(|at| (0.5 * by_weights[at] + b[at % 6] + r[at]).max(0.0)).collect();
    close("FusedMatMul", &got[0], &shape, &want);
}

#[test]
fn transposed_operands_give_the_same_product() {
    let (left, right, c) = (array(1, &[4, 5]), array(2, &[5, 6]), array(3, &[4, 1]));
    let turned = |array: &Array| {
        let [rows, columns] = array.shape[..] else { unreachable!() };
        let values = array.get::<f32>().unwrap();
        let order = (0..columns).flat_map(|column| (0..rows).map(move |row| row * columns + column));
        Array::new(vec![columns, rows], order.map(|at| values[at]).collect()).unwrap()
    };
    let product = multiplied(&doubles(&left), &doubles(&right), (1, 4, 5, 6), false);
    let want: Vec<f64> = (0..24).map(|at| 2.0 * product[at] + 3.0 * doubles(&c)[at / 6]).collect();
    let scaling = [("alpha", Attribute::Float(2.0)), ("beta", Attribute::Float(3.0))];
    for (by_a, by_b) in [(0, 0), (0, 1), (1, 0), (1, 1)] {
        let attributes = [&scaling[..], &[("transA", Attribute::Int(by_a)), ("transB", Attribute::Int(by_b))]].concat();
        let (a, b) = (
            if by_a == 1 { turned(&left) } else { left.clone() },
            if by_b == 1 { turned(&right) } else { right.clone() },
        );
        close("Gemm", &run(("", "Gemm", 13), &attributes, &[Some(&a), Some(&b), Some(&c)]).unwrap()[0], &[4, 6], &want);
        let got = run(("scorehost", "FusedMatMul", 1), &attributes[2..], &[Some(&a), Some(&b)]).unwrap();
        close("FusedMatMul", &got[0], &[4, 6], &product);
    }
}

#[test]
fn attention_follows_the_definition_in_both_layouts() {
    let (batch, heads, rows, size) = (2, 3, 5, 4);
    let shape = [batch, rows, heads * size];
    let [query, key, value] = [1, 2, 3].map(|seed| array(seed, &shape));
    let mask = array(4, &[batch, 1, 1, rows]);
    let [q, k, v, m] = [&query, &key, &value, &mask].map(doubles);
    let at = |batch: usize, row: usize, head: usize, unit: usize| ((batch * rows + row) * heads + head) * size + unit;
    let mut want = vec![0.0; q.len()];
    for (b, h, row) in (0..batch * heads * rows).map(|n| (n / heads / rows, n / rows % heads, n % rows)) {
        let dot = |other: usize| (0..size).map(|u| q[at(b, row, h, u)] * k[at(b, other, h, u)]).sum::<f64>();
        let scores: Vec<f64> = (0..rows).map(|other| 0.5 * dot(other) + m[b * rows + other]).collect();
        for (other, share) in softmax(&scores).into_iter().enumerate() {
            (0..size).for_each(|u| want[at(b, row, h, u)] += share * v[at(b, other, h, u)]);
        }
    }
    let attributes = [("heads", Attribute::Int(3)), ("scale", Attribute::Float(0.5)), ("layout", text("BSH"))];
    let inputs = [Some(&query), Some(&key), Some(&value), Some(&mask)];
    let got = run(("scorehost", "FusedAttention", 1), &attributes, &inputs).unwrap();
    close("heads beside each other", &got[0], &shape, &want);
    let apart = |array: &Array| {
        let split = array.clone().into_shape(vec![batch, rows, heads, size]).unwrap();
        run(("", "Transpose", 13), &[("perm", ints(&[0, 2, 1, 3]))], &[Some(&split)]).unwrap().remove(0)
    };
    let [query, key, value] = [&query, &key, &value].map(apart);
    let inputs = [Some(&query), Some(&key), Some(&value), Some(&mask)];
    let attributes = [("heads", Attribute::Int(3)), ("scale", Attribute::Float(0.5)), ("layout", text("BNSH"))];
    let got = run(("scorehost", "FusedAttention", 1), &attributes, &inputs).unwrap();
    let want = Array::new(shape.to_vec(), want.iter().map(|x| *x as f32).collect()).unwrap();
    close("heads apart", &got[0], &[batch, heads, rows, size], &doubles(&apart(&want)));
}

#[test]
fn arithmetic_stretches_either_side() {
    let whole = [2, 3, 4];
    for (left, right) in [
        (&whole[..], &whole[..]),
        (&whole[..], &[][..]),
        (&whole[..], &[4][..]),
        (&whole[..], &[3, 1][..]),
        (&[3, 4][..], &whole[..]),
        (&[1, 4][..], &[2, 3, 1][..]),
        (&[2, 1, 4][..], &[3, 1][..]),
    ] {
        let (a, b) = (array(1, left), array(2, right));
        let stretched = |array: &Array| -> Vec<f64> {
            let padded = [&vec![1; 3 - array.shape.len()][..], &array.shape[..]].concat();
            let value = |index: usize| {
                let place = [index / 12, index / 4 % 3, index % 4];
                let at = place
                    .iter()
                    .zip(&padded)
                    .fold(0, |at, (place, size)| at * size + if *size == 1 { 0 } else { *place });
                doubles(array)[at]
            };
            (0..24).map(value).collect()
        };
        for (operator, f) in [("Sub", (|a, b| a - b) as fn(f64, f64) -> f64), ("Div", |a, b| a / b)] {
            let want: Vec<f64> = stretched(&a).iter().zip(stretched(&b)).map(|(a, b)| f(*a, b)).collect();
            let got = run(("", operator, 14), &[], &[Some(&a), Some(&b)]).unwrap();
            close(&format!("{operator} of {left:?} and {right:?}"), &got[0], &whole, &want);
        }
    }
}

#[test]
fn an_lstm_runs_both_ways_and_stops_where_a_sequence_ends() {
    let (steps, batch, width, hidden) = (4, 2, 3, 5);
    let input = array(1, &[steps, batch, width]);
    let (weights, recurrence) = (array(2, &[2, 4 * hidden, width]), array(3, &[2, 4 * hidden, hidden]));
    let bias = array(4, &[2, 8 * hidden]);
    let lengths = Array::new(vec![2], vec![4i32, 2]).unwrap();
    let attributes = [("direction", text("bidirectional")), ("hidden_size", Attribute::Int(hidden as i64))];
    let inputs = [Some(&input), Some(&weights), Some(&recurrence), Some(&bias), Some(&lengths)];
    let got = run(("", "LSTM", 14), &attributes, &inputs).unwrap();
    let [x, w, r, b] = [&input, &weights, &recurrence, &bias].map(doubles);
    let logistic = |x: f64| 1.0 / (1.0 + (-x).exp());
    let (mut all, mut ends) = (vec![0.0; steps * 2 * batch * hidden], vec![0.0; 2 * batch * hidden]);
    for (direction, index) in [(0, 0), (0, 1), (1, 0), (1, 1)] {
        let (mut h, mut c) = (vec![0.0; hidden], vec![0.0; hidden]);
        let length = [4, 2][index];
        for round in 0..length {
            let step = if direction == 1 { length - 1 - round } else { round };
            let gate = |gate: usize, unit: usize| {
                let row = direction * 4 * hidden + gate * hidden + unit;
                let own: f64 = (0..width).map(|i| w[row * width + i] * x[(step * batch + index) * width + i]).sum();
                let back: f64 = (0..hidden).map(|i| r[row * hidden + i] * h[i]).sum();
                let at = direction * 8 * hidden + gate * hidden + unit;
                own + back + b[at] + b[at + 4 * hidden]
            };
            let cell = |unit: usize| logistic(gate(2, unit)) * c[unit] + logistic(gate(0, unit)) * gate(3, unit).tanh();
            let next: Vec<f64> = (0..hidden).map(cell).collect();
            let shown: Vec<f64> = (0..hidden).map(|unit| logistic(gate(1, unit)) * next[unit].tanh()).collect();
            (h, c) = (shown, next);
            let place = ((step * 2 + direction) * batch + index) * hidden;
            all[place..place + hidden].copy_from_slice(&h);
        }
        ends[(direction * batch + index) * hidden..][..hidden].copy_from_slice(&h);
    }
    close("all states", &got[0], &[steps, 2, batch, hidden], &all);
    close("last states", &got[1], &[2, batch, hidden], &ends);
}

#[test]
fn resizing_interpolates_between_elements() {
    let input = Array::new(vec![1, 1, 2, 2], vec![1.0f32, 2.0, 3.0, 4.0]).unwrap();
    let scales = Array::new(vec![4], vec![1.0f32, 1.0, 2.0, 2.0]).unwrap();
    let resize = |mode: &'static str, how: &'static str| {
        let attributes = [("mode", text(mode)), ("coordinate_transformation_mode", text(how))];
        run(("", "Resize", 13), &attributes, &[Some(&input), None, Some(&scales)]).unwrap().remove(0)
    };
    let twice = [1., 1., 2., 2., 1., 1., 2., 2., 3., 3., 4., 4., 3., 3., 4., 4.];
    close("nearest", &resize("nearest", "half_pixel"), &[1, 1, 4, 4], &twice);
    let row = [1.0, 1.25, 1.75, 2.0];
    let linear: Vec<f64> = [0.0, 0.5, 1.5, 2.0].iter().flat_map(|add| row.map(|x| x + add)).collect();
    close("linear", &resize("linear", "half_pixel"), &[1, 1, 4, 4], &linear);
    let thirds = [1.0, 4.0 / 3.0, 5.0 / 3.0, 2.0];
    let corners: Vec<f64> = [0.0, 2.0 / 3.0, 4.0 / 3.0, 2.0].iter().flat_map(|add| thirds.map(|x| x + add)).collect();
    close("align_corners", &resize("linear", "align_corners"), &[1, 1, 4, 4], &corners);
    // Cubic convolution keeps the elements that a place falls upon.
    let cubic = resize("cubic", "asymmetric");
    let kept: Vec<f32> = [0, 2, 8, 10].map(|at| cubic.get::<f32>().unwrap()[at]).to_vec();
    assert_eq!(kept, [1.0, 2.0, 3.0, 4.0]);
}
