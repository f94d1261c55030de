//! Random small graphs over many operators: node by node, each tried on the executor before it is kept.

mod operators;

use std::collections::BTreeMap;

use scorehost_core::{DType, NamedTensor, Tensor};
use scorehost_device::{Devices, ModelSource};

use super::{Outcome, check, spoil};
use crate::encode::{Message, Value, attribute, model_of, tensor, value};
use crate::fixtures::{as_written, reference};
use crate::random::Random;

/// Graphs that are made.
const GRAPHS: usize = 12_000;
/// Rows of the batch while a graph is made; other sizes may be the same by chance, as they may be in models.
const ROWS: u64 = 5;
/// Elements of a value at most.
const LARGEST: u64 = 4096;

/// What is known of a value when the batch has [`ROWS`] rows.
#[derive(Clone, Debug)]
struct Known {
    name: String,
    dtype: DType,
    shape: Vec<u64>,
}

/// A node that is not tried yet.
struct Draft {
    operator: &'static str,
    inputs: Vec<String>,
    outputs: usize,
    attributes: Vec<(&'static str, Value)>,
}

/// A graph that grows.
struct Plan {
    opset: u64,
    inputs: Vec<Known>,
    values: Vec<Known>,
    constants: Vec<Message>,
    nodes: Vec<Message>,
    /// The nodes to be read by people.
    text: Vec<String>,
    operators: Vec<&'static str>,
    names: usize,
}

fn code(dtype: DType) -> u64 {
    match dtype {
        DType::F32 => 1,
        DType::U8 => 2,
        DType::I32 => 6,
        DType::I64 => 7,
        DType::Bool => 9,
        other => panic!("{other} is not made here"),
    }
}

impl Plan {
    fn new(random: &mut Random) -> Self {
        let opset = *random.choose(&[11, 13, 17, 18, 21]);
        let first = random.choose(&[&[5, 4][..], &[5, 3, 4], &[5, 2, 6, 5], &[5], &[5, 5], &[5, 2, 2]]).to_vec();
        let mut inputs = vec![("x0", DType::F32, first)];
        if random.once_in(2) {
            inputs.push(("x1", DType::F32, random.choose(&[&[5, 4][..], &[5, 1], &[5], &[5, 3, 4]]).to_vec()));
        }
        if random.once_in(3) {
            inputs.push(("x2", DType::I64, random.choose(&[&[5, 3][..], &[5], &[5, 1]]).to_vec()));
        }
        let known = |(name, dtype, shape): (&str, DType, Vec<u64>)| Known { name: name.to_owned(), dtype, shape };
        let inputs: Vec<Known> = inputs.into_iter().map(known).collect();
        let (constants, nodes, text, operators) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        Self { opset, values: inputs.clone(), inputs, constants, nodes, text, operators, names: 0 }
    }

    fn name(&mut self) -> String {
        self.names += 1;
        format!("v{}", self.names)
    }

    fn constant(&mut self, dtype: DType, shape: &[u64], data: &[u8]) -> String {
        let name = self.name();
        self.constants.push(tensor(&name, code(dtype), shape, data));
        self.text.push(format!("{name} = {dtype} {shape:?} {:?}", &data[..data.len().min(32)]));
        name
    }

    fn ints(&mut self, values: &[i64]) -> String {
        let data: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        self.constant(DType::I64, &[values.len() as u64], &data)
    }

    fn scalar(&mut self, value: i64) -> String {
        self.constant(DType::I64, &[], &value.to_le_bytes())
    }

    fn floats(&mut self, random: &mut Random, shape: &[u64]) -> String {
        let number = |random: &mut Random| (random.below(17) as f32 - 8.0) / 4.0;
        let data: Vec<u8> = (0..shape.iter().product()).flat_map(|_| number(random).to_le_bytes()).collect();
        self.constant(DType::F32, shape, &data)
    }

    /// The model with some outputs; every first dimension of an input is free, the others are or are not.
    fn model(&self, outputs: &[Known], free: bool) -> Vec<u8> {
        let mut graph = Message::default();
        for node in &self.nodes {
            graph = graph.message(1, node.clone());
        }
        for constant in &self.constants {
            graph = graph.message(5, constant.clone());
        }
        for input in &self.inputs {
            let dim = |(at, dim): (usize, &u64)| (at > 0 && !free).then_some(*dim);
            let dims: Vec<Option<u64>> = input.shape.iter().enumerate().map(dim).collect();
            graph = graph.message(11, value(&input.name, code(input.dtype), &dims));
        }
        for output in outputs {
            let dims = vec![None; output.shape.len()];
            graph = graph.message(12, value(&output.name, code(output.dtype), &dims));
        }
        model_of(self.opset, graph)
    }

    /// Values of the inputs for a number of rows.
    fn batch(&self, random: &mut Random, rows: u64) -> Vec<NamedTensor> {
        let spoiled = random.once_in(5);
        let make = |input: &Known| {
            let shape = [&[rows], &input.shape[1..]].concat();
            if input.dtype == DType::I64 {
                return random.integers(&input.name, &shape, 2);
            }
            // Few different numbers with few digits: their sums are exact, whatever the order.
            let count = shape.iter().product::<u64>();
            let numbers: Vec<f32> = (0..count).map(|_| (random.below(65) as f32 - 32.0) / 8.0).collect();
            let tensor = Tensor::from_f32(shape, &numbers).unwrap();
            NamedTensor::new(input.name.as_str(), if spoiled { spoil(random, &tensor) } else { tensor })
        };
        self.inputs.iter().map(make).collect()
    }

    /// Adds a node where the executor can run it on some inputs; its outputs are known from then on.
    fn add(&mut self, devices: &Devices, random: &mut Random, draft: Draft) -> Option<Vec<Known>> {
        let names: Vec<String> = (0..draft.outputs).map(|_| self.name()).collect();
        let mut node = Message::default();
        for input in &draft.inputs {
            node = node.bytes(1, input);
        }
        for output in &names {
            node = node.bytes(2, output);
        }
        node = node.bytes(4, draft.operator);
        for (name, value) in &draft.attributes {
            node = node.message(5, attribute(name, value));
        }
        self.nodes.push(node);
        let unknown = |name: &String| Known { name: name.clone(), dtype: DType::F32, shape: vec![1] };
        let outputs: Vec<Known> = names.iter().map(unknown).collect();
        let run = || {
            let graph = devices.load(ModelSource::Bytes(self.model(&outputs, false).into())).ok()?;
            graph.run(&self.batch(random, ROWS), &(0..outputs.len()).collect::<Vec<_>>()).ok()
        };
        let kinds = [DType::F32, DType::U8, DType::I32, DType::I64, DType::Bool];
        let good = |result: &NamedTensor| kinds.contains(&result.tensor.dtype()) && result.tensor.elements() <= LARGEST;
        let mut run = run;
        let Some(results) = run().filter(|results| results.iter().all(good)) else {
            self.nodes.pop();
            return None;
        };
        let shown: Vec<String> = draft.attributes.iter().map(|(name, value)| format!("{name}={value:?}")).collect();
        let shapes: Vec<&[u64]> = results.iter().map(|result| result.tensor.shape()).collect();
        let (to, from) = (names.join(" "), draft.inputs.join(" "));
        self.text.push(format!("{to} = {} {from} {} -> {shapes:?}", draft.operator, shown.join(" ")));
        self.operators.push(draft.operator);
        let known = |result: NamedTensor| Known {
            name: result.name.to_string(),
            dtype: result.tensor.dtype(),
            shape: result.tensor.shape().to_vec(),
        };
        let known: Vec<Known> = results.into_iter().map(known).collect();
        self.values.extend(known.iter().cloned());
        Some(known)
    }
}

#[test]
fn rows_of_random_graphs_stay_apart_where_the_graph_says_so() {
    let (plain, optimised, mut random) = (as_written(), reference(), Random::new());
    let (mut wrong, mut batches, mut made) = (Vec::new(), 0, 0);
    let mut by_operator: BTreeMap<&str, [usize; 2]> = BTreeMap::new();
    for _ in 0..GRAPHS {
        let mut plan = Plan::new(&mut random);
        let steps = 1 + random.below(5);
        for _ in 0..steps {
            operators::grow(&mut plan, &plain, &mut random);
        }
        let Some(last) = plan.values.last().filter(|_| !plan.nodes.is_empty()).cloned() else { continue };
        let mut outputs = vec![last];
        if random.once_in(4) {
            let other = random.choose(&plan.values[plan.inputs.len()..]).clone();
            outputs.extend((other.name != outputs[0].name).then_some(other));
        }
        made += 1;
        let model = plan.model(&outputs, random.once_in(2));
        let loaded = optimised.load(ModelSource::Bytes(model.into()));
        let graph = loaded.unwrap_or_else(|error| panic!("{error}\n{}", plan.text.join("\n")));
        let says = usize::from(graph.batch().is_ok());
        plan.operators.iter().for_each(|name| by_operator.entry(name).or_default()[says] += 1);
        if says == 0 {
            continue;
        }
        batches += 1;
        let outcome = check(&*graph, &mut random, &[], |random| {
            let rows = 2 + random.below(5) as u64;
            (plan.batch(random, rows), rows)
        });
        if let Outcome::Differs(problem) = outcome {
            wrong.push(format!("{problem}\noperator set {}\n{}\n", plan.opset, plan.text.join("\n")));
        }
    }
    let shown: Vec<String> = by_operator.iter().map(|(name, [no, yes])| format!("{name} {yes}/{}", no + yes)).collect();
    eprintln!("{batches} of {made} graphs are batches; by operator: {}", shown.join(", "));
    let some: Vec<&String> = wrong.iter().take(5).collect();
    assert!(wrong.is_empty(), "{} wrong, such as\n{}", wrong.len(), some.into_iter().cloned().collect::<String>());
    assert!(batches * 10 > made, "too few graphs are batches: {batches} of {made}");
}
