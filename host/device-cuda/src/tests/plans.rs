//! The plans of whole models, by their digests in `plans.txt`: a change of a plan, wherever it comes from, is seen in review.
//! `UPDATE=1` writes the file anew.

use std::fmt::Write;

use scorehost_core::{Precision, Shape};
use scorehost_device::folding;
use scorehost_plan::constants::Constants;
use scorehost_plan::launch::Work;
use scorehost_plan::{Planner, Target};
use sha2::{Digest, Sha256};

use super::{MODELS, dialect, model, path};

const PRECISIONS: [(Precision, &str); 4] =
    [(Precision::F32, "fp32"), (Precision::Tf32, "tf32"), (Precision::F16, "fp16"), (Precision::BF16, "bf16")];

fn short(digest: &[u8]) -> String {
    digest[..8].iter().map(|byte| format!("{byte:02x}")).collect()
}

/// One row a precision: how much work, how many kernels, how much memory, and the digest of everything in the plan.
fn rows(name: &str, inputs: fn(u64) -> Vec<Vec<u64>>) -> Option<Vec<String>> {
    let (model, bytes) = (model(name)?, std::fs::read(path(name)).unwrap());
    let fold = folding();
    let options = scorehost_graph::Options { fold: &*fold, supports: &scorehost_plan::supports };
    let graph = model.graph().unwrap().optimised(&options).unwrap();
    let shapes: Vec<Shape> = inputs(2).into_iter().map(Shape::from).collect();
    let file = short(&Sha256::digest(bytes));
    let row = |(precision, word): (Precision, &str)| {
        let (target, mut constants) = (Target { dialect: dialect(90), precision }, Constants::default());
        let plan = Planner::plan(&graph, &shapes, &*fold, target, &mut constants).unwrap();
        let weights: Vec<(usize, usize)> = constants.pending.iter().map(|(id, bytes)| (*id, bytes.len())).collect();
        let sources = plan.launches.iter().filter_map(|launch| match &launch.work {
            Work::Kernel { kernel, .. } => Some(&kernel.source),
            _ => None,
        });
        let kernels = sources.collect::<std::collections::BTreeSet<_>>().len();
        let mut digest = Sha256::new();
        digest.update(format!("{:?}{:?}{:?}{weights:?}", plan.inputs, plan.outputs, plan.offsets));
        plan.launches.iter().for_each(|launch| digest.update(format!("{launch:?}")));
        let (launches, arena) = (plan.launches.len(), plan.arena_bytes);
        let digest = short(&digest.finalize());
        format!("{name} of {file}, {word}: {launches} launches of {kernels} kernels, {arena} bytes, {digest}")
    };
    Some(PRECISIONS.into_iter().map(row).collect())
}

#[test]
fn the_plans_of_whole_models_change_only_where_the_list_of_their_digests_does() {
    let list = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src/tests/plans.txt");
    let known = std::fs::read_to_string(&list).unwrap_or_default();
    let update = std::env::var_os("UPDATE").is_some();
    let (mut all, mut changed) = (String::new(), String::new());
    for (name, inputs) in MODELS {
        for row in rows(name, inputs).unwrap_or_default() {
            // Writing to a string cannot fail.
            let _ = writeln!(all, "{row}");
            // A model that was exported anew has plans of its own.
            let file = row.split(", ").next().unwrap_or_default();
            if !known.contains(file) && !update {
                eprintln!("skipped: {file} is not the file that plans.txt was made with");
            } else if !known.lines().any(|line| line == row) {
                let _ = writeln!(changed, "{row}");
            }
        }
    }
    if update && MODELS.iter().all(|(name, _)| path(name).exists()) {
        std::fs::write(&list, all).unwrap();
    } else {
        assert!(changed.is_empty(), "plans differ from {}; UPDATE=1 accepts them:\n{changed}", list.display());
    }
}
