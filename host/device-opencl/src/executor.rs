//! A model on a device that compiles programs from their text: plans by input shapes, weights shared by all of them, and contexts in
//! which calls run side by side.

mod context;
mod plans;

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use bytes::Bytes;
use context::Context;
use parking_lot::{Condvar, Mutex};
use plans::{Plans, Ready};
use scorehost_core::{DeviceKind, Failure, NamedTensor, NamedTensors, Shape, Signature, Tensor, TensorSpec};
use scorehost_graph::{Fold, Model};
use scorehost_plan::{Cost, Style, common_rows, with_rows};

use crate::OpenClError;
use crate::driver::Device;

/// The platform name of the Open Inference Protocol.
const PLATFORM: &str = "scorehost_opencl";
/// How long a call waits for a context.
const PATIENCE: Duration = Duration::from_secs(30);

/// How a model is loaded.
#[derive(Clone)]
pub struct LoadOptions {
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

    fn take(&self) -> Result<Context, OpenClError> {
        let deadline = Instant::now() + PATIENCE;
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
                return Err(OpenClError::Busy { device: self.device.info.name.clone(), contexts: contexts.made });
            }
        }
    }

    fn give_back(&self, context: Context) {
        self.contexts.lock().idle.push(context);
        self.returned.notify_one();
    }

    /// Tensors in the signature's order.
    fn ordered<'t>(&self, inputs: &'t [NamedTensor]) -> Result<Vec<&'t Tensor>, OpenClError> {
        let names = |all: &mut dyn Iterator<Item = &str>| all.collect::<Vec<_>>().join(", ");
        let mismatch = || OpenClError::Inputs {
            expected: names(&mut self.signature.inputs.iter().map(|spec| &*spec.name)),
            actual: names(&mut inputs.iter().map(|input| &*input.name)),
        };
        if inputs.len() != self.signature.inputs.len() {
            return Err(mismatch());
        }
        let mut ordered = Vec::with_capacity(inputs.len());
        for spec in &self.signature.inputs {
            let tensor = &inputs.iter().find(|input| input.name == spec.name).ok_or_else(mismatch)?.tensor;
            if tensor.dtype() != spec.dtype {
                let (name, actual) = (spec.name.to_string(), tensor.dtype());
                return Err(OpenClError::InputType { name, expected: spec.dtype, actual });
            }
            ordered.push(tensor);
        }
        Ok(ordered)
    }

    fn execute(&self, inputs: &[NamedTensor], outputs: &[usize]) -> Result<NamedTensors, OpenClError> {
        self.device.check()?;
        let tensors = self.ordered(inputs)?;
        let shapes: Vec<Shape> = tensors.iter().map(|tensor| Shape::from(tensor.shape())).collect();
        let rows = if self.options.batches && self.batch.is_ok() { common_rows(&shapes) } else { None };
        let ready = self.plans.get(&rows.map_or_else(|| shapes.clone(), |rows| filled_up(&shapes, rows)))?;
        let mut context = self.take()?;
        self.device.running.fetch_add(1, Ordering::Relaxed);
        let started = Instant::now();
        let result = context.run(&ready, &tensors, outputs);
        self.device.busy_micros.fetch_add(started.elapsed().as_micros() as u64, Ordering::Relaxed);
        self.device.running.fetch_sub(1, Ordering::Relaxed);
        self.give_back(context);
        let tensor = |(index, bytes): (&usize, Vec<u8>)| self.output(&ready, *index, bytes, rows);
        outputs.iter().zip(result?).map(tensor).collect()
    }

    fn output(
        &self,
        ready: &Ready,
        index: usize,
        mut bytes: Vec<u8>,
        rows: Option<u64>,
    ) -> Result<NamedTensor, OpenClError> {
        let port = &ready.plan.outputs[index];
        let name = self.signature.outputs[index].name.clone();
        if let Some(constant) = &port.constant {
            return Ok(NamedTensor::new(name, constant.clone()));
        }
        let mut shape = port.shape.clone();
        if let (Some(rows), Some(first)) = (rows, shape.first_mut()) {
            bytes.truncate(bytes.len().checked_div(*first as usize).unwrap_or(0) * rows as usize);
            *first = rows;
        }
        Ok(NamedTensor::new(name, Tensor::new(port.dtype, shape, Bytes::from(bytes))?))
    }
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
        Ok(self.execute(inputs, outputs)?)
    }

    fn memory_bytes(&self) -> u64 {
        let contexts: u64 = self.contexts.lock().idle.iter().map(Context::bytes).sum();
        self.plans.weight_bytes() + contexts
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
