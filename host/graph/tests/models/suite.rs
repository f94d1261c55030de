//! Shapes that the conformance suite declares.

use scorehost_core::Shape;
use scorehost_graph::{Graph, NoFold, Options, ValueShape};

use crate::{found, read};

/// Outputs whose shape is told, of those whose inputs' shapes are fixed; what is told must be what is declared.
fn compare(graph: &Graph, wrong: &mut Vec<String>, case: &str) -> Option<(usize, usize)> {
    let inputs: Vec<Shape> = graph
        .signature
        .inputs
        .iter()
        .map(|input| input.shape.iter().map(|dim| u64::try_from(*dim).ok()).collect::<Option<_>>())
        .collect::<Option<_>>()?;
    let shapes = match graph.shapes(&inputs, &NoFold) {
        Ok(shapes) => shapes,
        Err(error) => {
            wrong.push(format!("{case}: {error}"));
            return None;
        }
    };
    let mut told = 0;
    for (value, declared) in graph.outputs.iter().zip(&graph.signature.outputs) {
        let Some(ValueShape { dtype, shape }) = &shapes[value.0] else { continue };
        told += 1;
        let same = |(actual, declared): (&u64, &i64)| *declared < 0 || *actual as i64 == *declared;
        let unknown = declared.shape == [-1];
        let fits = unknown || shape.len() == declared.shape.len() && shape.iter().zip(&declared.shape).all(same);
        if !fits || *dtype != declared.dtype {
            let declared = (declared.dtype, &declared.shape);
            wrong.push(format!("{case}: {:?} instead of {declared:?}", (dtype, shape.as_slice())));
        }
    }
    Some((told, graph.outputs.len()))
}

#[test]
fn shapes_are_those_that_the_conformance_suite_declares() {
    let Some(folder) = found("onnx-node") else { return };
    let mut cases: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    cases.sort();
    let (mut wrong, mut told, mut all, mut untold) = (Vec::new(), 0, 0, Vec::new());
    for case in cases {
        let Some(graph) = case.is_dir().then(|| read(&case.join("model.onnx"))).flatten() else { continue };
        let name = case.file_name().unwrap().to_string_lossy().into_owned();
        let Some((own, of)) = compare(&graph, &mut wrong, &name) else { continue };
        let optimised = graph.optimised(&Options { fold: &NoFold, supports: &|_| true }).unwrap();
        let mut worse = Vec::new();
        let again = compare(&optimised, &mut worse, &name);
        if again.is_none_or(|(again, _)| again < own) {
            worse.push(format!("{name} lost shapes"));
        }
        wrong.extend(worse.into_iter().map(|problem| format!("optimised {problem}")));
        (told, all) = (told + own, all + of);
        if own < of {
            untold.push(name);
        }
    }
    assert!(wrong.is_empty(), "{} wrong:\n{}", wrong.len(), wrong.join("\n"));
    // The others depend on data that these models take as inputs, or on operators that only they have.
    assert!(told * 100 >= all * 67, "{told} of {all} told; not: {}", untold.join(" "));
}
