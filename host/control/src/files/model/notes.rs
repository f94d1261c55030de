//! What a configuration may say and this host does not do: refused where a model would answer otherwise than it is meant to, noted where it would
//! not.

use crate::files::reader::{Findings, Object};

/// Fields that are read and do not act, or not as they do elsewhere.
pub(super) const KNOWN: [&str; 10] = [
    "version_policy",
    "instance_group",
    "default_model_filename",
    "cc_model_filenames",
    "metric_tags",
    "optimization",
    "parameters",
    "model_operations",
    "model_transaction_policy",
    "model_metrics",
];

/// Fields that make another kind of model.
pub(super) const REFUSED: [(&str, &str); 6] = [
    ("sequence_batching", "is not offered: calls of a sequence go to no particular instance here"),
    ("ensemble_scheduling", "is not offered: a scorer calls several models, see docs/guide/write-a-scorer.md"),
    ("batch_input", "is not offered: inputs are what callers send"),
    ("batch_output", "is not offered: outputs are what the model makes"),
    ("model_repository_agents", "is not offered: models are registered, see docs/reference/cli.md"),
    ("runtime", "is not offered: the host chooses what runs a model"),
];

/// Notes of the fields that do not act.
pub(super) fn read(root: &Object<'_>, found: &mut Findings) -> Vec<String> {
    let mut notes = Vec::new();
    for (field, why) in REFUSED {
        if root.value(field).is_some() {
            found.add(root.at(field), why);
        }
    }
    let said = [
        ("version_policy", "versions are those of the registry and of the service"),
        ("default_model_filename", "the graph is the model's only .onnx file, or the one called model.onnx"),
        ("cc_model_filenames", "has no meaning on the devices of this host"),
        ("metric_tags", "metrics have the labels service, version and model"),
        ("optimization", "the host chooses how a model is optimised"),
        ("parameters", "nothing here reads them"),
        ("model_operations", "the host brings its own operators"),
        ("model_metrics", "metrics have the host's own buckets"),
    ];
    for (field, why) in said {
        let given = root.value(field).is_some_and(|value| value.as_str() != Some(""));
        if given {
            notes.push(format!("{field}: {why}"));
        }
    }
    transactions(root, found);
    instances(root, &mut notes, found);
    notes
}

fn transactions(root: &Object<'_>, found: &mut Findings) {
    let Some(policy) = root.object("model_transaction_policy", &["decoupled"], found) else { return };
    if policy.flag("decoupled", found) == Some(true) {
        found.add(policy.at("decoupled"), "is not offered: an ONNX model gives one answer to one request");
    }
}

fn instances(root: &Object<'_>, notes: &mut Vec<String>, found: &mut Findings) {
    const KEYS: [&str; 9] =
        ["name", "kind", "count", "rate_limiter", "gpus", "secondary_devices", "profile", "passive", "host_policy"];
    const KINDS: [(&str, bool); 4] =
        [("KIND_AUTO", false), ("KIND_CPU", false), ("KIND_GPU", true), ("KIND_MODEL", false)];
    for (path, value) in root.several("instance_group", found) {
        let Some(group) = Object::open(&path, value, &KEYS, found) else { continue };
        if group.whole("count", 1, 1 << 20, "a whole number above 0", found).is_some_and(|count| count > 1) {
            notes.push(
                "instance_group.count: one loaded model serves all workers, as many runs at once as the host has cores"
                    .to_owned(),
            );
        }
        if group.word("kind", &KINDS, found) == Some(true) {
            notes.push(
                "instance_group.kind: the host's devices decide where the model runs ('scorehost devices')".to_owned(),
            );
        }
        for key in ["rate_limiter", "secondary_devices", "profile", "passive", "host_policy"] {
            if group.value(key).is_some() {
                notes.push(format!("instance_group.{key}: nothing here reads it"));
            }
        }
    }
}
