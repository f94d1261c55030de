//! Where one call at a time runs: a queue, an arena, staging memory, and recordings of the plans it has run.

use std::sync::Arc;

use bytes::Bytes;

use super::kept::Kept;
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

/// An input of a call: the inputs of the calls that run as one, in order.
pub(super) type Parts<'v> = Vec<Part<'v>>;

/// An input of one call.
pub(super) enum Part<'v> {
    Host(Bytes),
    Device { memory: &'v Memory, offset: u64, bytes: u64 },
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
    /// Where it stays; it goes to staging memory, or is a constant, where there is nothing.
    pub(super) kept: Option<Kept>,
}

/// What a recording does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Scope {
    /// Copies in from staging memory, the work, and copies out.
    Whole,
    /// The work: some value comes from the device's memory or stays there.
    Work,
}

impl Scope {
    fn of(inputs: &[Parts<'_>], outputs: &[Output]) -> Self {
        let device = inputs.iter().flatten().any(|part| matches!(part, Part::Device { .. }));
        if device || outputs.iter().any(|output| output.kept.is_some()) { Self::Work } else { Self::Whole }
    }
}

/// A plan recorded on a context.
struct Recorded {
    plan: Arc<Plan>,
    scope: Scope,
    /// `None` where the driver cannot record it.
    recording: Option<Recording>,
}

pub(super) struct Context {
    gpu: Arc<Gpu>,
    /// Latest use last. Declared before the memory that they hold the addresses of.
    recordings: Vec<Recorded>,
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

    /// Makes room for a plan and records it for calls by way of the host's memory, where that has not happened yet.
    pub(super) fn prepare(&mut self, plan: &Arc<Plan>, plans: &Plans) -> Result<(), CudaError> {
        self.prepare_for(plan, plans, Scope::Whole)
    }

    fn prepare_for(&mut self, plan: &Arc<Plan>, plans: &Plans, scope: Scope) -> Result<(), CudaError> {
        self.gpu.bind()?;
        self.make_room(plan)?;
        if let Some(at) = self.recorded(plan, scope) {
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
        let recording = self.record(plan, plans, scope)?;
        if self.recordings.len() >= MAX_RECORDINGS {
            self.recordings.remove(0);
        }
        self.recordings.push(Recorded { plan: Arc::clone(plan), scope, recording });
        Ok(())
    }

    fn recorded(&self, plan: &Arc<Plan>, scope: Scope) -> Option<usize> {
        self.recordings.iter().rposition(|known| known.scope == scope && Arc::ptr_eq(&known.plan, plan))
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

    /// One recording of it all; `None` where the driver cannot record it, so that it is queued piece by piece.
    fn record(&mut self, plan: &Arc<Plan>, plans: &Plans, scope: Scope) -> Result<Option<Recording>, CudaError> {
        // The library sets itself up at its first call of a kind, which must not happen while recording.
        self.queue(plan, plans, Scope::Whole)?;
        self.stream.wait()?;
        let stream = Arc::clone(&self.stream);
        match stream.record(|| self.queue(plan, plans, scope)) {
            Ok(recording) => Ok(Some(recording)),
            Err(reason) => {
                self.gpu.check()?;
                tracing::debug!(%reason, "a plan cannot be recorded and is queued launch by launch");
                Ok(None)
            }
        }
    }

    fn queue(&mut self, plan: &Plan, plans: &Plans, scope: Scope) -> Result<(), CudaError> {
        let stream = Arc::clone(&self.stream);
        let (arena, scratch) = (self.arena.as_ref().ok_or_else(missing)?, self.scratch.as_ref().ok_or_else(missing)?);
        let (inputs, outputs): (&[Port], &[Port]) = match scope {
            Scope::Whole => (&plan.inputs, &plan.outputs),
            Scope::Work => (&[], &[]),
        };
        let (into, _) = staging(&plan.inputs);
        for (port, at) in inputs.iter().zip(into) {
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
        for (port, at) in outputs.iter().zip(out).filter(|(port, _)| port.constant.is_none()) {
            stream.download(arena, port.offset, &mut self.staged_out, at, port.bytes as usize)?;
        }
        Ok(())
    }

    /// Runs a plan and waits for it. Outputs that stay are in their memory then, the others in staging memory.
    pub(super) fn run(
        &mut self,
        plan: &Arc<Plan>,
        inputs: &[Parts<'_>],
        outputs: &[Output],
        plans: &Plans,
    ) -> Result<(), CudaError> {
        let scope = Scope::of(inputs, outputs);
        self.prepare_for(plan, plans, scope)?;
        self.stage(plan, inputs);
        let started = self.start(plan, inputs, outputs, plans, scope);
        // After an error, too: what is queued uses memory that the caller lets go of.
        let done = self.stream.wait();
        started.and(done)
    }

    /// Copies the host's inputs to staging memory, each part to its place, and zeros where the port has room for more rows.
    fn stage(&mut self, plan: &Plan, inputs: &[Parts<'_>]) {
        let (offsets, _) = staging(&plan.inputs);
        for ((port, at), parts) in plan.inputs.iter().zip(offsets).zip(inputs) {
            let mut rest = &mut self.staged_in.slice_mut()[at..at + port.bytes as usize];
            for part in parts {
                let length = (part.bytes() as usize).min(rest.len());
                let (staged, behind) = rest.split_at_mut(length);
                if let Part::Host(bytes) = part {
                    copy(staged, &bytes[..length]);
                }
                rest = behind;
            }
            rest.fill(0);
        }
        if self.poison {
            self.staged_out.slice_mut().fill(0xff);
        }
    }

    fn start(
        &mut self,
        plan: &Arc<Plan>,
        inputs: &[Parts<'_>],
        outputs: &[Output],
        plans: &Plans,
        scope: Scope,
    ) -> Result<(), CudaError> {
        if self.poison
            && let Some(arena) = &self.arena
        {
            self.stream.fill(arena, 0xff)?;
        }
        if scope == Scope::Work {
            self.move_in(plan, inputs)?;
        }
        match self.recorded(plan, scope).and_then(|at| self.recordings[at].recording.as_ref()) {
            Some(recording) => self.stream.start(recording)?,
            None => self.queue(plan, plans, scope)?,
        }
        if scope == Scope::Work { self.move_out(plan, outputs) } else { Ok(()) }
    }

    /// Queues the copies of all inputs, from wherever they are.
    fn move_in(&self, plan: &Plan, inputs: &[Parts<'_>]) -> Result<(), CudaError> {
        let arena = self.arena.as_ref().ok_or_else(missing)?;
        let (offsets, _) = staging(&plan.inputs);
        for ((port, staged), parts) in plan.inputs.iter().zip(offsets).zip(inputs) {
            let upload = |at: u64, length: u64| {
                self.stream.upload(&self.staged_in, staged + at as usize, arena, port.offset + at, length as usize)
            };
            let mut at = 0;
            for part in parts {
                let length = part.bytes().min(port.bytes - at);
                match part {
                    Part::Host(_) => upload(at, length)?,
                    Part::Device { memory, offset, .. } => {
                        self.stream.copy((memory, *offset), (arena, port.offset + at), length)?;
                    }
                }
                at += length;
            }
            // The zeros behind them.
            upload(at, port.bytes - at)?;
        }
        Ok(())
    }

    /// Queues the copies of the wanted outputs, to wherever they go.
    fn move_out(&mut self, plan: &Plan, outputs: &[Output]) -> Result<(), CudaError> {
        let arena = self.arena.as_ref().ok_or_else(missing)?;
        let (offsets, _) = staging(&plan.outputs);
        for Output { index, kept } in outputs {
            let port = &plan.outputs[*index];
            match kept {
                Some(kept) => {
                    let (memory, length) = kept.place()?;
                    self.stream.copy((arena, port.offset), (memory, 0), length)?;
                }
                None if port.constant.is_some() => {}
                None => {
                    let (to, bytes) = (&mut self.staged_out, port.bytes as usize);
                    self.stream.download(arena, port.offset, to, offsets[*index], bytes)?;
                }
            }
        }
        Ok(())
    }

    /// The bytes of an output of the last run that did not stay on the device.
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

fn missing() -> CudaError {
    CudaError::Call { call: "launch", reason: "the context has no memory".to_owned() }
}

fn in_node(error: CudaError, node: &str) -> CudaError {
    match error {
        CudaError::Call { call, reason } => CudaError::Call { call, reason: format!("node '{node}': {reason}") },
        other => other,
    }
}
