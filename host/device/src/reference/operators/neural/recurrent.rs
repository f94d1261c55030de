//! `RNN`, `LSTM` and `GRU`.

mod cell;
mod function;

use cell::{Cell, Kind, State};

use super::single;
use crate::reference::array::{Array, count};
use crate::reference::attributes::Attributes;
use crate::reference::multiply::{Matrix, Target, multiply_into};
use crate::reference::operators::{Arguments, Kernel, Results};

struct Recurrent {
    kind: Kind,
    /// One cell a direction; the second of two runs backwards.
    cells: Vec<Cell>,
    backwards: bool,
    /// Batch before sequence.
    batch_first: bool,
}

/// `RNN`, `LSTM` and `GRU`.
pub(crate) fn recurrent(attributes: &Attributes<'_>) -> Result<Kernel, String> {
    let kind = match &*attributes.0.operator {
        "RNN" => Kind::Plain,
        "LSTM" => Kind::Lstm,
        _ => Kind::Gru,
    };
    let (directions, backwards) = match &*attributes.string("direction", "forward")? {
        b"forward" => (1, false),
        b"reverse" => (1, true),
        b"bidirectional" => (2, false),
        other => return Err(format!("direction '{}'", String::from_utf8_lossy(other))),
    };
    let cells = Cell::read(attributes, kind, directions)?;
    let recurrent = Recurrent { kind, cells, backwards, batch_first: attributes.int("layout", 0)? != 0 };
    Ok(single(move |inputs| recurrent.run(inputs)))
}

/// Sizes of one call.
#[derive(Clone, Copy)]
struct Sizes {
    steps: usize,
    batch: usize,
    width: usize,
    hidden: usize,
}

impl Recurrent {
    fn run(&self, inputs: &Arguments<'_>) -> Results {
        let (input, weights) = (inputs.get(0)?, inputs.get(1)?);
        let recurrence = inputs.get(2)?;
        let [first, second, width] = *input.shape else {
            return Err(format!("expected a sequence of batches, got shape {:?}", input.shape));
        };
        let (steps, batch) = if self.batch_first { (second, first) } else { (first, second) };
        let (directions, gates) = (self.cells.len(), self.kind.gates());
        let [_, _, hidden] = *recurrence.shape else {
            return Err(format!("the recurrence weights have shape {:?}", recurrence.shape));
        };
        let sizes = Sizes { steps, batch, width, hidden };
        let expect = |index: usize, shape: &[usize]| match inputs.optional(index) {
            None => Ok(None),
            Some(array) if array.shape == shape => array.typed::<f32>().map(Some),
            Some(array) => Err(format!("input {index} has shape {:?}, expected {shape:?}", array.shape)),
        };
        expect(1, &[directions, gates * hidden, width])?;
        expect(2, &[directions, gates * hidden, hidden])?;
        let bias = expect(3, &[directions, 2 * gates * hidden])?;
        let state = if self.batch_first { [batch, directions, hidden] } else { [directions, batch, hidden] };
        let starts = [expect(5, &state)?, if self.kind == Kind::Lstm { expect(6, &state)? } else { None }];
        let peepholes = if self.kind == Kind::Lstm { expect(7, &[directions, 3 * hidden])? } else { None };
        let lengths = self.lengths(inputs.optional(4), sizes)?;
        let values = self.in_steps(input.typed()?, sizes);
        let mut outputs = vec![0.0; count(&[steps, directions, batch, hidden])?];
        let mut ends = [vec![0.0; directions * batch * hidden], vec![0.0; directions * batch * hidden]];
        for (direction, cell) in self.cells.iter().enumerate() {
            let part = |all: &[f32], length: usize| all[direction * length..(direction + 1) * length].to_vec();
            let start = |all: Option<&[f32]>| {
                let row = |index: usize| self.state_row(index, direction, sizes);
                let rows = |all: &[f32]| (0..batch).flat_map(|index| all[row(index)].to_vec()).collect();
                all.map_or_else(|| vec![0.0; batch * hidden], rows)
            };
            let mut state = State { hidden: start(starts[0]), cell: start(starts[1]) };
            let layer = Layer {
                weights: part(weights.typed()?, gates * hidden * width),
                recurrence: part(recurrence.typed()?, gates * hidden * hidden),
                bias: bias.map_or_else(|| vec![0.0; 2 * gates * hidden], |bias| part(bias, 2 * gates * hidden)),
                peepholes: peepholes.map(|peepholes| part(peepholes, 3 * hidden)),
                backwards: self.backwards || direction == 1,
            };
            layer.run(cell, sizes, &values, &lengths, &mut state, |step, index, numbers| {
                let place = ((step * directions + direction) * batch + index) * hidden;
                outputs[place..place + hidden].copy_from_slice(numbers);
            })?;
            for index in 0..batch {
                let place = self.state_row(index, direction, sizes);
                ends[0][place.clone()].copy_from_slice(&state.hidden[index * hidden..(index + 1) * hidden]);
                ends[1][place].copy_from_slice(&state.cell[index * hidden..(index + 1) * hidden]);
            }
        }
        let [hidden_end, cell_end] = ends;
        let mut results = vec![self.laid_out(outputs, sizes)?, Array::new(state.to_vec(), hidden_end)?];
        if self.kind == Kind::Lstm {
            results.push(Array::new(state.to_vec(), cell_end)?);
        }
        Ok(results)
    }

    /// Steps that each sequence of the batch has.
    fn lengths(&self, given: Option<&Array>, sizes: Sizes) -> Result<Vec<usize>, String> {
        let Some(given) = given else { return Ok(vec![sizes.steps; sizes.batch]) };
        let length = |length: i64| usize::try_from(length).ok().filter(|length| *length <= sizes.steps);
        let lengths: Option<Vec<usize>> = given.to_i64()?.into_iter().map(length).collect();
        lengths.filter(|lengths| lengths.len() == sizes.batch).ok_or_else(|| "sequence_lens does not fit".to_owned())
    }

    /// Where the state of a batch entry is in tensors of states.
    fn state_row(&self, index: usize, direction: usize, sizes: Sizes) -> std::ops::Range<usize> {
        let directions = self.cells.len();
        let row = if self.batch_first { index * directions + direction } else { direction * sizes.batch + index };
        row * sizes.hidden..(row + 1) * sizes.hidden
    }

    /// The input with the steps first.
    fn in_steps(&self, input: &[f32], sizes: Sizes) -> Vec<f32> {
        if !self.batch_first {
            return input.to_vec();
        }
        let row = |step: usize, index: usize| (index * sizes.steps + step) * sizes.width;
        let rows = (0..sizes.steps).flat_map(|step| (0..sizes.batch).map(move |index| (step, index)));
        rows.flat_map(|(step, index)| input[row(step, index)..row(step, index) + sizes.width].to_vec()).collect()
    }

    /// All hidden states, laid out as the operator has them.
    fn laid_out(&self, outputs: Vec<f32>, sizes: Sizes) -> Result<Array, String> {
        let Sizes { steps, batch, hidden, .. } = sizes;
        let directions = self.cells.len();
        if !self.batch_first {
            return Array::new(vec![steps, directions, batch, hidden], outputs);
        }
        let mut turned = Vec::with_capacity(outputs.len());
        for index in 0..batch {
            for row in 0..steps * directions {
                let place = (row * batch + index) * hidden;
                turned.extend_from_slice(&outputs[place..place + hidden]);
            }
        }
        Array::new(vec![batch, steps, directions, hidden], turned)
    }
}

/// The weights of one direction.
struct Layer {
    weights: Vec<f32>,
    recurrence: Vec<f32>,
    bias: Vec<f32>,
    peepholes: Option<Vec<f32>>,
    backwards: bool,
}

impl Layer {
    /// Runs all steps from `state`; `output` takes each step's hidden state of each batch entry.
    fn run(
        &self,
        cell: &Cell,
        sizes: Sizes,
        values: &[f32],
        lengths: &[usize],
        state: &mut State,
        mut output: impl FnMut(usize, usize, &[f32]),
    ) -> Result<(), String> {
        let Sizes { steps, batch, width, hidden } = sizes;
        let all = cell.kind.gates() * hidden;
        let weights = Matrix::new(&self.weights, all, width)?.transposed(true);
        let mut gates = vec![0.0; count(&[steps * batch, all])?];
        let target = Target { elements: &mut gates, stride: all.max(1), add: false };
        multiply_into(target, 1.0, Matrix::new(values, steps * batch, width)?, weights)?;
        let mut recurrent = vec![0.0; batch * all];
        for round in 0..steps {
            self.multiply(&state.hidden, &mut recurrent, 0..all, sizes)?;
            if cell.kind == Kind::Gru && !cell.linear_before_reset {
                self.reset(cell, &gates, &mut recurrent, lengths, state, (round, sizes))?;
            }
            for index in (0..batch).filter(|index| round < lengths[*index]) {
                let step = if self.backwards { lengths[index] - 1 - round } else { round };
                let row = (step * batch + index) * all;
                let (own, hidden_row) = (&gates[row..row + all], index * hidden..(index + 1) * hidden);
                let place = (&mut state.hidden[hidden_row.clone()], &mut state.cell[hidden_row.clone()]);
                cell.step(
                    own,
                    &recurrent[index * all..(index + 1) * all],
                    &self.bias,
                    self.peepholes.as_deref(),
                    place,
                );
                output(step, index, &state.hidden[hidden_row]);
            }
        }
        Ok(())
    }

    /// `states · recurrence`, of some gates.
    fn multiply(
        &self,
        states: &[f32],
        target: &mut [f32],
        gates: std::ops::Range<usize>,
        sizes: Sizes,
    ) -> Result<(), String> {
        let hidden = sizes.hidden;
        let weights = Matrix::new(&self.recurrence[gates.start * hidden..gates.end * hidden], gates.len(), hidden)?;
        let stride = (self.bias.len() / 2).max(1);
        let target = Target { elements: &mut target[gates.start.min(stride)..], stride, add: false };
        multiply_into(target, 1.0, Matrix::new(states, sizes.batch, hidden)?, weights.transposed(true))
    }

    /// The candidate's recurrence of a GRU whose reset gate comes before the product.
    fn reset(
        &self,
        cell: &Cell,
        gates: &[f32],
        recurrent: &mut [f32],
        lengths: &[usize],
        state: &State,
        (round, sizes): (usize, Sizes),
    ) -> Result<(), String> {
        let (hidden, all) = (sizes.hidden, 3 * sizes.hidden);
        let mut states = state.hidden.clone();
        for index in (0..sizes.batch).filter(|index| round < lengths[*index]) {
            let step = if self.backwards { lengths[index] - 1 - round } else { round };
            let row = (step * sizes.batch + index) * all;
            for unit in 0..hidden {
                let gate = hidden + unit;
                let sum = gates[row + gate] + recurrent[index * all + gate] + self.bias[gate] + self.bias[all + gate];
                states[index * hidden + unit] *= cell.gate(sum);
            }
        }
        self.multiply(&states, recurrent, 2 * hidden..all, sizes)
    }
}
