//! The graph against real models and against the models of ONNX's own conformance suite, whose outputs' shapes are
//! declared. Those come with the set-up (`.models/`); where they are missing the tests say so, and fail when `REQUIRE_MODELS=1`.

#![allow(clippy::unwrap_used, reason = "tests")]

mod hostile;
mod real;
mod suite;

use std::path::PathBuf;

use scorehost_graph::{Graph, Model};

/// A file or folder of the set-up.
fn found(name: &str) -> Option<PathBuf> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../.models").join(name);
    if path.exists() {
        return Some(path);
    }
    assert_ne!(std::env::var("REQUIRE_MODELS").as_deref(), Ok("1"), "{} is missing", path.display());
    #[expect(clippy::print_stderr, reason = "tells why a test did nothing")]
    {
        eprintln!("skipped: {} is missing; deploy's set-up fetches it", path.display());
    }
    None
}

fn read(path: &std::path::Path) -> Option<Graph> {
    let bytes = std::fs::read(path).unwrap();
    Model::read(bytes.into(), path.parent()).ok()?.graph().ok()
}

/// The operators of a graph with their numbers, in the order of their names.
fn operators(graph: &Graph) -> std::collections::BTreeMap<String, usize> {
    let mut counts = std::collections::BTreeMap::new();
    for node in &graph.nodes {
        *counts.entry(node.operator.to_string()).or_default() += 1;
    }
    counts
}
