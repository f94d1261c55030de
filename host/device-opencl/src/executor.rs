//! A model on a device that compiles programs from their text: plans by input shapes, weights shared by all of them, and contexts in
//! which calls run side by side.

mod context;
mod kept;
mod plans;

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use bytes::Bytes;
use context::{Context, Destination, Output, Part, Parts};
use kept::{Kept, Shelf};
use parking_lot::{Condvar, Mutex};
use plans::{Plans, Ready};
use scorehost_core::{
    Copied, Deadline, DeviceKind, DeviceMemory, DeviceTensor, Failure, MemoryId, NamedTensor, NamedTensors, NamedValue,
    NamedValues, OutputSet, Precision, Shape, Signature, Tensor, TensorSpec, Value,
};
use scorehost_graph::{Fold, Model};
use scorehost_plan::{Cost, Port, Style, common_rows, with_rows};

use crate::OpenClError;
use crate::driver::Device;

/// The platform name of the Open Inference Protocol.
const PLATFORM: &str = "scorehost_opencl";
/// How long a call waits for a context.
const PATIENCE: Duration = Duration::from_secs(30);

/// How a model is loaded.
#[derive(Clone)]
pub struct LoadOptions {
    /// What F32 is stored as; arithmetic is in F32 always.
    pub precision: Precision,
    /// Evaluates what depends on constants and shapes only.
    pub fold: Arc<dyn Fold + Send + Sync>,
    /// Calls that run at a time, each with memory of its own; others wait.
    pub contexts: usize,
    /// Fills memory with NaN before each call, so that a test finds elements that nothing wrote.
    pub poison: bool,
    /// Whether calls with other numbers of rows share a plan, where the graph computes each row by itself: more than eight rows are
    /// filled up to the next of a few batch sizes.
    pub batches: bool,
    /// How work is cut; what fits the device's type when unset.
    pub style: Option<Style>,
}

/// A model whose weights are on a device.
pub struct OpenClGraph {
    device: Arc<Device>,
    signature: Signature,
    /// Whether calls may be merged, or why not.
    batch: Result<(), Arc<str>>,
    options: LoadOptions,
    contexts: Mutex<Contexts>,
    returned: Condvar,
    plans: Plans,
    /// Where outputs stay.
    shelf: Arc<Shelf>,
}

#[derive(Default)]
struct Contexts {
    idle: Vec<Context>,
    made: usize,
}

/// Loads a model that passed `scorehost_graph`'s checks.
pub(crate) fn load(device: &Arc<Device>, model: &Model, options: LoadOptions) -> Result<OpenClGraph, OpenClError> {
    device.check()?;
    if !device.info.compiler {
        return Err(OpenClError::NoCompiler { device: device.info.name.clone() });
    }
    let plans = Plans::new(device, model, &options)?;
    let batch = plans.batch();
    let graph = OpenClGraph {
        device: Arc::clone(device),
        signature: model.signature().clone(),
        contexts: Mutex::default(),
        returned: Condvar::new(),
        plans,
        shelf: Shelf::new(device)?,
        batch,
        options,
    };
    graph.try_smallest()?;
    Ok(graph)
}

impl OpenClGraph {
    /// Plans and compiles the smallest call where the signature says enough, so that what cannot run is refused at load and the first
    /// call compiles nothing.
    fn try_smallest(&self) -> Result<(), OpenClError> {
        let smallest = |spec: &TensorSpec| -> Option<Shape> {
            let free = |(d, size): (usize, &i64)| if d == 0 && *size < 0 { Some(1) } else { u64::try_from(*size).ok() };
            spec.shape.iter().enumerate().map(free).collect()
        };
        let shapes: Option<Vec<Shape>> = self.signature.inputs.iter().map(smallest).collect();
        shapes.map_or(Ok(()), |shapes| self.plans.get(&shapes).map(drop))
    }

    /// What one call with these input shapes must move and compute at least.
    ///
    /// # Errors
    /// Where the shapes do not work in this graph.
    pub fn cost(&self, inputs: &[Shape]) -> Result<Cost, OpenClError> {
        self.plans.get(inputs).map(|ready| ready.plan.cost())
    }

    fn take(&self, until: Option<Deadline>) -> Result<Context, OpenClError> {
        let patience = Instant::now() + PATIENCE;
        let deadline = until.map_or(patience, |until| until.instant().min(patience));
        let mut contexts = self.contexts.lock();
        loop {
            if let Some(context) = contexts.idle.pop() {
                return Ok(context);
            }
            if contexts.made < self.options.contexts.max(1) {
                contexts.made += 1;
                drop(contexts);
                return Context::new(&self.device, self.options.poison).inspect_err(|_| {
                    self.contexts.lock().made -= 1;
                    self.returned.notify_one();
                });
            }
            if self.returned.wait_until(&mut contexts, deadline).timed_out() {
                let device = self.device.info.name.clone();
                return Err(if deadline < patience {
                    OpenClError::Deadline { device }
                } else {
                    OpenClError::Busy { device, contexts: contexts.made }
                });
            }
        }
    }

    fn give_back(&self, context: Context) {
        let mut contexts = self.contexts.lock();
        if context.is_spent() {
            // The device has it until the work is over; another one takes its place.
            contexts.made -= 1;
        } else {
            contexts.idle.push(context);
        }
        drop(contexts);
        self.returned.notify_one();
    }

    /// Every call's inputs in the signature's order, with the shapes that they have together.
    fn ordered<'v>(&self, calls: &[&'v [NamedValue]]) -> Result<(Vec<Shape>, Vec<Vec<&'v Value>>), OpenClError> {
        let mut shapes: Vec<Shape> = Vec::with_capacity(self.signature.inputs.len());
        let mut inputs = Vec::with_capacity(self.signature.inputs.len());
        for spec in &self.signature.inputs {
            let mut values = Vec::with_capacity(calls.len());
            for call in calls {
                values.push(self.input(spec, call)?);
            }
            let mut shape = values.first().map(|value| Shape::from(value.shape())).unwrap_or_default();
            if let ([_, others @ ..], Some(rows)) = (&*values, shape.first_mut()) {
                *rows += others.iter().filter_map(|value| value.shape().first()).sum::<u64>();
            }
            shapes.push(shape);
            inputs.push(values);
        }
        Ok((shapes, inputs))
    }

    fn input<'v>(&self, spec: &TensorSpec, call: &'v [NamedValue]) -> Result<&'v Value, OpenClError> {
        let names = |all: &mut dyn Iterator<Item = &str>| all.collect::<Vec<_>>().join(", ");
        let mismatch = || OpenClError::Inputs {
            expected: names(&mut self.signature.inputs.iter().map(|spec| &*spec.name)),
            actual: names(&mut call.iter().map(|input| &*input.name)),
        };
        let found = call.iter().find(|input| input.name == spec.name);
        let value = &found.filter(|_| call.len() == self.signature.inputs.len()).ok_or_else(mismatch)?.value;
        if value.dtype() != spec.dtype {
            let (name, actual) = (spec.name.to_string(), value.dtype());
            return Err(OpenClError::InputType { name, expected: spec.dtype, actual });
        }
        Ok(value)
    }

    fn parts<'v>(&self, values: &[&'v Value]) -> Result<Parts<'v>, Failure> {
        values.iter().map(|value| self.part(value)).collect()
    }

    /// Where the elements of an input are: here, or in the host's memory, to which another device's come first.
    fn part<'v>(&self, value: &'v Value) -> Result<Part<'v>, Failure> {
        let here = match value {
            Value::Device(tensor) => Kept::of(tensor, &self.device),
            Value::Host(_) => None,
        };
        if let Some((buffer, offset)) = here {
            return Ok(Part::Device { buffer, offset, bytes: value.byte_len() });
        }
        let bytes = value.fetch()?.data().clone();
        Copied::ToDevice.count(bytes.len());
        Ok(Part::Host(bytes))
    }

    fn execute(
        &self,
        calls: &[&[NamedValue]],
        outputs: &[usize],
        keep: OutputSet,
        until: Option<Deadline>,
    ) -> Result<NamedValues, Failure> {
        self.device.check()?;
        let (shapes, values) = self.ordered(calls)?;
        let rows = if self.options.batches && self.batch.is_ok() { common_rows(&shapes) } else { None };
        let ready = self.plans.get(&rows.map_or_else(|| shapes.clone(), |rows| filled_up(&shapes, rows)))?;
        let inputs: Vec<Parts<'_>> = values.iter().map(|values| self.parts(values)).collect::<Result<_, _>>()?;
        let made: Vec<Output> = outputs.iter().map(|index| self.output(&ready, *index, rows, keep)).collect();
        let mut context = self.take(until)?;
        self.device.running.fetch_add(1, Ordering::Relaxed);
        let started = Instant::now();
        let result = context.run(&ready, &inputs, &made, until);
        self.device.busy_micros.fetch_add(started.elapsed().as_micros() as u64, Ordering::Relaxed);
        self.device.running.fetch_sub(1, Ordering::Relaxed);
        self.give_back(context);
        let mut read = result?.into_iter();
        made.into_iter().map(|output| self.value(&ready, output, rows, &mut read)).collect()
    }

    /// Where an output of a run goes; `keep` are those that may stay here.
    fn output(&self, ready: &Ready, index: usize, rows: Option<u64>, keep: OutputSet) -> Output {
        let port = &ready.plan.outputs[index];
        let to = match shown(port, rows).1 {
            _ if port.constant.is_some() => Destination::Constant,
            bytes if keep.has(index) && bytes > 0 => {
                self.shelf.keep(bytes).map_or(Destination::Host(bytes), Destination::Device)
            }
            bytes => Destination::Host(bytes),
        };
        Output { index, to }
    }

    /// `read`: what was copied to the host, in order.
    fn value(
        &self,
        ready: &Ready,
        output: Output,
        rows: Option<u64>,
        read: &mut impl Iterator<Item = Vec<u8>>,
    ) -> Result<NamedValue, Failure> {
        let port = &ready.plan.outputs[output.index];
        let name = self.signature.outputs[output.index].name.clone();
        let shape = shown(port, rows).0;
        let value = match (output.to, &port.constant) {
            (Destination::Constant, constant) => Value::Host(constant.clone().ok_or_else(|| no_constant(&name))?),
            (Destination::Host(_), _) => {
                let bytes = read.next().unwrap_or_default();
                Copied::Result.count(bytes.len());
                Value::Host(Tensor::new(port.dtype, shape, Bytes::from(bytes))?)
            }
            (Destination::Device(kept), _) => {
                let memory: Arc<dyn DeviceMemory> = Arc::new(kept);
                Value::Device(DeviceTensor::new(port.dtype, shape, memory, 0)?)
            }
        };
        Ok(NamedValue { name, value })
    }
}

fn no_constant(name: &str) -> Failure {
    Failure::internal(format!("output '{name}' is no constant"))
}

/// Shape and bytes of an output without the rows that only fill up its batch bucket.
fn shown(port: &Port, rows: Option<u64>) -> (Shape, u64) {
    let (mut shape, mut bytes) = (port.shape.clone(), port.bytes);
    if let (Some(rows), Some(first)) = (rows, shape.first_mut()) {
        bytes = bytes.checked_div(*first).unwrap_or(0) * rows;
        *first = rows;
    }
    (shape, bytes)
}

/// The same shapes with the rows of the batch bucket: as they are up to 8, then multiples of an eighth of the next power of two.
fn filled_up(shapes: &[Shape], rows: u64) -> Vec<Shape> {
    let step = (rows.next_power_of_two() / 8).max(1);
    with_rows(shapes, rows.next_multiple_of(step))
}

impl scorehost_core::Graph for OpenClGraph {
    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn platform(&self) -> &'static str {
        PLATFORM
    }

    fn run(&self, inputs: &[NamedTensor], outputs: &[usize]) -> Result<NamedTensors, Failure> {
        self.run_until(inputs, outputs, None)
    }

    fn run_until(
        &self,
        inputs: &[NamedTensor],
        outputs: &[usize],
        until: Option<Deadline>,
    ) -> Result<NamedTensors, Failure> {
        let inputs: NamedValues = inputs.iter().cloned().map(NamedValue::from).collect();
        self.execute(&[&inputs], outputs, OutputSet::NONE, until)?.into_iter().map(NamedValue::fetch).collect()
    }

    fn memory(&self) -> Option<MemoryId> {
        Some(self.device.memory.clone())
    }

    fn run_calls(
        &self,
        calls: &[&[NamedValue]],
        outputs: &[usize],
        keep: OutputSet,
        until: Option<Deadline>,
    ) -> Result<NamedValues, Failure> {
        self.execute(calls, outputs, keep, until)
    }

    fn memory_bytes(&self) -> u64 {
        let contexts: u64 = self.contexts.lock().idle.iter().map(Context::bytes).sum();
        self.plans.weight_bytes() + contexts + self.shelf.bytes()
    }

    fn device(&self) -> DeviceKind {
        DeviceKind::Gpu
    }

    fn health(&self) -> Result<(), Failure> {
        Ok(self.device.check()?)
    }

    fn batch(&self) -> Result<(), Arc<str>> {
        self.batch.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn batches_fill_up_to_few_sizes_and_never_shrink() {
        let bucket = |rows| filled_up(&[Shape::from_slice(&[rows, 3])], rows)[0][0];
        assert_eq!([1, 2, 3, 5, 8, 9, 17, 33, 64].map(bucket), [1, 2, 3, 5, 8, 10, 20, 40, 64]);
        assert!((1..300).all(|rows| bucket(rows) >= rows && bucket(rows) * 4 <= rows * 5));
    }
}
