//! Where one call at a time runs: a queue, an arena, staging memory, and recordings of the plans it has run.

use std::sync::Arc;

use scorehost_core::Tensor;

use super::plans::Plans;
use crate::CudaError;
use crate::driver::{Gpu, Memory, Pinned, Recording, Stream};
use scorehost_plan::launch::{Kernel, Place, Work};
use scorehost_plan::view::Base;
use scorehost_plan::{Plan, Port};

/// Recordings kept at most.
const MAX_RECORDINGS: usize = 32;
/// Memory that a matrix product may use while it runs.
const SCRATCH: u64 = 32 << 20;
/// Bytes from which a copy to staging memory is shared by threads, and how many.
const LARGE: usize = 2 << 20;
const COPIERS: usize = 4;
/// Alignment of tensors in staging memory.
const ALIGN: usize = 64;

pub(super) struct Context {
    gpu: Arc<Gpu>,
    /// Latest use last. Declared before the memory that they hold the addresses of.
    recordings: Vec<(Arc<Plan>, Option<Recording>)>,
    stream: Arc<Stream>,
    scratch: Option<Memory>,
    arena: Option<Memory>,
    staged_in: Pinned,
    staged_out: Pinned,
    poison: bool,
}

/// Offsets of ports in staging memory, and their bytes together.
fn staging(ports: &[Port]) -> (Vec<usize>, usize) {
    let mut end = 0usize;
    let offsets = ports
        .iter()
        .map(|port| {
            let at = end;
            end += if port.constant.is_some() { 0 } else { (port.bytes as usize).next_multiple_of(ALIGN) };
            at
        })
        .collect();
    (offsets, end)
}

impl Context {
    pub(super) fn new(gpu: &Arc<Gpu>, poison: bool) -> Result<Self, CudaError> {
        Ok(Self {
            recordings: Vec::new(),
            stream: Arc::new(Stream::new(gpu)?),
            scratch: None,
            arena: None,
            staged_in: Pinned::new(gpu, ALIGN)?,
            staged_out: Pinned::new(gpu, ALIGN)?,
            gpu: Arc::clone(gpu),
            poison,
        })
    }

    /// Bytes of device memory held.
    pub(super) fn bytes(&self) -> u64 {
        [&self.arena, &self.scratch].into_iter().flatten().map(Memory::bytes).sum()
    }

    /// Makes room for a plan and records it, where that has not happened yet.
    pub(super) fn prepare(&mut self, plan: &Arc<Plan>, plans: &Plans) -> Result<(), CudaError> {
        self.gpu.bind()?;
        self.make_room(plan)?;
        if let Some(at) = self.recordings.iter().position(|(recorded, _)| Arc::ptr_eq(recorded, plan)) {
            let recent = self.recordings.remove(at);
            self.recordings.push(recent);
            return Ok(());
        }
        let kernels: Vec<(Kernel, u32)> = plan
            .launches
            .iter()
            .filter_map(|launch| match &launch.work {
                Work::Kernel { kernel, shared, .. } => Some((kernel.clone(), *shared)),
                _ => None,
            })
            .collect();
        self.gpu.prepare(&kernels)?;
        let recording = self.record(plan, plans)?;
        if self.recordings.len() >= MAX_RECORDINGS {
            self.recordings.remove(0);
        }
        self.recordings.push((Arc::clone(plan), recording));
        Ok(())
    }

    fn make_room(&mut self, plan: &Plan) -> Result<(), CudaError> {
        let (input, output) = (staging(&plan.inputs).1, staging(&plan.outputs).1);
        let large = self.arena.as_ref().is_some_and(|arena| arena.bytes() >= plan.arena_bytes);
        if large && self.scratch.is_some() && self.staged_in.len() >= input && self.staged_out.len() >= output {
            return Ok(());
        }
        self.stream.wait()?;
        // Recordings hold addresses; and the old arena goes first, so that both need not fit at once.
        self.recordings.clear();
        if !large {
            self.arena = None;
            self.arena = Some(Memory::new(&self.gpu, plan.arena_bytes)?);
        }
        if self.scratch.is_none() {
            self.scratch = Some(Memory::new(&self.gpu, SCRATCH)?);
        }
        if self.staged_in.len() < input {
            self.staged_in = Pinned::new(&self.gpu, input)?;
        }
        if self.staged_out.len() < output {
            self.staged_out = Pinned::new(&self.gpu, output)?;
        }
        Ok(())
    }

    /// Copies in, work and copies out as one recording; `None` where the driver cannot record them, so that they are
    /// queued one by one.
    fn record(&mut self, plan: &Arc<Plan>, plans: &Plans) -> Result<Option<Recording>, CudaError> {
        // The library sets itself up at its first call of a kind, which must not happen while recording.
        self.queue(plan, plans)?;
        self.stream.wait()?;
        let stream = Arc::clone(&self.stream);
        match stream.record(|| self.queue(plan, plans)) {
            Ok(recording) => Ok(Some(recording)),
            Err(reason) => {
                self.gpu.check()?;
                tracing::debug!(%reason, "a plan cannot be recorded and is queued launch by launch");
                Ok(None)
            }
        }
    }

    fn queue(&mut self, plan: &Plan, plans: &Plans) -> Result<(), CudaError> {
        let stream = Arc::clone(&self.stream);
        let missing = || CudaError::Call { call: "launch", reason: "the context has no memory".to_owned() };
        let (arena, scratch) = (self.arena.as_ref().ok_or_else(missing)?, self.scratch.as_ref().ok_or_else(missing)?);
        let (into, _) = staging(&plan.inputs);
        for (port, at) in plan.inputs.iter().zip(into) {
            stream.upload(&self.staged_in, at, arena, port.offset, port.bytes as usize)?;
        }
        let weights = plans.weights.read();
        let address = |place: &Place| match place.base {
            Base::Buffer(id) => plan.offsets.get(id).map(|offset| arena.address() + offset + place.offset),
            Base::Weight(id) => weights.get(id)?.as_ref().map(|memory| memory.address() + place.offset),
        };
        for launch in &plan.launches {
            stream.launch(&launch.work, &address, scratch).map_err(|error| in_node(error, &launch.node))?;
        }
        let (out, _) = staging(&plan.outputs);
        for (port, at) in plan.outputs.iter().zip(out).filter(|(port, _)| port.constant.is_none()) {
            stream.download(arena, port.offset, &mut self.staged_out, at, port.bytes as usize)?;
        }
        Ok(())
    }

    /// Runs a prepared plan and waits for it.
    pub(super) fn run(&mut self, plan: &Arc<Plan>, inputs: &[&Tensor], plans: &Plans) -> Result<(), CudaError> {
        let (offsets, _) = staging(&plan.inputs);
        for ((port, at), tensor) in plan.inputs.iter().zip(offsets).zip(inputs) {
            let staged = &mut self.staged_in.slice_mut()[at..at + port.bytes as usize];
            let (data, rest) = staged.split_at_mut(tensor.data().len().min(port.bytes as usize));
            copy(data, &tensor.data()[..data.len()]);
            rest.fill(0);
        }
        if self.poison {
            self.staged_out.slice_mut().fill(0xff);
            if let Some(arena) = &self.arena {
                self.stream.fill(arena, 0xff)?;
            }
        }
        let recorded = self.recordings.iter().rposition(|(recorded, _)| Arc::ptr_eq(recorded, plan));
        match recorded.and_then(|at| self.recordings[at].1.as_ref()) {
            Some(recording) => self.stream.start(recording)?,
            None => self.queue(plan, plans)?,
        }
        self.stream.wait()
    }

    /// The bytes of an output of the last run.
    pub(super) fn output(&self, plan: &Plan, index: usize) -> &[u8] {
        let (offsets, _) = staging(&plan.outputs);
        &self.staged_out.slice()[offsets[index]..offsets[index] + plan.outputs[index].bytes as usize]
    }
}

impl Drop for Context {
    fn drop(&mut self) {
        // Memory goes back to the driver when nothing uses it any more.
        let _ = self.gpu.bind().and_then(|()| self.stream.wait());
    }
}

/// Copies, with several threads where one would take longer than the device needs for the call.
fn copy(to: &mut [u8], from: &[u8]) {
    if to.len() < LARGE {
        to.copy_from_slice(from);
        return;
    }
    let share = to.len().div_ceil(COPIERS);
    std::thread::scope(|scope| {
        for (to, from) in to.chunks_mut(share).zip(from.chunks(share)) {
            scope.spawn(move || to.copy_from_slice(from));
        }
    });
}

fn in_node(error: CudaError, node: &str) -> CudaError {
    match error {
        CudaError::Call { call, reason } => CudaError::Call { call, reason: format!("node '{node}': {reason}") },
        other => other,
    }
}
