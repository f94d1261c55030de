//! A model on an FPGA: its program's kernels on the device, the rest of its graph on the CPU.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex};
use scorehost_core::{Deadline, DeviceKind, Failure, NamedTensor, NamedTensors, Signature, Tensor};
use scorehost_device::CpuPart;
use scorehost_graph::{Graph, Model, NoFold, ValueId};

use super::FpgaError;
use super::claim::{Claim, Facts, claims};
use super::context::{Context, Shared, Took, Values};
use super::cut::{self, Phase};
use super::files::Files;
use super::loaded::Loaded;
use super::manifest::Manifest;
use crate::OpenClError;
use crate::driver::Device;

/// The platform name of the Open Inference Protocol.
const PLATFORM: &str = "scorehost_fpga";
/// Calls of one model that run at a time: one computes while another copies, or computes on the CPU.
const CONTEXTS: usize = 2;
/// How long a call waits for a context.
const PATIENCE: Duration = Duration::from_secs(30);

/// A model whose kernels are on an FPGA.
pub struct FpgaGraph {
    device: Arc<Device>,
    signature: Signature,
    /// Whether calls may be merged, or why not.
    batch: Result<(), Arc<str>>,
    report: String,
    manifest: Manifest,
    claims: Vec<Claim>,
    loaded: Loaded,
    stages: Vec<Stage>,
    inputs: Vec<ValueId>,
    outputs: Vec<ValueId>,
    /// Outputs that are the same in every call.
    fixed: Vec<(ValueId, Tensor)>,
    names: Vec<Arc<str>>,
    contexts: Mutex<Contexts>,
    returned: Condvar,
    costs: Mutex<FpgaCosts>,
}

/// What all calls of a graph took on its device together, by the device's own clock.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FpgaCosts {
    /// Stretches of calls that ran on the device: one a call where the CPU does not work in between.
    pub stretches: u64,
    /// Nanoseconds that kernels worked.
    pub kernel_nanoseconds: u64,
    /// Nanoseconds that copies between the host and the device took.
    pub copy_nanoseconds: u64,
    /// Bytes of these copies.
    pub copied_bytes: u64,
}

impl FpgaCosts {
    const fn add(&mut self, took: Took) {
        self.stretches += 1;
        self.kernel_nanoseconds += if let Some(nanoseconds) = took.kernels { nanoseconds } else { 0 };
        self.copy_nanoseconds += took.copies;
        self.copied_bytes += took.bytes;
    }
}

/// One stretch of a call, made ready.
enum Stage {
    Cpu { part: CpuPart, inputs: Vec<ValueId>, outputs: Vec<ValueId> },
    Device { claims: Vec<usize>, uploads: Vec<ValueId>, downloads: Vec<ValueId> },
}

#[derive(Default)]
struct Contexts {
    idle: Vec<Context>,
    made: usize,
}

/// A context that goes back when the call is over, whatever became of it.
struct Lease<'a> {
    graph: &'a FpgaGraph,
    context: Option<Context>,
}

impl Drop for Lease<'_> {
    fn drop(&mut self) {
        let mut contexts = self.graph.contexts.lock();
        match self.context.take().filter(|context| !context.is_spent()) {
            Some(context) => contexts.idle.push(context),
            // None could be made, or the device has it until work of a call that ended late is over.
            None => contexts.made -= 1,
        }
        drop(contexts);
        self.graph.returned.notify_one();
    }
}

/// Loads a model with the program beside its graph.
pub(super) fn load(device: &Arc<Device>, model: &Model, files: Files) -> Result<FpgaGraph, FpgaError> {
    let manifest = &files.manifest;
    let named = |wanted: &String| device.info.name.to_lowercase().contains(&wanted.to_lowercase());
    if let Some(wanted) = manifest.device.clone().filter(|wanted| !named(wanted)) {
        return Err(FpgaError::OtherDevice { file: files.file, wanted, device: device.info.name.clone() });
    }
    let graph = model.graph()?;
    let facts = Facts::new(&graph);
    let claims = claims(&facts, manifest, &files.file)?;
    let phases = cut::phases(&facts, &graph, &claims, manifest, &files.file)?;
    let report = cut::report(&facts, &graph, &claims, manifest, &phases, &device.info.name);
    let loaded = Loaded::new(device, &files, &facts, &claims)?;
    let fixed = graph.outputs.iter().filter(|value| facts.is_constant(**value));
    let fixed = fixed.map(|value| Ok((*value, facts.constant(*value)?))).collect::<Result<_, FpgaError>>()?;
    let stages = phases.into_iter().map(|phase| stage(&graph, phase)).collect::<Result<_, _>>()?;
    Ok(FpgaGraph {
        device: Arc::clone(device),
        batch: graph.batch(&NoFold).map_err(|reason| Arc::from(reason.to_string())),
        signature: graph.signature.clone(),
        report,
        claims,
        loaded,
        stages,
        inputs: graph.inputs.clone(),
        outputs: graph.outputs.clone(),
        fixed,
        names: graph.values.clone(),
        manifest: files.manifest,
        contexts: Mutex::default(),
        returned: Condvar::new(),
        costs: Mutex::default(),
    })
}

fn stage(graph: &Graph, phase: Phase) -> Result<Stage, FpgaError> {
    Ok(match phase {
        Phase::Device { claims, uploads, downloads } => Stage::Device { claims, uploads, downloads },
        Phase::Cpu { nodes, inputs, outputs } => {
            let nodes: Vec<_> = nodes.iter().map(|node| graph.nodes[*node].clone()).collect();
            let used: std::collections::HashSet<ValueId> = nodes.iter().flat_map(scorehost_graph::Node::uses).collect();
            let constants = graph.initialisers.iter().filter(|(value, _)| used.contains(value));
            let part = Graph {
                values: graph.values.clone(),
                inputs: inputs.clone(),
                outputs: outputs.clone(),
                initialisers: constants.cloned().collect(),
                nodes,
                signature: Signature::default(),
                dimension_names: Vec::new(),
                captures: Vec::new(),
            };
            Stage::Cpu { part: CpuPart::new(&part).map_err(FpgaError::Cpu)?, inputs, outputs }
        }
    })
}

impl FpgaGraph {
    /// What all calls since it was loaded took on its device.
    #[must_use]
    pub fn costs(&self) -> FpgaCosts {
        *self.costs.lock()
    }

    fn take(&self, until: Option<Deadline>) -> Result<Lease<'_>, FpgaError> {
        let patience = Instant::now() + PATIENCE;
        let deadline = until.map_or(patience, |until| until.instant().min(patience));
        let mut contexts = self.contexts.lock();
        loop {
            if let Some(context) = contexts.idle.pop() {
                return Ok(Lease { graph: self, context: Some(context) });
            }
            if contexts.made < CONTEXTS {
                contexts.made += 1;
                drop(contexts);
                // Goes back without a context where none can be made.
                let mut lease = Lease { graph: self, context: None };
                lease.context = Some(Context::new(&self.device)?);
                return Ok(lease);
            }
            if self.returned.wait_until(&mut contexts, deadline).timed_out() {
                let device = self.device.info.name.clone();
                return Err(if deadline < patience {
                    OpenClError::Deadline { device }.into()
                } else {
                    FpgaError::Busy { device, contexts: CONTEXTS }
                });
            }
        }
    }

    /// The call's inputs under the graph's values.
    fn given(&self, inputs: &[NamedTensor]) -> Result<Values, FpgaError> {
        let mismatch = || FpgaError::Inputs {
            expected: self.signature.inputs.iter().map(|spec| &*spec.name).collect::<Vec<_>>().join(", "),
            actual: inputs.iter().map(|input| &*input.name).collect::<Vec<_>>().join(", "),
        };
        if inputs.len() != self.signature.inputs.len() {
            return Err(mismatch());
        }
        let mut values = Values::default();
        for (spec, value) in self.signature.inputs.iter().zip(&self.inputs) {
            let input = inputs.iter().find(|input| input.name == spec.name).ok_or_else(mismatch)?;
            values.host.insert(*value, input.tensor.clone());
        }
        values.host.extend(self.fixed.iter().cloned());
        Ok(values)
    }

    fn execute(
        &self,
        inputs: &[NamedTensor],
        outputs: &[usize],
        until: Option<Deadline>,
    ) -> Result<NamedTensors, FpgaError> {
        self.device.check()?;
        let mut values = self.given(inputs)?;
        values.until = until;
        let mut lease = self.take(until)?;
        let busy = || FpgaError::Busy { device: self.device.info.name.clone(), contexts: CONTEXTS };
        let context = lease.context.as_mut().ok_or_else(busy)?;
        for stage in &self.stages {
            match stage {
                Stage::Cpu { part, inputs, outputs } => {
                    let given =
                        inputs.iter().map(|value| self.value(&values, *value)).collect::<Result<Vec<_>, _>>()?;
                    let results = part.run(&given).map_err(FpgaError::Cpu)?;
                    values.host.extend(outputs.iter().copied().zip(results));
                }
                Stage::Device { claims, uploads, downloads } => {
                    self.on_device(context, claims, (uploads, downloads), &mut values)?;
                }
            }
        }
        drop(lease);
        let output = |index: &usize| {
            let tensor = self.value(&values, self.outputs[*index])?;
            Ok(NamedTensor::new(self.signature.outputs[*index].name.clone(), tensor))
        };
        outputs.iter().map(output).collect()
    }

    fn value(&self, values: &Values, value: ValueId) -> Result<Tensor, FpgaError> {
        let problem = || FpgaError::Constant {
            name: self.names[value.0].to_string(),
            problem: "was not computed before it was read".to_owned(),
        };
        values.host.get(&value).cloned().ok_or_else(problem)
    }

    fn on_device(
        &self,
        context: &mut Context,
        claims: &[usize],
        moved: (&[ValueId], &[ValueId]),
        values: &mut Values,
    ) -> Result<(), FpgaError> {
        let shared =
            Shared { manifest: &self.manifest, claims: &self.claims, loaded: &self.loaded, names: &self.names };
        self.device.running.fetch_add(1, Ordering::Relaxed);
        let started = Instant::now();
        let worked = context.run(shared, claims, moved, values);
        self.device.running.fetch_sub(1, Ordering::Relaxed);
        // Where the device keeps no times, the wait is what it was occupied at most.
        let micros = match &worked {
            Ok(Took { kernels: Some(nanoseconds), .. }) => nanoseconds.div_ceil(1000),
            _ => started.elapsed().as_micros() as u64,
        };
        self.device.busy_micros.fetch_add(micros, Ordering::Relaxed);
        worked.map(|took| self.costs.lock().add(took))
    }
}

impl scorehost_core::Graph for FpgaGraph {
    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn platform(&self) -> &'static str {
        PLATFORM
    }

    fn run(&self, inputs: &[NamedTensor], outputs: &[usize]) -> Result<NamedTensors, Failure> {
        Ok(self.execute(inputs, outputs, None)?)
    }

    fn run_until(
        &self,
        inputs: &[NamedTensor],
        outputs: &[usize],
        until: Option<Deadline>,
    ) -> Result<NamedTensors, Failure> {
        Ok(self.execute(inputs, outputs, until)?)
    }

    fn memory_bytes(&self) -> u64 {
        let contexts: u64 = self.contexts.lock().idle.iter().map(Context::bytes).sum();
        let cpu = self.stages.iter().map(|stage| match stage {
            Stage::Cpu { part, .. } => part.memory_bytes(),
            Stage::Device { .. } => 0,
        });
        self.loaded.bytes() + contexts + cpu.sum::<u64>()
    }

    fn device(&self) -> DeviceKind {
        DeviceKind::Fpga
    }

    fn report(&self) -> Option<String> {
        Some(self.report.clone())
    }

    fn health(&self) -> Result<(), Failure> {
        Ok(self.device.check()?)
    }

    fn batch(&self) -> Result<(), Arc<str>> {
        self.batch.clone()
    }
}
