//! Plans of a loaded graph by input shapes, and the constants they share.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use parking_lot::{Mutex, RwLock};
use scorehost_core::Shape;
use scorehost_graph::{Graph, Model};

use crate::driver::{Gpu, Memory};
use crate::{CudaError, LoadOptions};
use scorehost_plan::constants::Constants;
use scorehost_plan::{Dialect, Plan, Planner, Target, supports};

/// Plans kept at most; the one that was not used for longest goes first.
const MAX_PLANS: usize = 64;

pub(super) struct Plans {
    gpu: Arc<Gpu>,
    graph: Graph,
    options: LoadOptions,
    state: Mutex<State>,
    /// Constants on the device, by their number.
    pub(super) weights: RwLock<Vec<Option<Arc<Memory>>>>,
}

#[derive(Default)]
struct State {
    constants: Constants,
    plans: HashMap<Vec<Shape>, (u64, Arc<Plan>)>,
    clock: u64,
}

impl Plans {
    pub(super) fn new(gpu: &Arc<Gpu>, model: &Model, options: &LoadOptions) -> Result<Self, CudaError> {
        let graph = optimised(model, options)?;
        let missing: BTreeSet<String> =
            graph.nodes.iter().filter(|node| !supports(node)).map(|node| node.id().to_string()).collect();
        if !missing.is_empty() {
            return Err(CudaError::Operators(missing.into_iter().collect()));
        }
        let strings = |spec: &&scorehost_core::TensorSpec| spec.dtype == scorehost_core::DType::Bytes;
        if let Some(spec) = graph.signature.inputs.iter().chain(&graph.signature.outputs).find(strings) {
            return Err(CudaError::Operators(vec![format!("strings ('{}')", spec.name)]));
        }
        Ok(Self {
            gpu: Arc::clone(gpu),
            graph,
            options: options.clone(),
            state: Mutex::default(),
            weights: RwLock::default(),
        })
    }

    /// Whether calls of the graph may be merged, or why not.
    pub(super) fn batch(&self) -> Result<(), Arc<str>> {
        self.graph.batch(&*self.options.fold).map_err(|reason| Arc::from(reason.to_string()))
    }

    /// The plan for these shapes, made where there is none, with its constants on the device and its kernels compiled.
    pub(super) fn get(&self, shapes: &[Shape]) -> Result<Arc<Plan>, CudaError> {
        let mut state = self.state.lock();
        state.clock += 1;
        let now = state.clock;
        if let Some((used, plan)) = state.plans.get_mut(shapes) {
            *used = now;
            return Ok(Arc::clone(plan));
        }
        let (capability, multiprocessors) = (self.gpu.architecture(), self.gpu.report.multiprocessors);
        let dialect = Dialect::Cuda { capability, multiprocessors };
        let target = Target { dialect, precision: self.options.precision };
        let plan = Planner::plan(&self.graph, shapes, &*self.options.fold, target, &mut state.constants);
        // Constants that a failed plan has numbered are uploaded all the same: the next plan counts on them.
        self.upload(&mut state.constants)?;
        let plan = Arc::new(plan?);
        if state.plans.len() >= MAX_PLANS {
            let oldest = state.plans.iter().min_by_key(|(_, (used, _))| *used).map(|(shapes, _)| shapes.clone());
            oldest.map(|shapes| state.plans.remove(&shapes));
        }
        state.plans.insert(shapes.to_vec(), (now, Arc::clone(&plan)));
        Ok(plan)
    }

    fn upload(&self, constants: &mut Constants) -> Result<(), CudaError> {
        while let Some((id, bytes)) = constants.pending.last() {
            let memory = Arc::new(Memory::of(&self.gpu, bytes)?);
            let mut weights = self.weights.write();
            if weights.len() <= *id {
                weights.resize(id + 1, None);
            }
            weights[*id] = Some(memory);
            constants.pending.pop();
        }
        Ok(())
    }

    pub(super) fn weight_bytes(&self) -> u64 {
        self.weights.read().iter().flatten().map(|memory| memory.bytes()).sum()
    }
}

/// The graph as it is planned.
fn optimised(model: &Model, options: &LoadOptions) -> Result<Graph, CudaError> {
    let optimisation = scorehost_graph::Options { fold: &*options.fold, supports: &supports };
    Ok(model.graph()?.optimised(&optimisation)?)
}
