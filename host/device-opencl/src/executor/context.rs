//! Where one call at a time runs: a queue and an arena.

use std::sync::Arc;

use scorehost_core::Tensor;
use scorehost_plan::Port;

use super::plans::{Ready, Step, Value};
use crate::OpenClError;
use crate::driver::{Arg, Batch, Buffer, Device, Queue};

pub(super) struct Context {
    device: Arc<Device>,
    queue: Queue,
    arena: Option<Buffer>,
    poison: bool,
}

impl Context {
    pub(super) fn new(device: &Arc<Device>, poison: bool) -> Result<Self, OpenClError> {
        Ok(Self { device: Arc::clone(device), queue: Queue::new(device, false)?, arena: None, poison })
    }

    /// Bytes of device memory held.
    pub(super) fn bytes(&self) -> u64 {
        self.arena.as_ref().map_or(0, Buffer::bytes)
    }

    /// Runs a plan and gives the bytes of these outputs; empty for those that are constants.
    pub(super) fn run(
        &mut self,
        ready: &Ready,
        inputs: &[&Tensor],
        outputs: &[usize],
    ) -> Result<Vec<Vec<u8>>, OpenClError> {
        self.make_room(ready.plan.arena_bytes)?;
        let Some(arena) = &self.arena else { return Ok(Vec::new()) };
        let wanted: Vec<&Port> = outputs.iter().map(|index| &ready.plan.outputs[*index]).collect();
        let bytes = |port: &&Port| if port.constant.is_some() { 0 } else { port.bytes as usize };
        let mut results: Vec<Vec<u8>> = wanted.iter().map(|port| vec![0; bytes(port)]).collect();
        self.queue.run(|batch| {
            if self.poison {
                batch.fill(arena, 0, arena.bytes(), 0xff)?;
            }
            for (port, tensor) in ready.plan.inputs.iter().zip(inputs) {
                let given = tensor.data().len().min(port.bytes as usize);
                batch.write(arena, port.offset, &tensor.data()[..given])?;
                batch.fill(arena, port.offset + given as u64, port.bytes - given as u64, 0)?;
            }
            ready.steps.iter().try_for_each(|step| queue(batch, step, arena).map_err(|error| in_node(error, step)))?;
            for (port, result) in wanted.iter().zip(&mut results) {
                batch.read(arena, port.offset, result)?;
            }
            Ok(())
        })?;
        Ok(results)
    }

    fn make_room(&mut self, bytes: u64) -> Result<(), OpenClError> {
        if self.arena.as_ref().is_none_or(|arena| arena.bytes() < bytes) {
            // The old one goes first, so that both need not fit at once.
            self.arena = None;
            self.arena = Some(Buffer::new(&self.device, bytes)?);
        }
        Ok(())
    }
}

fn queue<'env>(batch: &Batch<'env>, step: &'env Step, arena: &'env Buffer) -> Result<(), OpenClError> {
    match step {
        Step::Zero { offset, bytes, .. } => batch.fill(arena, *offset, *bytes, 0),
        Step::Launch { kernel, grid, args, .. } => {
            let mut all = Vec::with_capacity(args.len() * 2);
            for arg in args {
                match arg {
                    Value::Arena(offset) => all.extend([Arg::Buffer(arena), Arg::Long(*offset)]),
                    Value::Weight(buffer, offset) => all.extend([Arg::Buffer(buffer), Arg::Long(*offset)]),
                    Value::Null => all.extend([Arg::Null, Arg::Long(0)]),
                    Value::Int(value) => all.push(Arg::Int(*value)),
                    Value::Float(value) => all.push(Arg::Float(*value)),
                    Value::Bytes(bytes) => all.push(Arg::Bytes(bytes)),
                }
            }
            batch.launch(kernel, *grid, &all).map(drop)
        }
    }
}

fn in_node(error: OpenClError, step: &Step) -> OpenClError {
    match error {
        OpenClError::Call { call, reason } => {
            OpenClError::Call { call, reason: format!("node '{}': {reason}", step.node()) }
        }
        other => other,
    }
}
