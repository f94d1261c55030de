//! Plans of a loaded graph by input shapes, with their kernels compiled, and the constants they share.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use parking_lot::Mutex;
use scorehost_core::{DType, Shape, TensorSpec};
use scorehost_graph::{Graph, Model};
use scorehost_plan::constants::Constants;
use scorehost_plan::kernels::program;
use scorehost_plan::launch::{self, Launch, Work};
use scorehost_plan::view::Base;
use scorehost_plan::{Dialect, OpenCl, Plan, Planner, Style, Target, supports};

use super::LoadOptions;
use crate::driver::{Buffer, Device, Grid, Kernel, Program, Queue};
use crate::{DeviceType, OpenClError};

/// Plans kept at most; the one that was not used for longest goes first.
const MAX_PLANS: usize = 64;
/// Compiled kernels kept at most. Plans hold those they use.
const MAX_KERNELS: usize = 4096;

pub(super) struct Plans {
    device: Arc<Device>,
    target: OpenCl,
    graph: Graph,
    options: LoadOptions,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    constants: Constants,
    /// Constants on the device, by their number.
    weights: Vec<Option<Arc<Buffer>>>,
    kernels: HashMap<launch::Kernel, Arc<Kernel>>,
    plans: HashMap<Vec<Shape>, (u64, Arc<Ready>)>,
    clock: u64,
}

/// A plan that can run.
pub(super) struct Ready {
    pub(super) plan: Plan,
    pub(super) steps: Vec<Step>,
}

/// One piece of work, its places resolved.
pub(super) enum Step {
    Launch { node: Arc<str>, kernel: Arc<Kernel>, grid: Grid, args: Vec<Value> },
    Zero { node: Arc<str>, offset: u64, bytes: u64 },
}

impl Step {
    pub(super) fn node(&self) -> &str {
        let (Self::Launch { node, .. } | Self::Zero { node, .. }) = self;
        node
    }
}

/// An argument; places become a buffer and an offset.
pub(super) enum Value {
    Arena(i64),
    Weight(Arc<Buffer>, i64),
    Null,
    Int(i32),
    Float(f32),
    Bytes(Vec<u8>),
}

impl Plans {
    pub(super) fn new(device: &Arc<Device>, model: &Model, options: &LoadOptions) -> Result<Self, OpenClError> {
        let optimisation = scorehost_graph::Options { fold: &*options.fold, supports: &supports };
        let graph = model.graph()?.optimised(&optimisation)?;
        let mut missing: BTreeSet<String> =
            graph.nodes.iter().filter(|node| !supports(node)).map(|node| node.id().to_string()).collect();
        let strings = |spec: &&TensorSpec| spec.dtype == DType::Bytes;
        let ports = graph.signature.inputs.iter().chain(&graph.signature.outputs);
        missing.extend(ports.filter(strings).map(|spec| format!("strings ('{}')", spec.name)));
        if !missing.is_empty() {
            return Err(OpenClError::Operators(missing.into_iter().collect()));
        }
        let target = target(device, options.style);
        Ok(Self { device: Arc::clone(device), target, graph, options: options.clone(), state: Mutex::default() })
    }

    /// Whether calls of the graph may be merged, or why not.
    pub(super) fn batch(&self) -> Result<(), Arc<str>> {
        self.graph.batch(&*self.options.fold).map_err(|reason| Arc::from(reason.to_string()))
    }

    /// The plan for these shapes, made where there is none, with its constants on the device and its kernels compiled.
    pub(super) fn get(&self, shapes: &[Shape]) -> Result<Arc<Ready>, OpenClError> {
        let mut state = self.state.lock();
        state.clock += 1;
        let now = state.clock;
        if let Some((used, ready)) = state.plans.get_mut(shapes) {
            *used = now;
            return Ok(Arc::clone(ready));
        }
        let target = Target { dialect: Dialect::OpenCl(self.target), precision: self.options.precision };
        let plan = Planner::plan(&self.graph, shapes, &*self.options.fold, target, &mut state.constants);
        // Constants that a failed plan has numbered are uploaded all the same: the next plan counts on them.
        self.upload(&mut state)?;
        let plan = plan?;
        self.compile(&mut state, &plan)?;
        let steps = plan.launches.iter().map(|launch| state.step(&plan, launch)).collect::<Option<_>>();
        let steps = steps.ok_or_else(|| OpenClError::Call {
            call: "launch",
            reason: "a kernel or a place of the plan is not on the device".to_owned(),
        })?;
        let ready = Arc::new(Ready { plan, steps });
        if state.plans.len() >= MAX_PLANS {
            let oldest = state.plans.iter().min_by_key(|(_, (used, _))| *used).map(|(shapes, _)| shapes.clone());
            oldest.map(|shapes| state.plans.remove(&shapes));
        }
        state.plans.insert(shapes.to_vec(), (now, Arc::clone(&ready)));
        Ok(ready)
    }

    fn upload(&self, state: &mut State) -> Result<(), OpenClError> {
        if state.constants.pending.is_empty() {
            return Ok(());
        }
        let queue = Queue::new(&self.device, false)?;
        while let Some((id, bytes)) = state.constants.pending.last() {
            let buffer = Arc::new(Buffer::new(&self.device, bytes.len() as u64)?);
            queue.run(None, |batch| batch.write(&buffer, 0, bytes))?;
            if state.weights.len() <= *id {
                state.weights.resize(id + 1, None);
            }
            state.weights[*id] = Some(buffer);
            state.constants.pending.pop();
        }
        Ok(())
    }

    /// Compiles what the plan has and no plan before had, as one program.
    fn compile(&self, state: &mut State, plan: &Plan) -> Result<(), OpenClError> {
        let kernels = plan.launches.iter().filter_map(|launch| match &launch.work {
            Work::Kernel { kernel, .. } => Some(kernel),
            _ => None,
        });
        // In the order of their texts, so that the cache of binaries finds the same program again.
        let missing: BTreeSet<&launch::Kernel> =
            kernels.filter(|kernel| !state.kernels.contains_key(*kernel)).collect();
        if missing.is_empty() {
            return Ok(());
        }
        let missing: Vec<&launch::Kernel> = missing.into_iter().collect();
        let (text, names) = program(&missing);
        let program = Program::compile(&self.device, &text, &self.target.options())?;
        if state.kernels.len() + missing.len() > MAX_KERNELS {
            state.kernels.clear();
        }
        for (kernel, name) in missing.into_iter().zip(names) {
            state.kernels.insert(kernel.clone(), Arc::new(program.kernel(&name)?));
        }
        Ok(())
    }

    pub(super) fn weight_bytes(&self) -> u64 {
        self.state.lock().weights.iter().flatten().map(|buffer| buffer.bytes()).sum()
    }
}

impl State {
    /// Work with its places resolved; `None` where one of them or the kernel is unknown.
    fn step(&self, plan: &Plan, launch: &Launch) -> Option<Step> {
        let node = Arc::clone(&launch.node);
        match &launch.work {
            Work::Kernel { kernel, blocks, threads, args, .. } => {
                let kernel = Arc::clone(self.kernels.get(kernel)?);
                let group = [*threads as usize, 1, 1];
                let items = [blocks[0] as usize * group[0], blocks[1] as usize, blocks[2] as usize];
                let args = args.iter().map(|arg| self.value(plan, arg)).collect::<Option<_>>()?;
                Some(Step::Launch { node, kernel, grid: Grid { items, group: Some(group) }, args })
            }
            Work::Zero { at, bytes } => match self.value(plan, &launch::Arg::Place(*at))? {
                Value::Arena(offset) => Some(Step::Zero { node, offset: offset as u64, bytes: *bytes }),
                _ => None,
            },
            // No library multiplies here.
            Work::Gemm(_) => None,
        }
    }

    fn value(&self, plan: &Plan, arg: &launch::Arg) -> Option<Value> {
        Some(match arg {
            launch::Arg::Place(place) => match place.base {
                Base::Buffer(id) => Value::Arena((plan.offsets.get(id)? + place.offset) as i64),
                Base::Weight(id) => Value::Weight(Arc::clone(self.weights.get(id)?.as_ref()?), place.offset as i64),
            },
            launch::Arg::Null => Value::Null,
            launch::Arg::Int(value) => Value::Int(*value),
            launch::Arg::Float(value) => Value::Float(*value),
            launch::Arg::Words(words) => Value::Bytes(words.iter().flat_map(|word| word.to_ne_bytes()).collect()),
        })
    }
}

/// What kernels are written for. Work items of processors and of FPGA emulators run one after the other.
fn target(device: &Device, style: Option<Style>) -> OpenCl {
    let style = style.unwrap_or(match device.info.kind {
        DeviceType::Gpu => Style::Groups,
        DeviceType::Cpu | DeviceType::Accelerator | DeviceType::Other => Style::Cores,
    });
    let lanes = match (style, device.info.float_lanes) {
        (Style::Groups, _) | (_, ..8) => 4,
        (Style::Cores, 8..16) => 8,
        (Style::Cores, _) => 16,
    };
    OpenCl { style, lanes, units: device.info.compute_units.max(1) }
}
