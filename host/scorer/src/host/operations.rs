//! Interfaces of `scorehost:operations`: work on tensors that stays in the host.
//!
//! An operation is checked, and refused where its result is more than the replica may hold, before anything is allocated. A long
//! one first lets others on its core go on: a call on the core that accepted its request moves to the scorer threads then, where its
//! service pays for the time as for the guest's own.

mod arrays;
mod detection;
mod images;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use scorehost_core::order::long_slice;
use scorehost_core::{ErrorKind, Failure, Value};
use scorehost_operations::{Operation, OperationError, Watch};
use wasmtime::component::Resource;

use super::TensorHandle;
use crate::bindings::scorer::scorehost::scoring::failures::Failure as GuestFailure;
use crate::state::{Held, State};

type Handle = Resource<TensorHandle>;
type Answer<T> = wasmtime::Result<Result<T, GuestFailure>>;

/// Work that is not begun on a core that accepts requests: a few times what a hand-over costs, as for models.
const LONG_NANOS: u64 = 200_000;

impl State {
    /// Runs an operation; gives the guest its one result.
    async fn operate(&mut self, operation: impl Into<Operation>, inputs: &[Handle]) -> Answer<Handle> {
        Ok(self.operate_for::<1>(operation.into(), inputs).await?.map(|[result]| result))
    }

    /// Runs an operation; gives the guest its `N` results.
    async fn operate_for<const N: usize>(&mut self, operation: Operation, inputs: &[Handle]) -> Answer<[Handle; N]> {
        let inputs = match self.operands(&operation, inputs)? {
            Ok(inputs) => inputs,
            Err(failure) => return Ok(Err(self.report(&failure))),
        };
        let outputs = self.results(&operation, &inputs).await.and_then(|outputs| {
            let count = outputs.len();
            <[Value; N]>::try_from(outputs)
                .map_err(|_| Failure::internal(format!("{} made {count} tensors, not {N}", operation.name())))
        });
        let outputs = match outputs {
            Ok(outputs) => outputs,
            Err(failure) => return Ok(Err(self.report(&failure))),
        };
        let mut handles = Vec::with_capacity(N);
        for output in outputs {
            handles.push(self.hold(output)?);
        }
        let count = handles.len();
        Ok(Ok(handles.try_into().map_err(|_| wasmtime::Error::msg(format!("{count} handles, not {N}")))?))
    }

    /// The inputs where the operation runs: on their device where that computes it, else in the host's memory.
    fn operands(&self, operation: &Operation, handles: &[Handle]) -> wasmtime::Result<Result<Vec<Value>, Failure>> {
        let held: Vec<&Held> = handles.iter().map(|handle| self.held(handle)).collect::<wasmtime::Result<_>>()?;
        let values: Vec<Value> = held.iter().map(|held| held.value.clone()).collect();
        // What came from the CPU has nothing to follow.
        let from_device = |held: &&Held| held.origin.is_some() || held.value.memory().is_some();
        if !held.iter().any(from_device) {
            return Ok(Ok(values));
        }
        if self.operations.follows(operation, &values) {
            held.iter().for_each(|held| self.used(held));
            return Ok(Ok(values));
        }
        Ok(held.into_iter().map(|held| self.fetch(held).map(Value::Host)).collect())
    }

    async fn results(&mut self, operation: &Operation, inputs: &[Value]) -> Result<Vec<Value>, Failure> {
        let plan = operation.plan(inputs)?;
        let room = self.check_room(plan.bytes);
        room.map_err(|error| Failure::new(ErrorKind::TooLarge, format!("{}: {error}", operation.name())))?;
        if plan.nanos > LONG_NANOS || self.operations.prepares(operation, inputs) {
            long_slice().await;
        }
        let (clock, deadline) = (Arc::clone(&self.clock), self.deadline);
        let stop = || deadline.passed(clock.now());
        if stop() {
            return Err(OperationError::Stopped.into());
        }
        let device = Arc::clone(&self.operations);
        let run = catch_unwind(AssertUnwindSafe(|| device.run(operation, inputs, &Watch::new(&stop))));
        Ok(run.map_err(|panic| Failure::of_panic(&*panic))??)
    }
}
