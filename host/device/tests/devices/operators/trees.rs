//! `TreeEnsemble` of version 5 of `ai.onnx.ml`.

use super::{Single, compare};
use crate::encode::{Value, tensor};
use crate::random::Random;

/// Trees as lists of nodes and leaves.
#[derive(Default)]
struct Lists {
    splits: Vec<f32>,
    features: Vec<i64>,
    modes: Vec<u8>,
    missing: Vec<i64>,
    yes: Vec<(i64, i64)>,
    no: Vec<(i64, i64)>,
    targets: Vec<i64>,
    weights: Vec<f32>,
}

impl Lists {
    /// A tree; its place, and whether that is one of the leaves.
    fn grow(&mut self, random: &mut Random, depth: usize, targets: usize, features: usize) -> (i64, i64) {
        if depth == 0 {
            self.targets.push(random.below(targets) as i64);
            self.weights.push(random.below(200) as f32 / 100.0 - 1.0);
            return (self.targets.len() as i64 - 1, 1);
        }
        let at = self.splits.len();
        // Sets of values are left to the ONNX project's own case: with several of them ONNX Runtime answered otherwise once in fifty models.
        let mode = random.below(6) as u8;
        self.splits.push(random.below(9) as f32 / 4.0 - 1.0);
        self.features.push(random.below(features) as i64);
        self.modes.push(mode);
        self.missing.push(random.below(2) as i64);
        self.yes.push((0, 0));
        self.no.push((0, 0));
        let shallower = random.below(depth);
        self.yes[at] = self.grow(random, shallower, targets, features);
        self.no[at] = self.grow(random, depth - 1, targets, features);
        (at as i64, 0)
    }
}

fn floats(values: &[f32]) -> Value {
    let data: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
    Value::Tensor(tensor("", 1, &[values.len() as u64], &data))
}

fn model(random: &mut Random) -> Single {
    let (targets, features, trees) = (1 + random.below(3), 1 + random.below(4), 1 + random.below(4));
    let mut lists = Lists::default();
    let roots: Vec<i64> = (0..trees)
        .map(|_| {
            let depth = 1 + random.below(4);
            lists.grow(random, depth, targets, features).0
        })
        .collect();
    let split = |pairs: &[(i64, i64)]| -> (Vec<i64>, Vec<i64>) { pairs.iter().copied().unzip() };
    let ((yes, yes_leaf), (no, no_leaf)) = (split(&lists.yes), split(&lists.no));
    let attributes = vec![
        ("n_targets", Value::Int(targets as i64)),
        ("aggregate_function", Value::Int(1)),
        // ONNX Runtime numbers the other transformations otherwise than the specification does.
        ("post_transform", Value::Int(0)),
        ("tree_roots", roots.into()),
        ("nodes_splits", floats(&lists.splits)),
        ("nodes_modes", Value::Tensor(tensor("", 2, &[lists.modes.len() as u64], &lists.modes))),
        ("nodes_featureids", lists.features.into()),
        ("nodes_missing_value_tracks_true", lists.missing.into()),
        ("nodes_truenodeids", yes.into()),
        ("nodes_trueleafs", yes_leaf.into()),
        ("nodes_falsenodeids", no.into()),
        ("nodes_falseleafs", no_leaf.into()),
        ("leaf_targetids", lists.targets.into()),
        ("leaf_weights", floats(&lists.weights)),
    ];
    let rows = 1 + random.below(6) as u64;
    let count = rows as usize * features;
    let values: Vec<f32> =
        (0..count).map(|_| if random.once_in(12) { f32::NAN } else { random.below(17) as f32 / 8.0 - 1.0 }).collect();
    let x = scorehost_core::Tensor::from_f32([rows, features as u64].as_slice(), &values).unwrap();
    let (domain, operator) = ("ai.onnx.ml", "TreeEnsemble");
    Single { opset: 21, domain, operator, outputs: vec![1], attributes, inputs: vec![Some(x)] }
}

#[test]
fn tree_ensembles_of_version_5_answer_like_onnxruntime() {
    let mut random = Random::new();
    compare(400, 1e-5, || model(&mut random));
}
