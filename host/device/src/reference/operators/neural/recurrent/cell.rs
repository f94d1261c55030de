//! One step of a recurrent cell.

use super::function::{self, Function};
use crate::reference::attributes::Attributes;

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Plain,
    /// Gates in the order input, output, forget, cell.
    Lstm,
    /// Gates in the order update, reset, hidden.
    Gru,
}

impl Kind {
    pub(super) fn gates(self) -> usize {
        match self {
            Self::Plain => 1,
            Self::Lstm => 4,
            Self::Gru => 3,
        }
    }
}

/// What a direction remembers: the hidden state and, for an LSTM, the cell's, a row for each batch entry.
pub(super) struct State {
    pub(super) hidden: Vec<f32>,
    pub(super) cell: Vec<f32>,
}

pub(super) struct Cell {
    pub(super) kind: Kind,
    pub(super) linear_before_reset: bool,
    functions: Vec<Function>,
    clip: Option<f32>,
    input_forget: bool,
}

impl Cell {
    /// A cell for each direction.
    pub(super) fn read(attributes: &Attributes<'_>, kind: Kind, directions: usize) -> Result<Vec<Self>, String> {
        let defaults: &[&str] = match kind {
            Kind::Plain => &["Tanh"],
            Kind::Lstm => &["Sigmoid", "Tanh", "Tanh"],
            Kind::Gru => &["Sigmoid", "Tanh"],
        };
        let functions = function::read(attributes, defaults, directions)?;
        let clip = attributes.optional_float("clip")?;
        let linear_before_reset = attributes.int("linear_before_reset", 0)? != 0;
        let input_forget = attributes.int("input_forget", 0)? != 0;
        let cell = |functions: &[Function]| Self {
            kind,
            linear_before_reset,
            functions: functions.to_vec(),
            clip,
            input_forget,
        };
        Ok(functions.chunks(defaults.len()).map(cell).collect())
    }

    fn clipped(&self, x: f32) -> f32 {
        self.clip.map_or(x, |clip| x.max(-clip).min(clip))
    }

    /// The function of the gates.
    pub(super) fn gate(&self, sum: f32) -> f32 {
        self.functions[0].of(self.clipped(sum))
    }

    /// Updates one row of the state from the products of the input and of the former state.
    pub(super) fn step(
        &self,
        input: &[f32],
        recurrent: &[f32],
        bias: &[f32],
        peepholes: Option<&[f32]>,
        (hidden, cell): (&mut [f32], &mut [f32]),
    ) {
        let (size, all) = (hidden.len(), input.len());
        let sum = |gate: usize, unit: usize| {
            let at = gate * size + unit;
            input[at] + recurrent[at] + bias[at] + bias[all + at]
        };
        let peep = |gate: usize, unit: usize, cell: f32| peepholes.map_or(0.0, |all| all[gate * size + unit] * cell);
        for unit in 0..size {
            match self.kind {
                Kind::Plain => hidden[unit] = self.gate(sum(0, unit)),
                Kind::Lstm => {
                    let former = cell[unit];
                    let take = self.gate(sum(0, unit) + peep(0, unit, former));
                    let keep =
                        if self.input_forget { 1.0 - take } else { self.gate(sum(2, unit) + peep(2, unit, former)) };
                    let candidate = self.functions[1].of(self.clipped(sum(3, unit)));
                    cell[unit] = keep * former + take * candidate;
                    let show = self.gate(sum(1, unit) + peep(1, unit, cell[unit]));
                    hidden[unit] = show * self.functions[2].of(cell[unit]);
                }
                Kind::Gru => {
                    let update = self.gate(sum(0, unit));
                    let at = 2 * size + unit;
                    let past = recurrent[at] + bias[all + at];
                    let past = if self.linear_before_reset { self.gate(sum(1, unit)) * past } else { past };
                    let candidate = self.functions[1].of(self.clipped(input[at] + bias[at] + past));
                    hidden[unit] = (1.0 - update) * candidate + update * hidden[unit];
                }
            }
        }
    }
}
