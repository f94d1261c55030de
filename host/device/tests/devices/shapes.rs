//! Shapes that the graph tells before it runs, held against what comes out: every case of the ONNX project, with each of its inputs
//! as a constant in turn, so that loops know their rounds and sequences their places.

use scorehost_conformance::{Class, Suite};
use scorehost_core::{NamedTensor, Shape};
use scorehost_device::{ModelSource, folding};
use scorehost_graph::{Graph, Initialiser, Model, NoFold};

use crate::fixtures::as_written;

/// Told and all outputs, by whether the case has a graph inside its graph.
#[derive(Default)]
struct Told {
    told: [usize; 2],
    all: [usize; 2],
    wrong: Vec<String>,
}

#[test]
fn shapes_are_those_that_the_executor_gives() {
    let Some(suite) = Suite::find() else { return };
    let (devices, mut told) = (as_written(), Told::default());
    for case in suite.cases.iter().filter(|case| case.class != Class::Outside) {
        let (Ok(inputs), Ok(model)) = (case.inputs(), Model::read(case.model.clone(), None)) else { continue };
        let (Ok(graph), Ok(loaded)) = (model.graph(), devices.load(ModelSource::Bytes(case.model.clone()))) else {
            continue;
        };
        if inputs.len() != graph.inputs.len() {
            continue;
        }
        let named: Vec<_> =
            inputs.iter().map(|(name, tensor)| NamedTensor::new(name.as_str(), tensor.clone())).collect();
        let Ok(results) = loaded.run(&named, &(0..graph.outputs.len()).collect::<Vec<_>>()) else { continue };
        for constant in 0..1usize << inputs.len().min(4) {
            check(&case.name, with_constants(&graph, &named, constant), &named, &results, &mut told);
        }
    }
    let Told { told, all, wrong } = told;
    // The others depend on data, or are sequences.
    eprintln!("{} of {} told, with graphs inside {} of {}", told[0], all[0], told[1], all[1]);
    assert!(wrong.is_empty(), "{} wrong:\n{}", wrong.len(), wrong.join("\n"));
    assert!(told[0] * 100 >= all[0] * 75 && told[1] * 100 >= all[1] * 85, "too few are told");
}

fn with_constants(graph: &Graph, inputs: &[NamedTensor], constant: usize) -> Graph {
    let mut chosen = graph.clone();
    let (ids, specs) = (std::mem::take(&mut chosen.inputs), std::mem::take(&mut chosen.signature.inputs));
    for (id, mut spec) in ids.into_iter().zip(specs) {
        let index = inputs.iter().position(|input| input.name == spec.name).unwrap();
        let tensor = &inputs[index].tensor;
        if constant >> index & 1 == 1 {
            chosen.initialisers.push((id, Initialiser::Tensor(tensor.clone())));
        } else {
            spec.shape = tensor.shape().iter().map(|_| -1).collect();
            chosen.inputs.push(id);
            chosen.signature.inputs.push(spec);
        }
    }
    chosen.dimension_names.clear();
    chosen
}

fn check(name: &str, graph: Graph, inputs: &[NamedTensor], results: &[NamedTensor], told: &mut Told) {
    let of = |name: &str| Shape::from_slice(inputs.iter().find(|input| &*input.name == name).unwrap().tensor.shape());
    let given: Vec<Shape> = graph.signature.inputs.iter().map(|spec| of(&spec.name)).collect();
    let fold = folding();
    let inside = usize::from(graph.nodes.iter().any(|node| node.subgraphs().next().is_some()));
    for shapes in [graph.shapes(&given, &*fold), graph.shapes(&given, &NoFold)] {
        let shapes = match shapes {
            Ok(shapes) => shapes,
            Err(error) => {
                told.wrong.push(format!("{name}: {error}"));
                continue;
            }
        };
        for (value, result) in graph.outputs.iter().zip(results) {
            told.all[inside] += 1;
            let Some(shape) = &shapes[value.0] else { continue };
            told.told[inside] += 1;
            let actual = (result.tensor.dtype(), result.tensor.shape());
            if (shape.dtype, &*shape.shape) != actual {
                told.wrong.push(format!("{name}: {shape:?}, it is {actual:?}"));
            }
        }
    }
}
