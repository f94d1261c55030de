use scorehost_graph::Attribute;

use super::{array, close, doubles, ints, run, text};
use crate::reference::array::Array;

/// One case: input, weights, groups and the window of each axis.
#[derive(Clone, Default)]
struct Case {
    input: Vec<usize>,
    weights: Vec<usize>,
    groups: usize,
    strides: Vec<usize>,
    dilations: Vec<usize>,
    pads: Vec<usize>,
}

impl Case {
    fn attributes(&self) -> Vec<(&'static str, Attribute)> {
        let list = |values: &[usize]| ints(&values.iter().map(|value| *value as i64).collect::<Vec<_>>());
        vec![
            ("group", Attribute::Int(self.groups as i64)),
            ("strides", list(&self.strides)),
            ("dilations", list(&self.dilations)),
            ("pads", list(&self.pads)),
        ]
    }
}

fn case(input: &[usize], weights: &[usize], groups: usize, window: [&[usize]; 3]) -> Case {
    let [strides, dilations, pads] = window.map(<[usize]>::to_vec);
    Case { input: input.to_vec(), weights: weights.to_vec(), groups, strides, dilations, pads }
}

fn cases() -> Vec<Case> {
    vec![
        case(&[2, 3, 7, 9], &[4, 3, 3, 3], 1, [&[1, 1], &[1, 1], &[1, 1, 1, 1]]),
        case(&[1, 3, 11, 10], &[5, 3, 3, 2], 1, [&[2, 3], &[1, 1], &[0, 1, 2, 1]]),
        case(&[1, 4, 9, 9], &[6, 2, 3, 3], 2, [&[1, 1], &[2, 2], &[2, 2, 2, 2]]),
        case(&[2, 8, 5, 5], &[16, 8, 1, 1], 1, [&[1, 1], &[1, 1], &[0, 0, 0, 0]]),
        case(&[1, 8, 5, 6], &[4, 8, 1, 1], 1, [&[2, 2], &[1, 1], &[0, 0, 0, 0]]),
        case(&[2, 6, 8, 21], &[6, 1, 3, 3], 6, [&[1, 1], &[1, 1], &[1, 1, 1, 1]]),
        case(&[1, 6, 9, 20], &[6, 1, 3, 3], 6, [&[2, 2], &[1, 1], &[1, 1, 1, 1]]),
        case(&[1, 3, 13, 13], &[3, 1, 5, 5], 3, [&[1, 1], &[1, 1], &[2, 2, 2, 2]]),
        case(&[1, 3, 13, 12], &[3, 1, 5, 5], 3, [&[2, 2], &[1, 1], &[2, 2, 2, 2]]),
        case(&[1, 3, 13, 12], &[3, 1, 3, 3], 3, [&[2, 1], &[1, 1], &[1, 0, 0, 1]]),
        case(&[1, 3, 9, 12], &[3, 1, 3, 3], 3, [&[1, 1], &[3, 2], &[0, 0, 0, 0]]),
        case(&[1, 4, 9, 12], &[8, 1, 3, 3], 4, [&[1, 1], &[1, 1], &[0, 0, 0, 0]]),
        case(&[1, 2, 3, 2], &[2, 1, 3, 3], 2, [&[1, 1], &[1, 1], &[1, 1, 1, 1]]),
        case(&[2, 3, 17], &[4, 3, 4], 1, [&[2], &[3], &[3, 4]]),
        case(&[1, 2, 4, 5, 6], &[3, 2, 2, 3, 2], 1, [&[1, 2, 1], &[1, 1, 2], &[0, 1, 1, 1, 1, 0]]),
        // A column matrix of several blocks.
        case(&[1, 40, 33, 35], &[7, 40, 3, 3], 1, [&[1, 1], &[1, 1], &[1, 1, 1, 1]]),
    ]
}

/// Sizes of the output's spatial axes by the definition.
fn output_sizes(case: &Case) -> Vec<usize> {
    let axes = case.strides.len();
    (0..axes)
        .map(|axis| {
            let extent = (case.weights[2 + axis] - 1) * case.dilations[axis] + 1;
            (case.input[2 + axis] + case.pads[axis] + case.pads[axes + axis] - extent) / case.strides[axis] + 1
        })
        .collect()
}

/// All places of a shape.
fn places(shape: &[usize]) -> Vec<Vec<usize>> {
    shape.iter().fold(vec![Vec::new()], |places, size| {
        places.iter().flat_map(|place| (0..*size).map(move |at| [&place[..], &[at]].concat())).collect()
    })
}

fn at(shape: &[usize], place: &[usize]) -> usize {
    shape.iter().zip(place).fold(0, |index, (size, at)| index * size + at)
}

/// A convolution by its definition.
fn convolved(case: &Case, input: &Array, weights: &Array, bias: &[f64]) -> (Vec<usize>, Vec<f64>) {
    let (values, kernel) = (doubles(input), doubles(weights));
    let shape = [&[case.input[0], case.weights[0]], &output_sizes(case)[..]].concat();
    let per_group = case.weights[0] / case.groups;
    let taps = places(&case.weights[1..]);
    let value = |place: &Vec<usize>| {
        let mut sum = bias.get(place[1]).copied().unwrap_or(0.0);
        for tap in &taps {
            let mut from = vec![place[0], place[1] / per_group * case.weights[1] + tap[0]];
            let inside = (0..case.strides.len()).all(|axis| {
                let padded = place[2 + axis] * case.strides[axis] + tap[1 + axis] * case.dilations[axis];
                let inside = padded >= case.pads[axis] && padded - case.pads[axis] < case.input[2 + axis];
                from.push(padded.saturating_sub(case.pads[axis]));
                inside
            });
            if inside {
                let weight = kernel[at(&case.weights, &[&[place[1]], &tap[..]].concat())];
                sum += values[at(&case.input, &from)] * weight;
            }
        }
        sum
    };
    let values = places(&shape).iter().map(value).collect();
    (shape, values)
}

#[test]
fn convolutions_follow_the_definition() {
    for (index, case) in cases().iter().enumerate() {
        let (input, weights) = (array(1, &case.input), array(2, &case.weights));
        let bias = array(3, &[case.weights[0]]);
        let got = run(("", "Conv", 17), &case.attributes(), &[Some(&input), Some(&weights), Some(&bias)]).unwrap();
        let (shape, want) = convolved(case, &input, &weights, &doubles(&bias));
        close(&format!("case {index}"), &got[0], &shape, &want);
    }
}

#[test]
fn a_fused_convolution_adds_its_residual_and_activates() {
    let activation = |name: &'static str, alpha: f32, beta: f32| {
        [
            ("activation", text(name)),
            ("activation_alpha", Attribute::Float(alpha)),
            ("activation_beta", Attribute::Float(beta)),
        ]
    };
    for (index, case) in cases().iter().enumerate() {
        let (input, weights) = (array(1, &case.input), array(2, &case.weights));
        let (shape, want) = convolved(case, &input, &weights, &[]);
        let residual = array(4, &shape);
        let check = |attributes: &[(&'static str, Attribute)], f: fn(f64) -> f64| {
            let attributes = [&case.attributes()[..], attributes].concat();
            let inputs = [Some(&input), Some(&weights), None, Some(&residual)];
            let got = run(("scorehost", "FusedConv", 1), &attributes, &inputs).unwrap();
            let want: Vec<f64> = want.iter().zip(doubles(&residual)).map(|(x, add)| f(x + add)).collect();
            close(&format!("case {index} with {attributes:?}"), &got[0], &shape, &want);
        };
        check(&[], |x| x);
        check(&activation("Relu", 0.0, 0.0), |x| x.max(0.0));
        check(&activation("Clip", -0.5, 0.75), |x| x.clamp(-0.5, 0.75));
        check(&activation("HardSwish", 0.0, 0.0), |x| x * (x / 6.0 + 0.5).clamp(0.0, 1.0));
        check(&activation("Sigmoid", 0.0, 0.0), |x| 1.0 / (1.0 + (-x).exp()));
        check(&activation("LeakyRelu", 0.25, 0.0), |x| if x < 0.0 { 0.25 * x } else { x });
        check(&activation("Swish", 2.0, 0.0), |x| x / (1.0 + (-2.0 * x).exp()));
    }
}

#[test]
fn automatic_padding_keeps_the_size_over_the_stride() {
    let (input, weights) = (array(1, &[1, 1, 5, 6]), array(2, &[1, 1, 3, 2]));
    for (mode, pads) in [("SAME_UPPER", [1, 0, 1, 0]), ("SAME_LOWER", [1, 0, 1, 0])] {
        let attributes = [("auto_pad", text(mode)), ("strides", ints(&[2, 2]))];
        let got = run(("", "Conv", 17), &attributes, &[Some(&input), Some(&weights)]).unwrap();
        let case = case(&[1, 1, 5, 6], &[1, 1, 3, 2], 1, [&[2, 2], &[1, 1], &pads]);
        let (shape, want) = convolved(&case, &input, &weights, &[]);
        close(mode, &got[0], &shape, &want);
    }
    // An odd sum goes to the end, or to the front.
    for (mode, pads) in [("SAME_UPPER", [1, 0, 1, 1]), ("SAME_LOWER", [1, 1, 1, 0])] {
        let attributes = [("auto_pad", text(mode))];
        let got = run(("", "Conv", 17), &attributes, &[Some(&input), Some(&weights)]).unwrap();
        let case = case(&[1, 1, 5, 6], &[1, 1, 3, 2], 1, [&[1, 1], &[1, 1], &pads]);
        let (shape, want) = convolved(&case, &input, &weights, &[]);
        close(mode, &got[0], &shape, &want);
    }
}

#[test]
fn a_transposed_convolution_is_the_adjoint_of_the_convolution() {
    // For all x and y: the product of conv(x) and y is that of x and the transposed convolution of y.
    for (index, case) in cases().iter().enumerate() {
        let (input, weights) = (array(1, &case.input), array(2, &case.weights));
        let (shape, forward) = convolved(case, &input, &weights, &[]);
        let given = array(5, &shape);
        let mut attributes = case.attributes();
        let extra: Vec<i64> = (0..case.strides.len())
            .map(|axis| {
                let axes = case.strides.len();
                let extent = (case.weights[2 + axis] - 1) * case.dilations[axis] + 1;
                let padded = case.input[2 + axis] + case.pads[axis] + case.pads[axes + axis];
                ((padded - extent) % case.strides[axis]) as i64
            })
            .collect();
        attributes.push(("output_padding", ints(&extra)));
        let back = run(("", "ConvTranspose", 17), &attributes, &[Some(&given), Some(&weights)]).unwrap();
        assert_eq!(back[0].shape, case.input, "case {index}");
        let left: f64 = forward.iter().zip(doubles(&given)).map(|(a, b)| a * b).sum();
        let right: f64 = doubles(&input).iter().zip(doubles(&back[0])).map(|(a, b)| a * b).sum();
        let size: f64 = forward.iter().zip(doubles(&given)).map(|(a, b)| (a * b).abs()).sum();
        assert!((left - right).abs() <= 1e-5 * size, "case {index}: {left} and {right}");
    }
}

#[test]
fn pools_follow_the_definition() {
    let shape = [2, 3, 9, 11];
    let input = array(7, &shape);
    let values = doubles(&input);
    for (stride, kernel, pad) in [(1, 2, 0), (2, 3, 1), (3, 3, 0), (2, 2, 0)] {
        let attributes =
            [("kernel_shape", ints(&[kernel; 2])), ("strides", ints(&[stride; 2])), ("pads", ints(&[pad; 4]))];
        let size = |size: usize| (size + 2 * pad as usize - kernel as usize) / stride as usize + 1;
        let result = [2, 3, size(9), size(11)];
        let window = |place: &Vec<usize>| -> Vec<f64> {
            let rows = (0..kernel).map(|tap| place[2] as i64 * stride + tap - pad).filter(|row| (0..9).contains(row));
            let columns = |row: i64| {
                let column = move |tap: i64| place[3] as i64 * stride + tap - pad;
                (0..kernel).map(column).filter(|at| (0..11).contains(at)).map(move |column| (row, column))
            };
            let pick =
                |(row, column): (i64, i64)| values[at(&shape, &[place[0], place[1], row as usize, column as usize])];
            rows.flat_map(columns).map(pick).collect()
        };
        let most: Vec<f64> =
            places(&result).iter().map(|place| window(place).into_iter().fold(f64::NEG_INFINITY, f64::max)).collect();
        close("MaxPool", &run(("", "MaxPool", 12), &attributes, &[Some(&input)]).unwrap()[0], &result, &most);
        let mean: Vec<f64> = places(&result)
            .iter()
            .map(|place| window(place).iter().sum::<f64>() / window(place).len() as f64)
            .collect();
        close("AveragePool", &run(("", "AveragePool", 12), &attributes, &[Some(&input)]).unwrap()[0], &result, &mean);
        let padded: Vec<f64> =
            places(&result).iter().map(|place| window(place).iter().sum::<f64>() / (kernel * kernel) as f64).collect();
        let counted = [&attributes[..], &[("count_include_pad", Attribute::Int(1))]].concat();
        close("padding counts", &run(("", "AveragePool", 12), &counted, &[Some(&input)]).unwrap()[0], &result, &padded);
    }
}

#[test]
fn impossible_windows_are_refused() {
    let (input, weights) = (array(1, &[1, 3, 4, 4]), array(2, &[2, 3, 5, 5]));
    let refused = |attributes: &[(&str, Attribute)], weights: &Array| {
        run(("", "Conv", 17), attributes, &[Some(&input), Some(weights)]).unwrap_err()
    };
    assert!(refused(&[], &weights).contains("a window of 5 does not fit an axis of 4"));
    assert!(refused(&[("strides", ints(&[0, 1]))], &array(2, &[2, 3, 1, 1])).contains("must be positive"));
    assert!(refused(&[("group", Attribute::Int(2))], &array(2, &[2, 3, 1, 1])).contains("in 2 groups"));
    assert!(refused(&[("pads", ints(&[1, 1]))], &array(2, &[2, 3, 1, 1])).contains("pads has 2 entries, expected 4"));
    let endless = ints(&[i64::MAX, 0, 0, 0]);
    assert!(run(("", "Conv", 17), &[("pads", endless)], &[Some(&input), Some(&array(2, &[2, 3, 1, 1]))]).is_err());
}
