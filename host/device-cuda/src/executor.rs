//! A model on a GPU: plans by input shapes, weights shared by all of them, and contexts in which calls run side by side.

mod context;
mod kept;
mod plans;

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use bytes::Bytes;
use context::{Context, Output, Part, Parts};
use kept::{Kept, Shelf};
use parking_lot::{Condvar, Mutex};
use plans::Plans;
use scorehost_core::{
    Copied, Deadline, DeviceKind, DeviceTensor, Failure, MemoryId, NamedTensor, NamedTensors, NamedValue, NamedValues,
    OutputSet, Shape, Signature, Tensor, TensorSpec, Value,
};
use scorehost_graph::Model;
use scorehost_plan::{common_rows, with_rows};

use crate::driver::Gpu;
use crate::plan::{Cost, Plan, Port};
use crate::{CudaError, LoadOptions};

/// The platform name of the Open Inference Protocol.
const PLATFORM: &str = "scorehost_cuda";
/// How long a call waits for a context.
const PATIENCE: Duration = Duration::from_secs(30);

/// A model whose weights are on a GPU.
pub struct CudaGraph {
    gpu: Arc<Gpu>,
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
pub(crate) fn load(gpu: &Arc<Gpu>, model: &Model, options: LoadOptions) -> Result<CudaGraph, CudaError> {
    let plans = Plans::new(gpu, model, &options)?;
    let batch = plans.batch();
    let signature = model.signature().clone();
    let graph = CudaGraph {
        gpu: Arc::clone(gpu),
        signature,
        contexts: Mutex::default(),
        returned: Condvar::new(),
        plans,
        shelf: Shelf::new(gpu),
        batch,
        options,
    };
    graph.try_smallest()?;
    Ok(graph)
}

impl CudaGraph {
    /// Plans and prepares the smallest call where the signature says enough, so that what cannot run is refused at load
    /// and the first call compiles nothing.
    fn try_smallest(&self) -> Result<(), CudaError> {
        let smallest = |spec: &scorehost_core::TensorSpec| -> Option<Shape> {
            let free = |(d, size): (usize, &i64)| if d == 0 && *size < 0 { Some(1) } else { u64::try_from(*size).ok() };
            spec.shape.iter().enumerate().map(free).collect()
        };
        let shapes: Option<Vec<Shape>> = self.signature.inputs.iter().map(smallest).collect();
        let Some(shapes) = shapes else { return Ok(()) };
        let plan = self.plans.get(&shapes)?;
        let mut context = self.take()?;
        let prepared = context.prepare(&plan, &self.plans);
        self.give_back(context);
        prepared
    }

    /// What one call with these input shapes must move and compute at least, for comparing with what the device can do.
    ///
    /// # Errors
    /// Where the shapes do not work in this graph.
    pub fn cost(&self, inputs: &[Shape]) -> Result<Cost, CudaError> {
        self.plans.get(inputs).map(|plan| plan.cost())
    }

    /// Number of the GPU that holds the model.
    #[must_use]
    pub fn ordinal(&self) -> usize {
        self.gpu.report.ordinal
    }

    /// Why the GPU runs nothing any more.
    ///
    /// # Errors
    /// `Lost` once a call has broken the device's context.
    pub fn check(&self) -> Result<(), CudaError> {
        self.gpu.check()
    }

    fn take(&self) -> Result<Context, CudaError> {
        let deadline = Instant::now() + PATIENCE;
        let mut contexts = self.contexts.lock();
        loop {
            if let Some(context) = contexts.idle.pop() {
                return Ok(context);
            }
            if contexts.made < self.options.contexts.max(1) {
                contexts.made += 1;
                drop(contexts);
                return Context::new(&self.gpu, self.options.poison).inspect_err(|_| {
                    self.contexts.lock().made -= 1;
                    self.returned.notify_one();
                });
            }
            if self.returned.wait_until(&mut contexts, deadline).timed_out() {
                return Err(CudaError::Busy { ordinal: self.ordinal(), contexts: contexts.made });
            }
        }
    }

    fn give_back(&self, context: Context) {
        self.contexts.lock().idle.push(context);
        self.returned.notify_one();
    }

    /// Every call's inputs in the signature's order, with the shapes that they have together.
    fn ordered<'v>(&self, calls: &[&'v [NamedValue]]) -> Result<(Vec<Shape>, Vec<Vec<&'v Value>>), CudaError> {
        let mut shapes: Vec<Shape> = Vec::with_capacity(self.signature.inputs.len());
        let mut inputs = Vec::with_capacity(self.signature.inputs.len());
        for spec in &self.signature.inputs {
            let values: Vec<&Value> = calls.iter().map(|call| self.input(spec, call)).collect::<Result<_, _>>()?;
            let mut shape = values.first().map(|value| Shape::from(value.shape())).unwrap_or_default();
            if let ([_, others @ ..], Some(rows)) = (&*values, shape.first_mut()) {
                *rows += others.iter().filter_map(|value| value.shape().first()).sum::<u64>();
            }
            shapes.push(shape);
            inputs.push(values);
        }
        Ok((shapes, inputs))
    }

    fn input<'v>(&self, spec: &TensorSpec, call: &'v [NamedValue]) -> Result<&'v Value, CudaError> {
        let names = |all: &mut dyn Iterator<Item = &str>| all.collect::<Vec<_>>().join(", ");
        let mismatch = || CudaError::Inputs {
            expected: names(&mut self.signature.inputs.iter().map(|spec| &*spec.name)),
            actual: names(&mut call.iter().map(|input| &*input.name)),
        };
        let found = call.iter().find(|input| input.name == spec.name);
        let value = &found.filter(|_| call.len() == self.signature.inputs.len()).ok_or_else(mismatch)?.value;
        if value.dtype() != spec.dtype {
            let (name, actual) = (spec.name.to_string(), value.dtype());
            return Err(CudaError::InputType { name, expected: spec.dtype, actual });
        }
        Ok(value)
    }

    fn parts<'v>(&self, values: &[&'v Value]) -> Result<Parts<'v>, Failure> {
        values.iter().map(|value| self.part(value)).collect()
    }

    /// Where the elements of an input are: here, or in the host's memory, to which another device's come first.
    fn part<'v>(&self, value: &'v Value) -> Result<Part<'v>, Failure> {
        let here = match value {
            Value::Device(tensor) => Kept::of(tensor, &self.gpu),
            Value::Host(_) => None,
        };
        if let Some((memory, offset)) = here {
            return Ok(Part::Device { memory, offset, bytes: value.byte_len() });
        }
        let bytes = value.fetch()?.data().clone();
        Copied::ToDevice.count(bytes.len());
        Ok(Part::Host(bytes))
    }

    fn execute(&self, calls: &[&[NamedValue]], outputs: &[usize], keep: OutputSet) -> Result<NamedValues, Failure> {
        self.gpu.check()?;
        let (shapes, values) = self.ordered(calls)?;
        let rows = if self.options.batches && self.batch.is_ok() { common_rows(&shapes) } else { None };
        let bucket = rows.map_or_else(|| shapes.clone(), |rows| filled_up(&shapes, rows));
        let plan = self.plans.get(&bucket)?;
        let inputs: Vec<Parts<'_>> = values.iter().map(|values| self.parts(values)).collect::<Result<_, _>>()?;
        let made: Vec<Output> = outputs.iter().map(|index| self.output(&plan, *index, rows, keep)).collect();
        let mut context = self.take()?;
        self.gpu.running.fetch_add(1, Ordering::Relaxed);
        let started = Instant::now();
        let result = match context.run(&plan, &inputs, &made, &self.plans) {
            Ok(()) => made.into_iter().map(|output| self.value(&context, &plan, output, rows)).collect(),
            Err(error) => Err(error.into()),
        };
        self.gpu.busy_micros.fetch_add(started.elapsed().as_micros() as u64, Ordering::Relaxed);
        self.gpu.running.fetch_sub(1, Ordering::Relaxed);
        self.give_back(context);
        result
    }

    /// Where an output of a run goes; `keep` are those that may stay here.
    fn output(&self, plan: &Plan, index: usize, rows: Option<u64>, keep: OutputSet) -> Output {
        let port = &plan.outputs[index];
        let bytes = shown(port, rows).1;
        let stays = keep.has(index) && bytes > 0 && port.constant.is_none();
        Output { index, kept: if stays { self.shelf.keep(bytes) } else { None } }
    }

    fn value(&self, context: &Context, plan: &Plan, output: Output, rows: Option<u64>) -> Result<NamedValue, Failure> {
        let port: &Port = &plan.outputs[output.index];
        let name = self.signature.outputs[output.index].name.clone();
        let (shape, bytes) = shown(port, rows);
        let value = match (output.kept, &port.constant) {
            (_, Some(constant)) => Value::Host(constant.clone()),
            (Some(kept), None) => Value::Device(DeviceTensor::new(port.dtype, shape, Arc::new(kept), 0)?),
            (None, None) => {
                let data = Bytes::copy_from_slice(&context.output(plan, output.index)[..bytes as usize]);
                Copied::Result.count(data.len());
                Value::Host(Tensor::new(port.dtype, shape, data)?)
            }
        };
        Ok(NamedValue { name, value })
    }
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

/// The same shapes with the rows of the batch bucket: powers of two up to 8, then multiples of an eighth of the next one.
fn filled_up(shapes: &[Shape], rows: u64) -> Vec<Shape> {
    let power = rows.next_power_of_two();
    let step = (power / 8).max(1);
    with_rows(shapes, if rows <= 8 { power } else { rows.next_multiple_of(step) })
}

impl scorehost_core::Graph for CudaGraph {
    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn platform(&self) -> &'static str {
        PLATFORM
    }

    fn run(&self, inputs: &[NamedTensor], outputs: &[usize]) -> Result<NamedTensors, Failure> {
        let inputs: NamedValues = inputs.iter().cloned().map(NamedValue::from).collect();
        self.execute(&[&inputs], outputs, OutputSet::NONE)?.into_iter().map(NamedValue::fetch).collect()
    }

    fn memory(&self) -> Option<MemoryId> {
        Some(self.gpu.memory.clone())
    }

    fn run_calls(
        &self,
        calls: &[&[NamedValue]],
        outputs: &[usize],
        keep: OutputSet,
        _: Option<Deadline>,
    ) -> Result<NamedValues, Failure> {
        self.execute(calls, outputs, keep)
    }

    fn memory_bytes(&self) -> u64 {
        let contexts: u64 = self.contexts.lock().idle.iter().map(Context::bytes).sum();
        self.plans.weight_bytes() + contexts + self.shelf.bytes()
    }

    fn device(&self) -> DeviceKind {
        DeviceKind::Gpu
    }

    fn health(&self) -> Result<(), Failure> {
        Ok(self.gpu.check()?)
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
        assert_eq!([1, 2, 3, 5, 8, 9, 17, 33, 64].map(bucket), [1, 2, 4, 8, 8, 10, 20, 40, 64]);
        assert!((1..300).all(|rows| bucket(rows) >= rows && bucket(rows) <= rows * 2));
    }
}
