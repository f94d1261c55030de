//! Where operations run.

use scorehost_core::{NamedValue, Tensor, Value};

use crate::near::Near;
use crate::{Operation, OperationError, Watch};

/// Runs operations on values, wherever they are.
pub trait Device: Send + Sync {
    /// Runs `operation` once and blocks until done; the outputs in the operation's order.
    ///
    /// # Errors
    /// Those of [`Operation::plan`], of the operation itself, and [`OperationError::Stopped`] where `watch` says so.
    fn run(&self, operation: &Operation, inputs: &[Value], watch: &Watch<'_>) -> Result<Vec<Value>, OperationError>;

    /// Whether such an operation runs in the memory of a device where its inputs are there.
    fn follows(&self, operation: &Operation, inputs: &[Value]) -> bool {
        let _ = (operation, inputs);
        false
    }

    /// Whether running it begins with preparations that take a part of a second, such as compiling.
    fn prepares(&self, operation: &Operation, inputs: &[Value]) -> bool {
        let _ = (operation, inputs);
        false
    }
}

/// The processor and the host's memory.
#[derive(Clone, Copy, Debug, Default)]
pub struct Cpu;

impl Cpu {
    /// Runs `operation` on tensors of the host's.
    ///
    /// # Errors
    /// As [`Device::run`].
    pub fn compute(
        &self,
        operation: &Operation,
        inputs: &[Tensor],
        watch: &Watch<'_>,
    ) -> Result<Vec<Tensor>, OperationError> {
        operation.plan(inputs)?;
        operation.run(inputs, watch)
    }
}

impl Device for Cpu {
    fn run(&self, operation: &Operation, inputs: &[Value], watch: &Watch<'_>) -> Result<Vec<Value>, OperationError> {
        let inputs = inputs.iter().map(Value::fetch).collect::<Result<Vec<_>, _>>().map_err(OperationError::Device)?;
        Ok(self.compute(operation, &inputs, watch)?.into_iter().map(Value::Host).collect())
    }
}

/// Where the values are: on the device in whose memory one of the inputs is, as far as that computes the operation; else on the
/// processor.
#[derive(Default)]
pub struct WhereTheyAre(Near);

impl Device for WhereTheyAre {
    fn run(&self, operation: &Operation, inputs: &[Value], watch: &Watch<'_>) -> Result<Vec<Value>, OperationError> {
        match self.0.run(operation, inputs) {
            Some(Ok(values)) => Ok(values),
            Some(Err(reason)) => {
                // Its memory may be full, it may lack a kernel for these shapes; what cannot be, the processor refuses in its own words.
                tracing::debug!(operation = operation.name(), %reason, "computed on the processor");
                Cpu.run(operation, inputs, watch)
            }
            None => Cpu.run(operation, inputs, watch),
        }
    }

    fn follows(&self, operation: &Operation, inputs: &[Value]) -> bool {
        operation.plan(inputs).is_ok() && operation.model(inputs).is_some()
    }

    fn prepares(&self, operation: &Operation, inputs: &[Value]) -> bool {
        self.0.prepares(operation, inputs)
    }
}

/// An input of an operation's model.
pub(crate) fn named(index: usize, value: &Value) -> NamedValue {
    NamedValue { name: crate::model::input_name(index).into(), value: value.clone() }
}
