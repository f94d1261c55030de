//! A model on a GPU: plans by input shapes, weights shared by all of them, and contexts in which calls run side by side.

mod context;
mod plans;

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use bytes::Bytes;
use context::Context;
use parking_lot::{Condvar, Mutex};
use plans::Plans;
use scorehost_core::{DeviceKind, Failure, NamedTensor, NamedTensors, Shape, Signature, Tensor};
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

    /// Tensors in the signature's order.
    fn ordered<'t>(&self, inputs: &'t [NamedTensor]) -> Result<Vec<&'t Tensor>, CudaError> {
        let names = |all: &mut dyn Iterator<Item = &str>| all.collect::<Vec<_>>().join(", ");
        let mismatch = || CudaError::Inputs {
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
                return Err(CudaError::InputType { name, expected: spec.dtype, actual });
            }
            ordered.push(tensor);
        }
        Ok(ordered)
    }

    fn execute(&self, inputs: &[NamedTensor], outputs: &[usize]) -> Result<NamedTensors, CudaError> {
        self.gpu.check()?;
        let tensors = self.ordered(inputs)?;
        let shapes: Vec<Shape> = tensors.iter().map(|tensor| Shape::from(tensor.shape())).collect();
        let rows = if self.options.batches && self.batch.is_ok() { common_rows(&shapes) } else { None };
        let bucket = rows.map_or_else(|| shapes.clone(), |rows| filled_up(&shapes, rows));
        let plan = self.plans.get(&bucket)?;
        let mut context = self.take()?;
        self.gpu.running.fetch_add(1, Ordering::Relaxed);
        let started = Instant::now();
        let result = context
            .prepare(&plan, &self.plans)
            .and_then(|()| context.run(&plan, &tensors, &self.plans))
            .and_then(|()| outputs.iter().map(|index| self.output(&context, &plan, *index, rows)).collect());
        self.gpu.busy_micros.fetch_add(started.elapsed().as_micros() as u64, Ordering::Relaxed);
        self.gpu.running.fetch_sub(1, Ordering::Relaxed);
        self.give_back(context);
        result
    }

    fn output(
        &self,
        context: &Context,
        plan: &Plan,
        index: usize,
        rows: Option<u64>,
    ) -> Result<NamedTensor, CudaError> {
        let port: &Port = &plan.outputs[index];
        let name = self.signature.outputs[index].name.clone();
        if let Some(constant) = &port.constant {
            return Ok(NamedTensor::new(name, constant.clone()));
        }
        let whole = context.output(plan, index);
        let mut shape = port.shape.clone();
        let mut length = whole.len();
        if let (Some(rows), Some(first)) = (rows, shape.first_mut()) {
            length = length.checked_div(*first as usize).unwrap_or(0) * rows as usize;
            *first = rows;
        }
        let tensor = Tensor::new(port.dtype, shape, Bytes::copy_from_slice(&whole[..length]))?;
        Ok(NamedTensor::new(name, tensor))
    }
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
