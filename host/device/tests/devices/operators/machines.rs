//! Support vector machines.

use super::{Single, compare};
use crate::encode::Value;
use crate::random::Random;

const POST: [&str; 4] = ["NONE", "LOGISTIC", "SOFTMAX", "SOFTMAX_ZERO"];

fn numbers(random: &mut Random, many: usize, size: f32) -> Vec<f32> {
    (0..many).map(|_| (random.below(2001) as f32 / 1000.0 - 1.0) * size).collect()
}

fn kernel(random: &mut Random) -> Vec<(&'static str, Value)> {
    let kind = *random.choose(&["LINEAR", "POLY", "RBF", "SIGMOID"]);
    let degree = 1.0 + random.below(3) as f32;
    vec![("kernel_type", kind.into()), ("kernel_params", vec![0.3, 0.2, degree].into())]
}

fn regressor(random: &mut Random) -> Single {
    let (features, vectors) = (1 + random.below(5), random.below(6));
    let mut attributes = kernel(random);
    if vectors == 0 {
        attributes[0] = ("kernel_type", "LINEAR".into());
    }
    attributes.extend([
        ("n_supports", Value::Int(vectors as i64)),
        ("coefficients", numbers(random, if vectors == 0 { features } else { vectors }, 1.0).into()),
        ("rho", numbers(random, 1, 1.0).into()),
        ("one_class", Value::Int(random.below(2) as i64)),
    ]);
    if vectors > 0 {
        attributes.push(("support_vectors", numbers(random, vectors * features, 1.0).into()));
    }
    let rows = 1 + random.below(6) as u64;
    let x = random.floats("x", &[rows, features as u64]).tensor;
    let (domain, operator) = ("ai.onnx.ml", "SVMRegressor");
    Single { opset: 17, domain, operator, outputs: vec![1], attributes, inputs: vec![Some(x)] }
}

fn classifier(random: &mut Random) -> Single {
    let (features, classes) = (1 + random.below(5), 2 + random.below(3));
    let pairs = classes * (classes - 1) / 2;
    let mut attributes = kernel(random);
    let texts = random.once_in(2);
    attributes.push(if texts {
        ("classlabels_strings", Value::Texts(["b", "a", "d", "c"][..classes].to_vec()))
    } else {
        ("classlabels_ints", Value::Ints([7, -3, 5, 0][..classes].to_vec()))
    });
    attributes.push(("post_transform", (*random.choose(&POST)).into()));
    let per_class: Vec<i64> = (0..classes).map(|_| 1 + random.below(3) as i64).collect();
    let vectors = per_class.iter().sum::<i64>() as usize;
    attributes.extend([
        ("vectors_per_class", Value::Ints(per_class)),
        ("support_vectors", numbers(random, vectors * features, 1.0).into()),
        ("coefficients", numbers(random, vectors * (classes - 1), 1.0).into()),
        ("rho", numbers(random, pairs, 0.5).into()),
    ]);
    if random.once_in(2) {
        let falling = numbers(random, pairs, 0.5).into_iter().map(|a| a - 1.0).collect::<Vec<f32>>();
        attributes.extend([("prob_a", falling.into()), ("prob_b", numbers(random, pairs, 0.3).into())]);
    }
    let rows = 1 + random.below(6) as u64;
    let x = random.floats("x", &[rows, features as u64]).tensor;
    let (domain, operator, outputs) = ("ai.onnx.ml", "SVMClassifier", vec![if texts { 8 } else { 7 }, 1]);
    Single { opset: 17, domain, operator, outputs, attributes, inputs: vec![Some(x)] }
}

#[test]
fn support_vector_regressors_answer_like_onnxruntime() {
    let mut random = Random::new();
    compare(400, 1e-4, || regressor(&mut random));
}

#[test]
fn support_vector_classifiers_answer_like_onnxruntime() {
    let mut random = Random::new();
    compare(400, 1e-4, || classifier(&mut random));
}
