//! `If`, `Loop` and `Scan`: graphs inside a graph. What a subgraph captures comes behind the node's own inputs, in the order
//! of the subgraphs.

use std::sync::Arc;

use scorehost_graph::{Attribute, Graph, Node};

use super::{Arguments, Attributes, Kernel, Results, Table, axis};
use crate::reference::array::{Array, Element, Elements, count, each};
use crate::reference::program::Program;

pub(super) const OPERATORS: Table = &[("", "If", branch), ("", "Loop", repeat), ("", "Scan", scan)];

/// Rounds that a loop may take; beyond it a model is taken for one that never ends.
const MOST_ROUNDS: usize = 1 << 20;
/// Elements that the rounds of a loop may leave to be put beside one another.
const MOST_COLLECTED: usize = 1 << 28;

/// Keeps what a round gives, within bounds.
fn keep(collected: &mut [Vec<Array>], results: impl Iterator<Item = Array>, held: &mut usize) -> Result<(), String> {
    for (all, one) in collected.iter_mut().zip(results) {
        // An empty tensor takes memory, too.
        *held = held.saturating_add(one.len().max(16));
        if *held > MOST_COLLECTED {
            return Err(format!("the rounds give more than {MOST_COLLECTED} elements"));
        }
        all.push(one);
    }
    Ok(())
}

/// A subgraph, and where its captured values begin among the node's inputs.
struct Body {
    program: Program,
    outputs: usize,
    captured: std::ops::Range<usize>,
}

impl Body {
    fn read(node: &Node, name: &str) -> Result<Self, String> {
        let wanted = match node.attributes.get(name) {
            Some(Attribute::Graph(graph)) => graph,
            _ => return Err(format!("attribute '{name}' is no graph")),
        };
        let before = node.subgraphs().take_while(|graph| !Arc::ptr_eq(graph, wanted));
        let start = node.inputs.len() + before.map(|graph| graph.captures.len()).sum::<usize>();
        let graph: &Graph = wanted;
        let program = Program::new(graph).map_err(|error| error.to_string())?;
        Ok(Self { program, outputs: graph.outputs.len(), captured: start..start + graph.captures.len() })
    }

    /// Runs the subgraph on inputs of its own and what it captures.
    fn run(&self, own: Vec<Arc<Array>>, inputs: &Arguments<'_>) -> Results {
        let captured = inputs.0.get(self.captured.clone()).unwrap_or_default();
        let captured: Option<Vec<Arc<Array>>> = captured.iter().cloned().collect();
        let all = own.into_iter().chain(captured.ok_or("a captured value is missing")?);
        let mut values = self.program.run(all)?;
        let output = |index: usize| {
            let array = self.program.output(&mut values, index, false);
            array.map(Arc::unwrap_or_clone).map_err(|problem| format!("output {index} {problem}"))
        };
        let results = (0..self.outputs).map(output).collect();
        Program::recycle(values);
        results
    }
}

fn truth(array: &Array) -> Result<bool, String> {
    match array.get::<bool>() {
        Some([truth]) => Ok(*truth),
        _ => Err(format!("the condition is {} of shape {:?}", array.elements.dtype(), array.shape)),
    }
}

fn branch(attributes: &Attributes<'_>) -> Result<Kernel, String> {
    let (yes, no) = (Body::read(attributes.0, "then_branch")?, Body::read(attributes.0, "else_branch")?);
    Ok(Box::new(move |inputs| {
        let body = if truth(inputs.get(0)?)? { &yes } else { &no };
        body.run(Vec::new(), inputs)
    }))
}

/// The inputs that a node passes on to its body, which are all required.
fn passed(inputs: &Arguments<'_>, places: std::ops::Range<usize>) -> Result<Vec<Arc<Array>>, String> {
    let input =
        |place: usize| inputs.0.get(place).cloned().flatten().ok_or_else(|| format!("input {place} is missing"));
    places.map(input).collect()
}

fn repeat(attributes: &Attributes<'_>) -> Result<Kernel, String> {
    let body = Body::read(attributes.0, "body")?;
    let given = attributes.0.inputs.len();
    let carried = given.saturating_sub(2);
    if body.outputs < carried + 1 {
        return Err(format!("the body gives {} values for {carried} that go round", body.outputs));
    }
    Ok(Box::new(move |inputs| {
        let most = match inputs.optional(0).map(Array::to_i64).transpose()?.as_deref() {
            Some([rounds]) => usize::try_from(*rounds).unwrap_or(0),
            Some(_) => return Err("the number of rounds is not one number".to_owned()),
            None => usize::MAX,
        };
        let mut goes_on = inputs.optional(1).map(truth).transpose()?.unwrap_or(true);
        let mut state = passed(inputs, 2..given)?;
        let mut collected: Vec<Vec<Array>> = vec![Vec::new(); body.outputs - carried - 1];
        let (mut round, mut held) = (0, 0);
        while goes_on && round < most {
            if round == MOST_ROUNDS {
                return Err(format!("the loop did not end within {MOST_ROUNDS} rounds"));
            }
            let number = Arc::new(Array::new(vec![], vec![round as i64])?);
            let own = [number, Arc::new(Array::new(vec![], vec![goes_on])?)];
            let mut results = body.run(own.into_iter().chain(state).collect(), inputs)?.into_iter();
            goes_on = truth(&results.next().ok_or("the body gives no condition")?)?;
            state = results.by_ref().take(carried).map(Arc::new).collect();
            keep(&mut collected, results, &mut held)?;
            round += 1;
        }
        let mut results: Vec<Array> = state.into_iter().map(Arc::unwrap_or_clone).collect();
        for all in collected {
            results.push(stacked(&all, 0)?);
        }
        Ok(results)
    }))
}

/// A body that goes along sequences.
struct Scan {
    body: Body,
    /// Values that go round, and sequences behind them.
    carried: usize,
    scanned: usize,
    /// Values that are collected.
    shown: usize,
    input_axes: Vec<i64>,
    output_axes: Vec<i64>,
    backwards: Vec<i64>,
    turned: Vec<i64>,
}

fn scan(attributes: &Attributes<'_>) -> Result<Kernel, String> {
    let body = Body::read(attributes.0, "body")?;
    // Operator set 8 has the lengths of sequences before its other inputs, and a batch of everything.
    let old = attributes.opset() < 9;
    let given = attributes.0.inputs.len();
    let own = given.saturating_sub(usize::from(old));
    let scanned = usize::try_from(attributes.int("num_scan_inputs", 0)?).ok().filter(|many| (1..=own).contains(many));
    let scanned = scanned.ok_or("num_scan_inputs does not fit the inputs")?;
    let carried = own - scanned;
    let shown = body.outputs.checked_sub(carried).ok_or("the body gives fewer values than go round")?;
    let list = |name: &str, length: usize| {
        let values = attributes.ints(name)?;
        let fits = values.is_empty() || values.len() == length;
        if fits { Ok(values) } else { Err(format!("{name} has {} entries, expected {length}", values.len())) }
    };
    let (input_axes, output_axes) = (list("scan_input_axes", scanned)?, list("scan_output_axes", shown)?);
    let backwards = list(if old { "directions" } else { "scan_input_directions" }, scanned)?;
    let turned = list("scan_output_directions", shown)?;
    let scan = Scan { body, carried, scanned, shown, input_axes, output_axes, backwards, turned };
    Ok(Box::new(move |inputs| {
        if !old {
            let (state, sequences) = (passed(inputs, 0..scan.carried)?, passed(inputs, scan.carried..given)?);
            return scan.run(state, &sequences, inputs);
        }
        if inputs.optional(0).is_some() {
            return Err("a scan of sequences of different lengths (operator set 8) is not supported here".to_owned());
        }
        scan.each_row(&passed(inputs, 1..given)?, inputs)
    }))
}

fn entry(values: &[i64], index: usize) -> i64 {
    values.get(index).copied().unwrap_or(0)
}

impl Scan {
    fn run(&self, mut state: Vec<Arc<Array>>, sequences: &[Arc<Array>], inputs: &Arguments<'_>) -> Results {
        let mut axes = Vec::with_capacity(self.scanned);
        for (index, sequence) in sequences.iter().enumerate() {
            axes.push(axis(entry(&self.input_axes, index), sequence.shape.len())?);
        }
        let length = sequences[0].shape[axes[0]];
        if sequences.iter().zip(&axes).any(|(sequence, at)| sequence.shape[*at] != length) {
            return Err("the scanned inputs differ in length".to_owned());
        }
        let mut collected: Vec<Vec<Array>> = vec![Vec::new(); self.shown];
        let mut held = 0;
        for round in 0..length {
            let element = |(index, sequence): (usize, &Arc<Array>)| {
                let place = if entry(&self.backwards, index) == 1 { length - 1 - round } else { round };
                part(sequence, axes[index], place).map(Arc::new)
            };
            let elements: Vec<Arc<Array>> = sequences.iter().enumerate().map(element).collect::<Result<_, _>>()?;
            let mut results = self.body.run(state.into_iter().chain(elements).collect(), inputs)?.into_iter();
            state = results.by_ref().take(self.carried).map(Arc::new).collect();
            keep(&mut collected, results, &mut held)?;
        }
        let mut results: Vec<Array> = state.into_iter().map(Arc::unwrap_or_clone).collect();
        for (index, mut all) in collected.into_iter().enumerate() {
            if entry(&self.turned, index) == 1 {
                all.reverse();
            }
            let rank = all.first().map_or(1, |one| one.shape.len() + 1);
            results.push(stacked(&all, axis(entry(&self.output_axes, index), rank)?)?);
        }
        Ok(results)
    }

    /// Row after row of a batch.
    fn each_row(&self, own: &[Arc<Array>], inputs: &Arguments<'_>) -> Results {
        let rows = own.first().and_then(|first| first.shape.first()).copied().unwrap_or(0);
        if rows == 0 || own.iter().any(|input| input.shape.first() != Some(&rows)) {
            return Err("the inputs differ in their number of rows, or have none".to_owned());
        }
        let mut all: Vec<Vec<Array>> = vec![Vec::new(); self.carried + self.shown];
        for row in 0..rows {
            let row = own.iter().map(|input| part(input, 0, row).map(Arc::new));
            let mut state = row.collect::<Result<Vec<_>, _>>()?;
            let sequences = state.split_off(self.carried);
            all.iter_mut().zip(self.run(state, &sequences, inputs)?).for_each(|(all, one)| all.push(one));
        }
        all.iter().map(|all| stacked(all, 0)).collect()
    }
}

/// The elements at one place of an axis, without that axis.
fn part(array: &Array, at: usize, place: usize) -> Result<Array, String> {
    fn pick<T: Element>(values: &[T], inner: usize, length: usize, place: usize) -> Elements {
        let blocks = values.chunks_exact((inner * length).max(1));
        T::wrap(blocks.flat_map(|block| block[place * inner..(place + 1) * inner].to_vec()).collect())
    }
    let inner: usize = array.shape[at + 1..].iter().product();
    let mut shape = array.shape.clone();
    let length = shape.remove(at);
    Ok(Array { shape, elements: each!(&array.elements, values => pick(values, inner, length, place)) })
}

/// Arrays of one shape beside each other along a new axis; of none, an empty vector.
fn stacked(arrays: &[Array], at: usize) -> Result<Array, String> {
    fn join<T: Element>(_first: &[T], arrays: &[Array], inner: usize, outer: usize) -> Result<Elements, String> {
        let mut joined = Vec::new();
        for block in 0..outer {
            for array in arrays {
                let values = array.get::<T>().ok_or("the rounds give different element types")?;
                joined.extend_from_slice(&values[block * inner..(block + 1) * inner]);
            }
        }
        Ok(T::wrap(joined))
    }
    let Some(first) = arrays.first() else { return Array::new(vec![0], Vec::<f32>::new()) };
    if arrays.iter().any(|array| array.shape != first.shape) {
        return Err("the rounds give different shapes".to_owned());
    }
    let (outer, inner) = (first.shape[..at].iter().product(), first.shape[at..].iter().product());
    let mut shape = first.shape.clone();
    shape.insert(at, arrays.len());
    count(&shape)?;
    Ok(Array { shape, elements: each!(&first.elements, values => join(values, arrays, inner, outer))? })
}
