//! Seeds of the fuzz target: functions and subgraphs lowered, and what a stranger may send refused or bounded.

use std::collections::BTreeSet;

use proptest::prelude::*;
use scorehost_graph::{Graph, GraphError, MemoryPlan, Model, NoFold, Options};

use crate::operators;

fn seed(name: &str) -> Result<Graph, GraphError> {
    let path = format!("{}/../../fuzz/seeds/onnx/{name}.onnx", env!("CARGO_MANIFEST_DIR"));
    Model::read(std::fs::read(path).unwrap().into(), None)?.graph()
}

#[test]
fn functions_are_inlined_with_the_attributes_of_their_calls() {
    let graph = seed("functions").unwrap();
    let names: Vec<_> = graph.nodes.iter().map(|node| (&*node.operator, node.float("alpha", 0.0))).collect();
    assert_eq!(names, [("LeakyRelu", 0.25), ("LeakyRelu", 0.5), ("Add", 0.0)]);
    assert_eq!(graph.nodes[2].input(1), Some(graph.inputs[0]));
    assert_eq!(graph.nodes[2].output(0), Some(graph.outputs[0]));
    assert_eq!(graph.nodes[1].input(0), graph.nodes[0].output(0));
    assert!(graph.nodes[0].name.starts_with("call/"), "{}", graph.nodes[0].name);
}

#[test]
fn subgraphs_capture_values_through_every_graph_around_them() {
    let graph = seed("branches").unwrap();
    let outer = &graph.nodes[2];
    let uses: BTreeSet<_> = outer.uses().map(|value| &*graph.values[value.0]).collect();
    assert_eq!(uses, BTreeSet::from(["c", "w", "x"]));
    let then = &outer.attributes["then_branch"];
    let scorehost_graph::Attribute::Graph(then) = then else { panic!("no graph") };
    let inner = then.nodes[0].subgraphs().find(|graph| graph.nodes[0].is("Add")).unwrap();
    for capture in &inner.captures {
        assert_eq!(inner.values[capture.inner.0], then.values[capture.outer.0]);
        assert!(then.captures.iter().any(|around| around.inner == capture.outer), "captured in turn");
    }
    let missing = graph.unsupported(&|node| !node.is("Neg") && !node.is("Add"));
    assert_eq!(missing.iter().map(|operator| &*operator.name).collect::<Vec<_>>(), ["Add", "Neg"]);
    let graph = graph.optimised(&Options { fold: &NoFold, supports: &|_| true }).unwrap();
    assert_eq!(graph.initialisers.len(), 1, "what only a subgraph reads is kept");
}

#[test]
fn bombs_are_refused_by_name() {
    for name in ["doubling", "recursion"] {
        let message = seed(name).unwrap_err().to_string();
        assert!(message.contains("calls itself, or the model's functions expand"), "{name}: {message}");
    }
    let graph = seed("enormous").unwrap().optimised(&Options { fold: &NoFold, supports: &|_| true }).unwrap();
    let bytes: usize = graph
        .initialisers
        .iter()
        .map(|(_, initialiser)| match initialiser {
            scorehost_graph::Initialiser::Tensor(tensor) => tensor.data().len(),
            _ => 0,
        })
        .sum();
    assert!(bytes < 4096, "{bytes} bytes of constants, {:?}", operators(&graph));
}

/// Everything that can be asked of a model's bytes; whether they were a model at all.
fn pass(bytes: Vec<u8>) -> bool {
    let Ok(graph) = Model::read(bytes.into(), None).and_then(|model| model.graph()) else { return false };
    let graph = graph.optimised(&Options { fold: &NoFold, supports: &|_| true }).unwrap();
    let shape = |dims: &Vec<i64>| dims.iter().map(|dim| u64::try_from(*dim).unwrap_or(2)).collect();
    let shapes: Vec<_> = graph.signature.inputs.iter().map(|input| shape(&input.shape)).collect();
    let _ = graph.batch(&NoFold);
    if let Ok(shapes) = graph.shapes(&shapes, &NoFold) {
        let plan = MemoryPlan::of(&graph, &shapes, 64);
        assert_eq!(plan.slots.len(), graph.values.len());
    }
    true
}

fn seeds() -> Vec<Vec<u8>> {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/seeds/onnx");
    let mut paths: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths.iter().map(|path| std::fs::read(path).unwrap()).collect()
}

#[test]
fn seeds_of_the_fuzz_target_pass_through_the_whole_room() {
    assert!(seeds().into_iter().filter(|seed| pass(seed.clone())).count() > 8, "most seeds are models");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    /// Bytes changed within models, which mostly leaves them models: other operators' names, axes, dimensions, references.
    #[test]
    fn damaged_models_neither_panic_nor_hang(
        seed in any::<prop::sample::Index>(),
        edits in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
    ) {
        let seeds = seeds();
        let mut bytes = seeds[seed.index(seeds.len())].clone();
        for (place, byte) in edits {
            let place = place.index(bytes.len());
            bytes[place] = byte;
        }
        pass(bytes);
    }
}
