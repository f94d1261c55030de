//! Every case of the ONNX project, its dimensions made free and its inputs made constants in turn.

use std::collections::BTreeMap;

use scorehost_conformance::{Case, Class, Suite};
use scorehost_core::{DType, NamedTensor, Tensor};
use scorehost_device::{Devices, ModelSource, folding};
use scorehost_graph::{Graph, Initialiser, Model, NoFold, Options};

use super::{Outcome, check, spoil};
use crate::fixtures::as_written;
use crate::random::Random;

/// Choices of constant inputs that are tried for a case, at most.
const CHOICES: usize = 24;

/// What the analyses said of a choice, and what running it said.
#[derive(Default)]
struct Tally {
    batches: usize,
    ran: usize,
    by_operator: BTreeMap<String, usize>,
    wrong: Vec<String>,
}

#[test]
fn rows_of_the_conformance_cases_stay_apart_where_the_graph_says_so() {
    let Some(suite) = Suite::find() else { return };
    let (devices, mut random, mut tally) = (as_written(), Random::new(), Tally::default());
    let usable = |case: &&Case| !matches!(case.class, Class::Outside | Class::Random);
    for case in suite.cases.iter().filter(usable) {
        try_case(case, &devices, &mut random, &mut tally);
    }
    let operators: Vec<String> = tally.by_operator.iter().map(|(name, many)| format!("{name} {many}")).collect();
    eprintln!("{} choices are batches, {} of them ran: {}", tally.batches, tally.ran, operators.join(", "));
    assert!(tally.wrong.is_empty(), "{} wrong:\n{}", tally.wrong.len(), tally.wrong.join("\n"));
    assert!(tally.ran > 1000 && tally.by_operator.len() > 100, "too few batches to show anything");
}

fn try_case(case: &Case, devices: &Devices, random: &mut Random, tally: &mut Tally) {
    let (Ok(inputs), Ok(model)) = (case.inputs(), Model::read(case.model.clone(), None)) else { return };
    let (Ok(graph), Ok(loaded)) = (model.graph(), devices.load(ModelSource::Bytes(case.model.clone()))) else { return };
    // Optional inputs that the case leaves out would have to be left out of the signature, too.
    if inputs.len() != graph.inputs.len() || inputs.is_empty() || inputs.len() > 16 {
        return;
    }
    let all = 1usize << inputs.len();
    for choice in 0..all.min(CHOICES) {
        let constant = if all > CHOICES { random.below(all) } else { choice };
        for free in [false, true] {
            let Some(graph) = chosen(&graph, &inputs, constant, free) else { continue };
            if !says_yes(&graph) {
                continue;
            }
            tally.batches += 1;
            let is_constant = |index: usize| constant >> index & 1 == 1;
            let named = |index: usize| NamedTensor::new(inputs[index].0.as_str(), inputs[index].1.clone());
            let whole: Vec<_> = (0..inputs.len()).filter(|index| is_constant(*index)).map(named).collect();
            let rows: Vec<_> = (0..inputs.len()).filter(|index| !is_constant(*index)).map(named).collect();
            match check(&*loaded, random, &whole, |random| batch(random, &rows)) {
                Outcome::Fails => {}
                Outcome::Same => {
                    tally.ran += 1;
                    case.operators
                        .iter()
                        .for_each(|(_, name)| *tally.by_operator.entry(name.clone()).or_default() += 1);
                }
                Outcome::Differs(problem) => {
                    let names: Vec<_> = whole.iter().map(|input| &*input.name).collect();
                    tally.wrong.push(format!("{} with the constants {names:?}: {problem}", case.name));
                }
            }
        }
    }
}

/// The graph with some inputs as constants, and the first (or every) dimension of the others free.
fn chosen(graph: &Graph, inputs: &[(String, Tensor)], constant: usize, free: bool) -> Option<Graph> {
    let mut chosen = graph.clone();
    let (ids, specs) = (std::mem::take(&mut chosen.inputs), std::mem::take(&mut chosen.signature.inputs));
    chosen.dimension_names.clear();
    for (id, mut spec) in ids.into_iter().zip(specs) {
        let index = inputs.iter().position(|(name, _)| **name == *spec.name)?;
        let tensor = &inputs[index].1;
        if constant >> index & 1 == 1 {
            chosen.initialisers.push((id, Initialiser::Tensor(tensor.clone())));
            continue;
        }
        spec.shape = tensor.shape().iter().map(|dim| if free { -1 } else { *dim as i64 }).collect();
        *spec.shape.first_mut()? = -1;
        chosen.inputs.push(id);
        chosen.signature.inputs.push(spec);
    }
    (!chosen.inputs.is_empty()).then_some(chosen)
}

/// Whether any way to ask says that calls may be merged.
fn says_yes(graph: &Graph) -> bool {
    let fold = folding();
    let options = Options { fold: &*fold, supports: &|_| true };
    let optimised = || graph.clone().optimised(&options).is_ok_and(|graph| graph.batch(&NoFold).is_ok());
    graph.batch(&NoFold).is_ok() || graph.batch(&*fold).is_ok() || optimised()
}

/// A few rows like those of a case's inputs, all different.
fn batch(random: &mut Random, inputs: &[NamedTensor]) -> (Vec<NamedTensor>, u64) {
    let rows = 2 + random.below(4) as u64;
    let spoiled = random.once_in(4);
    let like = |input: &NamedTensor| {
        let tensor = rows_like(random, &input.tensor, rows);
        NamedTensor::new(input.name.clone(), if spoiled { spoil(random, &tensor) } else { tensor })
    };
    (inputs.iter().map(like).collect(), rows)
}

/// Rows of a tensor in turn: floats moved a little, other elements in another order.
fn rows_like(random: &mut Random, tensor: &Tensor, rows: u64) -> Tensor {
    let (given, shape) = (tensor.shape()[0], [&[rows], &tensor.shape()[1..]].concat());
    if given == 0 {
        let size = tensor.dtype().size().unwrap_or(4) * shape.iter().product::<u64>() as usize;
        return Tensor::new(tensor.dtype(), shape, vec![0; size].into()).unwrap();
    }
    let mut data = Vec::new();
    for row in 0..rows {
        let row = tensor.rows(row % given, row % given + 1).unwrap();
        match tensor.dtype() {
            DType::F32 => data.extend(row.data().as_chunks::<4>().0.iter().flat_map(|bytes| {
                let moved = (random.below(33) as f32 - 16.0) / 16.0;
                (f32::from_le_bytes(*bytes) + moved).to_le_bytes()
            })),
            dtype => {
                let mut elements: Vec<&[u8]> = match dtype.size() {
                    Some(size) => row.data().chunks(size).collect(),
                    None => vec![row.data()],
                };
                for at in 1..elements.len() {
                    if random.once_in(2) {
                        elements.swap(at, random.below(at + 1));
                    }
                }
                data.extend(elements.concat());
            }
        }
    }
    Tensor::new(tensor.dtype(), shape, data.into()).unwrap()
}
