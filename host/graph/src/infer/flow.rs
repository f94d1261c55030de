//! How the rows of a batch flow through a node.

use super::context::Fact;
use super::dim::Dim;
use crate::Node;

/// What a value has to do with the rows of the batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Flow {
    /// Nothing: constants, and what is computed of them and of sizes other than the batch's.
    Same,
    /// Each of the batch's rows is a slice of this axis (several, one behind the other, where the axis is a multiple of the
    /// batch), and depends on the same row of the inputs only.
    Rows(usize),
    /// Integers that depend on the size of the batch, and on no row.
    Count,
}

/// Why rows do not stay apart, to be read after a node's name.
pub(crate) type Refusal = String;

/// The batch's axis in each output (the last one given stands for all that follow).
pub(crate) type Axes = Result<Vec<usize>, Refusal>;

/// A node at least one of whose inputs is not [`Flow::Same`].
pub(crate) struct Flows<'a> {
    pub(crate) node: &'a Node,
    pub(crate) inputs: &'a [Option<&'a Fact>],
    pub(crate) flows: &'a [Flow],
    pub(crate) outputs: &'a [Option<Fact>],
}

/// How an operator treats rows.
pub(crate) type Rule = fn(&Flows<'_>) -> Axes;

pub(crate) fn refuse<T>(reason: impl Into<String>) -> Result<T, Refusal> {
    Err(reason.into())
}

impl Flows<'_> {
    pub(crate) fn flow(&self, index: usize) -> Flow {
        self.flows.get(index).copied().unwrap_or(Flow::Same)
    }

    /// The batch's axis in an input.
    pub(crate) fn axis(&self, index: usize) -> Option<usize> {
        match self.flow(index) {
            Flow::Rows(axis) => Some(axis),
            Flow::Same | Flow::Count => None,
        }
    }

    pub(crate) fn dims(&self, index: usize) -> Result<&[Dim], Refusal> {
        let dims = self.inputs.get(index).copied().flatten().and_then(|fact| fact.dims.as_deref());
        dims.ok_or_else(|| "has an input whose rank is not known".to_owned())
    }

    pub(crate) fn rank(&self, index: usize) -> Result<usize, Refusal> {
        self.dims(index).map(<[Dim]>::len)
    }

    pub(crate) fn output_rank(&self) -> Result<usize, Refusal> {
        let dims = self.outputs.first().and_then(Option::as_ref).and_then(|fact| fact.dims.as_ref());
        dims.map(|dims| dims.len()).ok_or_else(|| "has an output whose rank is not known".to_owned())
    }

    /// Refuses where an input other than these carries rows or the batch's size.
    pub(crate) fn only(&self, allowed: &[usize]) -> Result<(), Refusal> {
        let other = (0..self.flows.len()).find(|index| self.flow(*index) != Flow::Same && !allowed.contains(index));
        match other {
            None => Ok(()),
            Some(index) => match self.flow(index) {
                Flow::Count => refuse(format!("computes with the batch's size (input {index})")),
                _ => refuse(format!("takes what belongs to one row as input {index}, which serves all rows")),
            },
        }
    }

    /// Refuses where an input, if given, is not 1 wide at the place that the batch has among `rank` dimensions.
    pub(crate) fn serves_all(&self, index: usize, batch: usize, rank: usize) -> Result<(), Refusal> {
        if self.node.input(index).is_none() {
            return Ok(());
        }
        let dims = self.dims(index)?;
        let place = (dims.len() + batch).checked_sub(rank);
        let narrow = place.is_none_or(|place| dims.get(place).is_none_or(|dim| dim.is(1)));
        if narrow { Ok(()) } else { refuse("has a constant for certain rows of the batch") }
    }

    /// The batch's axis in input 0, which alone may carry rows.
    pub(crate) fn main(&self) -> Result<usize, Refusal> {
        self.only(&[0])?;
        if self.flow(0) == Flow::Count {
            return refuse("computes with the batch's size");
        }
        self.axis(0).ok_or_else(|| "does not take rows".to_owned())
    }
}

/// Input 0 row by row, the axis where it was, every element on its own.
pub(crate) fn each(flows: &Flows<'_>) -> Axes {
    Ok(vec![flows.main()?])
}

/// Input 0 with the batch at axis 0, as images and tables have it.
pub(crate) fn first(flows: &Flows<'_>) -> Axes {
    match flows.main()? {
        0 => Ok(vec![0]),
        axis => refuse(format!("has the batch at axis {axis}, where it mixes")),
    }
}

/// Inputs that broadcast against one another.
pub(crate) fn broadcast(flows: &Flows<'_>) -> Axes {
    let rank = flows.output_rank()?;
    aligned(flows, 0..flows.flows.len(), rank).map(|axis| vec![axis])
}

/// The output axis of the batch where all these inputs broadcast to `rank` dimensions.
pub(crate) fn aligned(
    flows: &Flows<'_>,
    inputs: impl Iterator<Item = usize> + Clone,
    rank: usize,
) -> Result<usize, Refusal> {
    let mut found = None;
    for index in inputs.clone() {
        match flows.flow(index) {
            Flow::Same => {}
            Flow::Count => return refuse("computes with the batch's size"),
            Flow::Rows(axis) => {
                let axis = (rank + axis).checked_sub(flows.rank(index)?).ok_or("has inputs that do not broadcast")?;
                if found.is_some_and(|found| found != axis) {
                    return refuse("combines rows of the batch with one another");
                }
                found = Some(axis);
            }
        }
    }
    let found = found.ok_or("does not take rows")?;
    for index in inputs.filter(|index| flows.flow(*index) == Flow::Same) {
        flows.serves_all(index, found, rank)?;
    }
    Ok(found)
}

/// Mixes rows, or nobody has shown that it does not.
pub(crate) fn mixes(_: &Flows<'_>) -> Axes {
    refuse("may mix the rows of a batch")
}
