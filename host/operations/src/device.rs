//! Where operations run.

use scorehost_core::Tensor;

use crate::{Operation, OperationError, Watch};

/// Runs operations on tensors in a memory of its own.
pub trait Device: Send + Sync {
    /// Runs `operation` once and blocks until done; the outputs in the operation's order.
    ///
    /// # Errors
    /// Those of [`Operation::plan`], of the operation itself, and [`OperationError::Stopped`] where `watch` says so.
    fn run(&self, operation: &Operation, inputs: &[Tensor], watch: &Watch<'_>) -> Result<Vec<Tensor>, OperationError>;
}

/// The processor and the host's memory.
#[derive(Clone, Copy, Debug, Default)]
pub struct Cpu;

impl Device for Cpu {
    fn run(&self, operation: &Operation, inputs: &[Tensor], watch: &Watch<'_>) -> Result<Vec<Tensor>, OperationError> {
        operation.plan(inputs)?;
        operation.run(inputs, watch)
    }
}
