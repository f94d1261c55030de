//! Where one call at a time runs: a queue, and memory that only grows.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use bytes::Bytes;
use scorehost_core::{Deadline, Shape, Tensor};
use scorehost_graph::ValueId;

use super::FpgaError;
use super::claim::Claim;
use super::loaded::Loaded;
use super::manifest::{Argument, KernelSpec, Layout, Manifest, Number};
use super::rows::{Chunk, chunks};
use crate::OpenClError;
use crate::driver::{Arg, Batch, Buffer, Device, Event, Grid, Queue};

/// What a piece of a context's memory is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Slot {
    /// All rows of a value.
    Value(ValueId),
    /// The rows of one launch of a claim, for the argument at a place.
    Launch(usize, usize),
}

/// A queue and the memory that calls use one after the other.
pub(super) struct Context {
    device: Arc<Device>,
    queue: Queue,
    memory: HashMap<Slot, Buffer>,
}

/// Values of one call.
#[derive(Default)]
pub(super) struct Values {
    /// On the host.
    pub(super) host: HashMap<ValueId, Tensor>,
    /// Shapes of those on the device.
    device: HashMap<ValueId, Shape>,
    /// When the call is given up.
    pub(super) until: Option<Deadline>,
}

/// What a stretch of a call took on the device.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Took {
    /// Nanoseconds that kernels worked, where the device tells.
    pub(super) kernels: Option<u64>,
    /// Nanoseconds that copies between host and device took, where the device tells.
    pub(super) copies: u64,
    /// Bytes of these copies.
    pub(super) bytes: u64,
}

/// What all calls share.
#[derive(Clone, Copy)]
pub(super) struct Shared<'a> {
    pub(super) manifest: &'a Manifest,
    pub(super) claims: &'a [Claim],
    pub(super) loaded: &'a Loaded,
    /// Names of the graph's values, for messages.
    pub(super) names: &'a [Arc<str>],
}

/// One claim in one call.
struct Run<'a> {
    /// The claim's place.
    claim: usize,
    values: &'a [Option<ValueId>],
    spec: &'a KernelSpec,
    chunks: Vec<Chunk>,
}

/// The one launch of a kernel whose shapes are fixed.
const WHOLE: Chunk = Chunk { first: 0, rows: 0, size: 0 };

impl Context {
    pub(super) fn new(device: &Arc<Device>) -> Result<Self, OpenClError> {
        Ok(Self { device: Arc::clone(device), queue: Queue::new(device, true)?, memory: HashMap::new() })
    }

    /// Bytes of device memory held.
    pub(super) fn bytes(&self) -> u64 {
        self.memory.values().map(Buffer::bytes).sum()
    }

    /// Whether a call has left work behind: then it is of no more use.
    pub(super) fn is_spent(&self) -> bool {
        self.queue.is_spent()
    }

    /// Runs some claims in order: copies what they need to the device, and back what the host needs.
    pub(super) fn run(
        &mut self,
        shared: Shared<'_>,
        claims: &[usize],
        (uploads, downloads): (&[ValueId], &[ValueId]),
        values: &mut Values,
    ) -> Result<Took, FpgaError> {
        let sent: Vec<(ValueId, Tensor)> =
            uploads.iter().filter_map(|value| Some((*value, values.host.get(value)?.clone()))).collect();
        values.device.extend(sent.iter().map(|(value, tensor)| (*value, Shape::from(tensor.shape()))));
        let mut runs = Vec::new();
        for claim in claims {
            runs.push(self.prepare(shared, *claim, values)?);
        }
        let mut received = Vec::new();
        for value in downloads {
            let layout = runs.iter().find_map(|run| run.output(*value));
            let Some((layout, shape)) = layout.zip(values.device.get(value)) else { continue };
            let bytes = shape.iter().product::<u64>() as usize * layout.dtype.size().unwrap_or(0);
            received.push((*value, layout.dtype, shape.clone(), bytes as u64));
        }
        let (queue, memory) = (&self.queue, &self.memory);
        let ((events, copies), read) = queue.run(values.until, |batch| {
            for (value, tensor) in &sent {
                batch.write(at(memory, Slot::Value(*value))?, 0, tensor.data())?;
            }
            let mut events = Vec::new();
            for run in &runs {
                for chunk in &run.chunks {
                    events.push(run.launch(batch, *chunk, shared, memory)?);
                }
            }
            for (value, .., bytes) in &received {
                batch.read(at(memory, Slot::Value(*value))?, 0, *bytes)?;
            }
            Ok((events, batch.copies()))
        })?;
        let bytes = sent.iter().map(|(_, tensor)| tensor.data().len() as u64).sum::<u64>()
            + received.iter().map(|(.., bytes)| bytes).sum::<u64>();
        for ((value, dtype, shape, _), bytes) in received.into_iter().zip(read) {
            values.host.insert(value, Tensor::new(dtype, shape, Bytes::from(bytes))?);
        }
        let copies = copies.iter().filter_map(Event::nanoseconds).sum();
        Ok(Took { kernels: events.iter().map(Event::nanoseconds).sum(), copies, bytes })
    }

    /// Finds the rows of a claim, and makes room for its tensors.
    fn prepare<'a>(&mut self, shared: Shared<'a>, claim: usize, values: &mut Values) -> Result<Run<'a>, FpgaError> {
        let its = &shared.claims[claim];
        let spec = &shared.manifest.kernels[its.kernel];
        let rows = rows(shared, spec, &its.values, values)?;
        let chunks = if spec.batch.is_empty() { vec![WHOLE] } else { chunks(rows, &spec.batch) };
        let run = Run { claim, values: &its.values, spec, chunks };
        let largest = run.chunks.iter().map(|chunk| chunk.size).max().unwrap_or(0);
        for (place, (value, layout)) in run.tensors(shared.loaded) {
            let too_long = || OpenClError::Largest {
                device: self.device.info.name.clone(),
                wanted: u64::MAX,
                largest: self.device.info.largest_buffer,
            };
            let one = layout.bytes(largest).ok_or_else(too_long)?;
            let all = layout.bytes(rows).ok_or_else(too_long)?;
            self.grow(Slot::Value(value), if run.is_whole(layout) { one.max(all) } else { all }, values.until)?;
            if !run.is_whole(layout) {
                self.grow(Slot::Launch(claim, place), one, values.until)?;
            }
            if matches!(spec.arguments[place], Argument::Output(..)) {
                values.device.insert(value, layout.dimensions(rows));
            }
        }
        Ok(run)
    }

    /// Makes a piece of memory at least that long. Its content is lost where it grows, so this comes before any copy.
    fn grow(&mut self, slot: Slot, bytes: u64, until: Option<Deadline>) -> Result<(), OpenClError> {
        if self.memory.get(&slot).is_some_and(|buffer| buffer.bytes() >= bytes) {
            return Ok(());
        }
        // What a value held for an earlier phase of this call moves along.
        let old = self.memory.remove(&slot);
        let new = Buffer::new(&self.device, bytes)?;
        if let (Some(old), Slot::Value(_)) = (&old, slot) {
            self.queue.run(until, |batch| batch.copy((old, 0), (&new, 0), old.bytes()))?;
        }
        self.memory.insert(slot, new);
        Ok(())
    }
}

/// The rows that all inputs of a kernel have.
fn rows(shared: Shared<'_>, spec: &KernelSpec, places: &[Option<ValueId>], values: &Values) -> Result<u64, FpgaError> {
    let mut common = None;
    for (argument, value) in spec.arguments.iter().zip(places) {
        let (Argument::Input(_, layout), Some(value)) = (argument, value) else { continue };
        if shared.loaded.constants.contains_key(value) {
            continue;
        }
        let shape = values.device.get(value);
        let dtype = values.host.get(value).map_or(layout.dtype, Tensor::dtype);
        let rows = shape.and_then(|shape| layout.rows(shape)).filter(|_| dtype == layout.dtype);
        let mismatch = |expected: String| FpgaError::Value {
            value: shared.names[value.0].to_string(),
            actual: format!("{dtype} {:?}", shape.map_or(&[][..], |shape| shape)),
            kernel: spec.name.clone(),
            expected,
        };
        let rows = rows.ok_or_else(|| mismatch(layout.to_string()))?;
        if !layout.has_rows() {
            continue;
        }
        if common.is_some_and(|common| common != rows) {
            return Err(mismatch(format!("as many rows as in its other inputs, {}", common.unwrap_or(0))));
        }
        common = Some(rows);
    }
    Ok(common.unwrap_or(0))
}

fn at(memory: &HashMap<Slot, Buffer>, slot: Slot) -> Result<&Buffer, OpenClError> {
    let reason = || "a value of the plan is not on the device".to_owned();
    memory.get(&slot).ok_or_else(|| OpenClError::Call { call: "launch", reason: reason() })
}

impl<'a> Run<'a> {
    /// Arguments that are values of the call, by their places.
    fn tensors(&self, loaded: &Loaded) -> BTreeMap<usize, (ValueId, &'a Layout)> {
        let spec = self.spec;
        let all = spec.arguments.iter().zip(self.values).enumerate();
        all.filter_map(|(place, (argument, value))| Some((place, ((*value)?, argument.layout()?))))
            .filter(|(_, (value, _))| !loaded.constants.contains_key(value))
            .collect()
    }

    /// The layout of a value that this claim computes.
    fn output(&self, value: ValueId) -> Option<&'a Layout> {
        let spec = self.spec;
        spec.arguments.iter().zip(self.values).find_map(|(argument, its)| match argument {
            Argument::Output(_, layout) if *its == Some(value) => Some(layout),
            _ => None,
        })
    }

    /// Whether a launch takes all of a tensor, and not a copy of some rows.
    fn is_whole(&self, layout: &Layout) -> bool {
        self.chunks.len() < 2 || !layout.has_rows()
    }

    /// Queues one launch, with copies of its rows before and behind it where a call has several.
    fn launch(
        &self,
        batch: &Batch<'_>,
        chunk: Chunk,
        shared: Shared<'_>,
        memory: &HashMap<Slot, Buffer>,
    ) -> Result<Event, OpenClError> {
        let tensors = self.tensors(shared.loaded);
        let slot = |place: usize, value: ValueId, layout: &Layout| {
            if self.is_whole(layout) { Slot::Value(value) } else { Slot::Launch(self.claim, place) }
        };
        for (place, (value, layout)) in &tensors {
            if !layout.has_rows() || !matches!(self.spec.arguments[*place], Argument::Input(..)) {
                continue;
            }
            let row = layout.bytes(1).unwrap_or(0);
            let to = at(memory, slot(*place, *value, layout))?;
            if !self.is_whole(layout) {
                let from = (at(memory, Slot::Value(*value))?, chunk.first * row);
                batch.copy(from, (to, 0), chunk.rows * row)?;
            }
            // Rows that nobody reads the results of, but that must not be numbers by chance.
            batch.fill(to, chunk.rows * row, (chunk.size - chunk.rows) * row, 0)?;
        }
        let mut args = Vec::with_capacity(self.spec.arguments.len());
        for (place, (argument, value)) in self.spec.arguments.iter().zip(self.values).enumerate() {
            args.push(match argument {
                Argument::Rows(Number::Int) => Arg::Int(chunk.size as i32),
                Argument::Rows(Number::Long) => Arg::Long(chunk.size as i64),
                Argument::Int(number) => Arg::Int(*number),
                Argument::Long(number) => Arg::Long(*number),
                Argument::Float(number) => Arg::Float(*number),
                Argument::Input(..) | Argument::Output(..) | Argument::Constant(..) => {
                    let constant = value.and_then(|value| shared.loaded.constants.get(&value));
                    match (constant, tensors.get(&place)) {
                        (Some(buffer), _) => Arg::Buffer(buffer),
                        (None, Some((value, layout))) => Arg::Buffer(at(memory, slot(place, *value, layout))?),
                        (None, None) => Arg::Null,
                    }
                }
            });
        }
        let items = self.spec.items.map(|size| size.of(chunk.size) as usize);
        let kernel = &shared.loaded.kernels[shared.claims[self.claim].kernel];
        let event = batch.launch(kernel, Grid { items, group: self.spec.group }, &args)?;
        for (place, (value, layout)) in &tensors {
            if self.is_whole(layout) || !matches!(self.spec.arguments[*place], Argument::Output(..)) {
                continue;
            }
            let row = layout.bytes(1).unwrap_or(0);
            let to = (at(memory, Slot::Value(*value))?, chunk.first * row);
            batch.copy((at(memory, Slot::Launch(self.claim, *place))?, 0), to, chunk.rows * row)?;
        }
        Ok(event)
    }
}
