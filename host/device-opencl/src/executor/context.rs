//! Where one call at a time runs: a queue and an arena.

use std::sync::Arc;

use bytes::Bytes;
use scorehost_core::Deadline;
use scorehost_plan::Port;

use super::kept::Kept;
use super::plans::{Ready, Step, Value};
use crate::OpenClError;
use crate::driver::{Arg, Batch, Buffer, Device, Queue};

/// An input of a call: the inputs of the calls that run as one, in order.
pub(super) type Parts<'v> = Vec<Part<'v>>;

/// An input of one call.
pub(super) enum Part<'v> {
    Host(Bytes),
    Device { buffer: &'v Buffer, offset: u64, bytes: u64 },
}

impl Part<'_> {
    const fn bytes(&self) -> u64 {
        match self {
            Self::Host(bytes) => bytes.len() as u64,
            Self::Device { bytes, .. } => *bytes,
        }
    }
}

/// An output that is wanted.
pub(super) struct Output {
    /// Its place in the signature.
    pub(super) index: usize,
    pub(super) to: Destination,
}

/// Where an output goes.
pub(super) enum Destination {
    /// It does not depend on the inputs: nowhere.
    Constant,
    /// The host, so many bytes.
    Host(u64),
    Device(Kept),
}

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

    /// Whether a call has left work behind: then it is of no more use.
    pub(super) fn is_spent(&self) -> bool {
        self.queue.is_spent()
    }

    /// Runs a plan. Every output is copied to the host, which this returns in their order, or to the memory in which it stays.
    pub(super) fn run(
        &mut self,
        ready: &Ready,
        inputs: &[Parts<'_>],
        outputs: &[Output],
        until: Option<Deadline>,
    ) -> Result<Vec<Vec<u8>>, OpenClError> {
        self.make_room(ready.plan.arena_bytes)?;
        let Some(arena) = &self.arena else { return Ok(Vec::new()) };
        let ((), read) = self.queue.run(until, |batch| {
            if self.poison {
                batch.fill(arena, 0, arena.bytes(), 0xff)?;
            }
            for (port, parts) in ready.plan.inputs.iter().zip(inputs) {
                write(batch, arena, port, parts)?;
            }
            ready.steps.iter().try_for_each(|step| queue(batch, step, arena).map_err(|error| in_node(error, step)))?;
            for output in outputs {
                let from = ready.plan.outputs[output.index].offset;
                match &output.to {
                    Destination::Constant => {}
                    Destination::Host(bytes) => batch.read(arena, from, *bytes)?,
                    Destination::Device(kept) => {
                        let buffer = kept.buffer()?;
                        batch.copy((arena, from), (buffer, 0), buffer.bytes())?;
                    }
                }
            }
            Ok(())
        })?;
        Ok(read)
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

/// Queues an input's parts one behind the other, and zeros where the port has room for more rows.
fn write(batch: &Batch<'_>, arena: &Buffer, port: &Port, parts: &Parts<'_>) -> Result<(), OpenClError> {
    let (mut at, end) = (port.offset, port.offset + port.bytes);
    for part in parts {
        let length = part.bytes().min(end - at);
        match part {
            Part::Host(bytes) => batch.write(arena, at, &bytes.slice(..length as usize))?,
            Part::Device { buffer, offset, .. } => batch.copy((buffer, *offset), (arena, at), length)?,
        }
        at += length;
    }
    batch.fill(arena, at, end - at, 0)
}

fn queue(batch: &Batch<'_>, step: &Step, arena: &Buffer) -> Result<(), OpenClError> {
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
