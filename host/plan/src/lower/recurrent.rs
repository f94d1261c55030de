//! `LSTM`, `GRU` and `RNN`, written out step by step: the input's part of all steps is one product, the state's part one a step.

use scorehost_core::DType;
use scorehost_graph::{Attribute, Node, ValueId};

use super::Lower;
use super::attributes::{float, floats, int, text};
use super::compose::{along, list, number};
use crate::planner::Planner;

/// Steps that a plan is written out for at most.
const LONGEST: u64 = 2048;

pub(super) fn find(name: &str) -> Option<Lower> {
    matches!(name, "LSTM" | "GRU" | "RNN").then_some(recurrent as Lower)
}

/// An activation with its parameters.
type Function = (String, f32, f32);

/// The functions of all directions, parameters taken in order by those that have some.
fn functions(node: &Node, defaults: &[&str], directions: usize) -> Result<Vec<Function>, String> {
    let names: Vec<String> = match node.attributes.get("activations") {
        Some(Attribute::Strings(names)) if !names.is_empty() => {
            names.iter().map(|name| String::from_utf8_lossy(name).to_lowercase()).collect()
        }
        _ => (0..directions).flat_map(|_| defaults.iter().map(|name| name.to_lowercase())).collect(),
    };
    if names.len() != defaults.len() * directions {
        return Err(format!("{} activations, expected {}", names.len(), defaults.len() * directions));
    }
    let mut alphas = floats(node, "activation_alpha").unwrap_or_default().into_iter();
    let mut betas = floats(node, "activation_beta").unwrap_or_default().into_iter();
    let mut read = |name: String| {
        let (alpha, beta) = match &*name {
            "affine" => (Some(1.0), Some(0.0)),
            "scaledtanh" => (Some(1.0), Some(1.0)),
            "hardsigmoid" => (Some(0.2), Some(0.5)),
            "leakyrelu" => (Some(0.01), None),
            "thresholdedrelu" | "elu" => (Some(1.0), None),
            "relu" | "tanh" | "sigmoid" | "softsign" | "softplus" => (None, None),
            other => return Err(format!("activation {other} is unknown on this device")),
        };
        let take = |default: Option<f32>, given: &mut dyn Iterator<Item = f32>| {
            default.map_or(0.0, |default| given.next().unwrap_or(default))
        };
        let (alpha, beta) = (take(alpha, &mut alphas), take(beta, &mut betas));
        Ok((name, alpha, beta))
    };
    names.into_iter().map(&mut read).collect()
}

fn activate(planner: &mut Planner<'_>, (name, alpha, beta): &Function, x: ValueId) -> Result<ValueId, String> {
    let alpha_setting = [("alpha", Attribute::Float(*alpha))];
    let both = [("alpha", Attribute::Float(*alpha)), ("beta", Attribute::Float(*beta))];
    let dtype = planner.kind(x)?.1;
    match &**name {
        "relu" => planner.apply("Relu", &[x], &[]),
        "tanh" => planner.apply("Tanh", &[x], &[]),
        "sigmoid" => planner.apply("Sigmoid", &[x], &[]),
        "softsign" => planner.apply("Softsign", &[x], &[]),
        "softplus" => planner.apply("Softplus", &[x], &[]),
        "leakyrelu" => planner.apply("LeakyRelu", &[x], &alpha_setting),
        "thresholdedrelu" => planner.apply("ThresholdedRelu", &[x], &alpha_setting),
        "elu" => planner.apply("Elu", &[x], &alpha_setting),
        "hardsigmoid" => planner.apply("HardSigmoid", &[x], &both),
        "affine" => {
            let (alpha, beta) = (planner.scalar(dtype, f64::from(*alpha))?, planner.scalar(dtype, f64::from(*beta))?);
            let x = planner.apply("Mul", &[x, alpha], &[])?;
            planner.apply("Add", &[x, beta], &[])
        }
        _ => {
            let (alpha, beta) = (planner.scalar(dtype, f64::from(*alpha))?, planner.scalar(dtype, f64::from(*beta))?);
            let x = planner.apply("Mul", &[x, beta], &[])?;
            let x = planner.apply("Tanh", &[x], &[])?;
            planner.apply("Mul", &[x, alpha], &[])
        }
    }
}

/// One layer with its sizes.
struct Layer<'n> {
    node: &'n Node,
    dtype: DType,
    steps: u64,
    batch: u64,
    hidden: u64,
    gates: u64,
    directions: u64,
    functions: Vec<Function>,
    /// `[steps, batch, 1]`: whether a sequence has a step; `None` where all have all.
    present: Option<ValueId>,
}

/// What a direction gives: all states, and the last ones.
struct Run {
    states: ValueId,
    ends: [ValueId; 2],
}

fn recurrent(planner: &mut Planner<'_>, node: &Node) -> Result<(), String> {
    let batch_first = int(node, "layout", 0) != 0;
    let mut x = planner.input(node, 0)?;
    if batch_first {
        x = planner.transpose_to(x, &[1, 0, 2])?;
    }
    let (shape, dtype) = planner.kind(x)?;
    let [steps, batch, _] = &shape[..] else { return Err(format!("expected a sequence of batches, got {shape:?}")) };
    let recurrence = planner.kind(planner.input(node, 2)?)?.0;
    let [directions, _, hidden] = recurrence[..] else { return Err(format!("weights of {recurrence:?}")) };
    if *steps > LONGEST || *steps == 0 {
        return Err(format!("{steps} steps; from 1 to {LONGEST} are written out on this device"));
    }
    let (gates, defaults): (u64, &[&str]) = match &*node.operator {
        "LSTM" => (4, &["Sigmoid", "Tanh", "Tanh"]),
        "GRU" => (3, &["Sigmoid", "Tanh"]),
        _ => (1, &["Tanh"]),
    };
    let functions = functions(node, defaults, directions as usize)?;
    let (steps, batch) = (*steps, *batch);
    let present = match node.input(4) {
        Some(lengths) => {
            let times = planner.known_ints(&[steps, 1], &(0..steps as i64).collect::<Vec<_>>())?;
            let lengths = planner.cast_to(lengths, DType::I64)?;
            let lengths = planner.reshape_to(lengths, &[1, batch])?;
            let present = planner.apply("Less", &[times, lengths], &[])?;
            planner.view(present)?;
            Some(planner.reshape_to(present, &[steps, batch, 1])?)
        }
        None => None,
    };
    let layer = Layer { node, dtype, steps, batch, hidden, gates, directions, functions, present };
    let mut runs = Vec::new();
    for direction in 0..directions {
        let backwards = direction == 1 || text(node, "direction", "forward") == "reverse";
        runs.push(layer.run(planner, x, direction, backwards)?);
    }
    layer.give(planner, &runs, batch_first)
}

impl Layer<'_> {
    /// The part of a parameter that belongs to one direction.
    fn part(&self, planner: &mut Planner<'_>, id: ValueId, direction: u64) -> Result<ValueId, String> {
        let shape = planner.kind(id)?.0;
        let part = planner.cut(id, 0, direction as i64, direction as i64 + 1, 1)?;
        planner.reshape_to(part, &shape[1..])
    }

    fn optional(&self, planner: &mut Planner<'_>, index: usize, direction: u64) -> Result<Option<ValueId>, String> {
        self.node.input(index).map(|id| self.part(planner, id, direction)).transpose()
    }

    /// A state at the start: `[batch, hidden]`.
    fn start(&self, planner: &mut Planner<'_>, index: usize, direction: u64) -> Result<ValueId, String> {
        let Some(id) = self.node.input(index) else {
            let zeros = vec![0.0; super::convolution::index(self.batch * self.hidden)? as usize];
            return planner.known_numbers(self.dtype, &[self.batch, self.hidden], &zeros);
        };
        let id = match int(self.node, "layout", 0) {
            0 => id,
            _ => planner.transpose_to(id, &[1, 0, 2])?,
        };
        self.part(planner, id, direction)
    }

    /// The steps the other way around, each sequence within its own length.
    fn turned(&self, planner: &mut Planner<'_>, id: ValueId) -> Result<ValueId, String> {
        match self.node.input(4) {
            Some(lengths) => {
                planner.apply("ReverseSequence", &[id, lengths], &[("time_axis", number(0)), ("batch_axis", number(1))])
            }
            None => planner.cut(id, 0, -1, i64::MIN, -1),
        }
    }

    /// The rows of some gates, of weights or numbers that have a row a gate and unit.
    fn of_gates(&self, planner: &mut Planner<'_>, id: ValueId, first: u64, last: u64) -> Result<ValueId, String> {
        planner.cut(id, 0, (first * self.hidden) as i64, (last * self.hidden) as i64, 1)
    }

    /// One gate's columns.
    fn gate(&self, planner: &mut Planner<'_>, id: ValueId, gate: u64) -> Result<ValueId, String> {
        let d = planner.kind(id)?.0.len() - 1;
        planner.cut(id, d, (gate * self.hidden) as i64, ((gate + 1) * self.hidden) as i64, 1)
    }

    fn clipped(&self, planner: &mut Planner<'_>, id: ValueId) -> Result<ValueId, String> {
        let clip = float(self.node, "clip", 0.0);
        if clip <= 0.0 {
            return Ok(id);
        }
        let (low, high) = (planner.scalar(self.dtype, f64::from(-clip))?, planner.scalar(self.dtype, f64::from(clip))?);
        planner.apply("Clip", &[id, low, high], &[])
    }

    fn run(&self, planner: &mut Planner<'_>, x: ValueId, direction: u64, backwards: bool) -> Result<Run, String> {
        let x = if backwards { self.turned(planner, x)? } else { x };
        let (w_id, r_id) = (planner.input(self.node, 1)?, planner.input(self.node, 2)?);
        let (w, r) = (self.part(planner, w_id, direction)?, self.part(planner, r_id, direction)?);
        let rows = self.gates * self.hidden;
        let late = &*self.node.operator == "GRU" && int(self.node, "linear_before_reset", 0) != 0;
        let (mut bias, mut late_bias) = (None, None);
        if let Some(all) = self.optional(planner, 3, direction)? {
            let own = planner.cut(all, 0, 0, rows as i64, 1)?;
            let mut other = planner.cut(all, 0, rows as i64, 2 * rows as i64, 1)?;
            if late {
                late_bias = Some(self.of_gates(planner, other, 2, 3)?);
                let kept = self.of_gates(planner, other, 0, 2)?;
                let zeros = planner.known_numbers(self.dtype, &[self.hidden], &vec![0.0; self.hidden as usize])?;
                other = planner.apply("Concat", &[kept, zeros], &[along(0)])?;
            }
            bias = Some(planner.apply("Add", &[own, other], &[])?);
        }
        let turned = [("transB", number(1))];
        let inputs = planner.apply_in("scorehost", "FusedMatMul", &[Some(x), Some(w), bias], &turned)?;
        planner.view(inputs)?;
        let peepholes = if self.gates == 4 { self.optional(planner, 7, direction)? } else { None };
        let parts = Parts { r, late_bias, peepholes, late };
        let functions = &self.functions[direction as usize * self.functions.len() / self.directions as usize..];
        let mut state = [
            self.start(planner, 5, direction)?,
            self.start(planner, 6.min(5 + usize::from(self.gates == 4)), direction)?,
        ];
        let mut states = Vec::new();
        let zero = planner.scalar(self.dtype, 0.0)?;
        for step in 0..self.steps {
            let row = planner.cut(inputs, 0, step as i64, step as i64 + 1, 1)?;
            let row = planner.reshape_to(row, &[self.batch, rows])?;
            let mut next = self.step(planner, &parts, functions, row, state)?;
            let mut shown = next[0];
            if let Some(present) = self.present {
                let here = planner.cut(present, 0, step as i64, step as i64 + 1, 1)?;
                let here = planner.reshape_to(here, &[self.batch, 1])?;
                planner.view(next[0])?;
                shown = planner.apply("Where", &[here, next[0], zero], &[])?;
                next = [
                    planner.apply("Where", &[here, next[0], state[0]], &[])?,
                    planner.apply("Where", &[here, next[1], state[1]], &[])?,
                ];
            }
            // What the next step reads several times is computed once.
            planner.view(next[0])?;
            planner.view(next[1])?;
            state = next;
            states.push(planner.reshape_to(shown, &[1, self.batch, self.hidden])?);
        }
        let states = planner.apply("Concat", &states, &[along(0)])?;
        let states = if backwards { self.turned(planner, states)? } else { states };
        Ok(Run { states, ends: state })
    }

    /// The next hidden state, and the cell's where there is one.
    fn step(
        &self,
        planner: &mut Planner<'_>,
        parts: &Parts,
        functions: &[Function],
        x: ValueId,
        [h, c]: [ValueId; 2],
    ) -> Result<[ValueId; 2], String> {
        match self.gates {
            1 => {
                let sum = parts.product(planner, h, parts.r)?;
                let sum = planner.apply("Add", &[x, sum], &[])?;
                let sum = self.clipped(planner, sum)?;
                let next = activate(planner, &functions[0], sum)?;
                planner.view(next)?;
                Ok([next, next])
            }
            3 => self.gru(planner, parts, functions, x, h).map(|next| [next, next]),
            _ => self.lstm(planner, parts, functions, x, [h, c]),
        }
    }

    fn lstm(
        &self,
        planner: &mut Planner<'_>,
        parts: &Parts,
        functions: &[Function],
        x: ValueId,
        [h, c]: [ValueId; 2],
    ) -> Result<[ValueId; 2], String> {
        let product = parts.product(planner, h, parts.r)?;
        // Gates in the order input, output, forget, cell.
        let gate = |planner: &mut Planner<'_>, index: u64, cell: Option<ValueId>| -> Result<ValueId, String> {
            let (own, other) = (self.gate(planner, x, index)?, self.gate(planner, product, index)?);
            let mut sum = planner.apply("Add", &[own, other], &[])?;
            if let (Some(peepholes), Some(cell)) = (parts.peepholes, cell) {
                let weights = self.gate(planner, peepholes, index)?;
                let peep = planner.apply("Mul", &[weights, cell], &[])?;
                sum = planner.apply("Add", &[sum, peep], &[])?;
            }
            let sum = self.clipped(planner, sum)?;
            activate(planner, &functions[usize::from(index == 3)], sum)
        };
        let (take, candidate) = (gate(planner, 0, Some(c))?, gate(planner, 3, None)?);
        let keep = if int(self.node, "input_forget", 0) != 0 {
            let one = planner.scalar(self.dtype, 1.0)?;
            planner.apply("Sub", &[one, take], &[])?
        } else {
            gate(planner, 2, Some(c))?
        };
        let (old, new) = (planner.apply("Mul", &[keep, c], &[])?, planner.apply("Mul", &[take, candidate], &[])?);
        let cell = planner.apply("Add", &[old, new], &[])?;
        planner.view(cell)?;
        let show = gate(planner, 1, Some(cell))?;
        let bent = activate(planner, &functions[2], cell)?;
        Ok([planner.apply("Mul", &[show, bent], &[])?, cell])
    }

    fn gru(
        &self,
        planner: &mut Planner<'_>,
        parts: &Parts,
        functions: &[Function],
        x: ValueId,
        h: ValueId,
    ) -> Result<ValueId, String> {
        // Gates in the order update, reset, hidden.
        let (both, last) = (self.of_gates(planner, parts.r, 0, 2)?, self.of_gates(planner, parts.r, 2, 3)?);
        let product = parts.product(planner, h, both)?;
        let mut gates = Vec::new();
        for index in 0..2 {
            let (own, other) = (self.gate(planner, x, index)?, self.gate(planner, product, index)?);
            let sum = planner.apply("Add", &[own, other], &[])?;
            let sum = self.clipped(planner, sum)?;
            gates.push(activate(planner, &functions[0], sum)?);
        }
        let past = if parts.late {
            let mut past = parts.product(planner, h, last)?;
            if let Some(bias) = parts.late_bias {
                past = planner.apply("Add", &[past, bias], &[])?;
            }
            planner.apply("Mul", &[gates[1], past], &[])?
        } else {
            let reset = planner.apply("Mul", &[gates[1], h], &[])?;
            parts.product(planner, reset, last)?
        };
        let own = self.gate(planner, x, 2)?;
        let sum = planner.apply("Add", &[own, past], &[])?;
        let sum = self.clipped(planner, sum)?;
        let candidate = activate(planner, &functions[1], sum)?;
        let one = planner.scalar(self.dtype, 1.0)?;
        let rest = planner.apply("Sub", &[one, gates[0]], &[])?;
        let (new, old) = (planner.apply("Mul", &[rest, candidate], &[])?, planner.apply("Mul", &[gates[0], h], &[])?);
        let next = planner.apply("Add", &[new, old], &[])?;
        planner.view(next)?;
        Ok(next)
    }

    /// All outputs, laid out as the operator has them.
    fn give(&self, planner: &mut Planner<'_>, runs: &[Run], batch_first: bool) -> Result<(), String> {
        let mut all = Vec::new();
        for run in runs {
            all.push(planner.reshape_to(run.states, &[self.steps, 1, self.batch, self.hidden])?);
        }
        let mut y = planner.apply("Concat", &all, &[along(1)])?;
        if batch_first {
            y = planner.transpose_to(y, &[2, 0, 1, 3])?;
        }
        planner.give(self.node, 0, y)?;
        for index in 0..if self.gates == 4 { 2 } else { 1 } {
            let mut ends = Vec::new();
            for run in runs {
                ends.push(planner.reshape_to(run.ends[index], &[1, self.batch, self.hidden])?);
            }
            let mut end = planner.apply("Concat", &ends, &[along(0)])?;
            if batch_first {
                end = planner.apply("Transpose", &[end], &[("perm", list(&[1, 0, 2]))])?;
            }
            planner.give(self.node, index + 1, end)?;
        }
        Ok(())
    }
}

/// The parameters of one direction.
struct Parts {
    r: ValueId,
    late_bias: Option<ValueId>,
    peepholes: Option<ValueId>,
    /// Whether a GRU's reset comes behind the product.
    late: bool,
}

impl Parts {
    fn product(&self, planner: &mut Planner<'_>, h: ValueId, weights: ValueId) -> Result<ValueId, String> {
        let turned = [("transB", number(1))];
        planner.apply_in("scorehost", "FusedMatMul", &[Some(h), Some(weights)], &turned)
    }
}
