//! The set of graphs and the workers that they share.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Weak};
use std::time::Duration;

use parking_lot::Mutex;
use scorehost_core::order::Flow;
use scorehost_core::{Clock, Graph, Model, ModelId, ServiceName, SystemClock};
use scorehost_telemetry::BatchesSnapshot;

use crate::DispatchError;
use crate::config::{BatchConfig, QueueLimits};
use crate::customer::{Caller, Customer};
use crate::lane::Lane;
use crate::model::{Calling, DispatchedModel, Merging};
use crate::workers::Workers;

/// How calls run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DispatchConfig {
    /// Worker threads, and so long calls that run at once; at least 1.
    pub workers: usize,
    /// Calls that are expected to take at most this long run on the caller's thread.
    pub inline_limit: Duration,
    /// Limits of models that bring none of their own.
    pub queue: QueueLimits,
}

impl Default for DispatchConfig {
    /// A worker per core; 200 µs inline, a few times what a hand-over costs.
    fn default() -> Self {
        Self {
            workers: std::thread::available_parallelism().map_or(1, usize::from),
            inline_limit: Duration::from_micros(200),
            queue: QueueLimits::default(),
        }
    }
}

/// What the graphs of a dispatcher are doing at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DispatchSignals {
    /// Graphs in use.
    pub graphs: usize,
    /// Bytes that they hold, as far as they are known.
    pub memory_bytes: u64,
    /// Calls that wait for a worker.
    pub queued: usize,
}

/// One model of one version of a service, as it is called.
#[derive(Clone)]
pub struct Deployed {
    /// The model's name and version.
    pub id: ModelId,
    /// Who calls it; all models of one service together have one share of the workers and one line.
    pub caller: Caller,
    /// How long its line may be.
    pub limits: QueueLimits,
    /// How its calls are merged; `None` runs them one by one.
    pub batches: Option<BatchConfig>,
    /// Rows of one call at most, where dimension 0 of every input is a batch.
    pub most_rows: Option<u32>,
}

/// Makes callable models of graphs.
pub struct Dispatcher {
    config: DispatchConfig,
    clock: Arc<dyn Clock>,
    workers: Arc<Workers>,
    /// By the address of the graph: deployments that share a graph share its measurements.
    lanes: Mutex<HashMap<usize, Weak<Lane>>>,
    /// What each service has used.
    flows: Mutex<HashMap<ServiceName, Weak<Flow>>>,
    /// The number of the last group of calls that are kept apart; 0 is everybody's.
    groups: AtomicU64,
}

impl Dispatcher {
    /// Starts the workers. They end when the dispatcher and all its models are gone.
    ///
    /// # Errors
    /// When a thread does not start.
    pub fn new(config: DispatchConfig) -> Result<Self, DispatchError> {
        Self::with_clock(config, Arc::new(SystemClock))
    }

    /// The same, measuring runs with `clock`.
    ///
    /// # Errors
    /// When a thread does not start.
    pub fn with_clock(config: DispatchConfig, clock: Arc<dyn Clock>) -> Result<Self, DispatchError> {
        let workers = Arc::new(Workers::start(config.workers.max(1), Arc::clone(&clock))?);
        let (lanes, flows) = Default::default();
        Ok(Self { config, clock, workers, lanes, flows, groups: AtomicU64::new(0) })
    }

    /// The callable model of a graph that belongs to nobody in particular. A call that must wait needs a tokio runtime with a timer.
    pub fn model(&self, id: ModelId, graph: Arc<dyn Graph>) -> Arc<dyn Model> {
        self.model_with_limits(id, graph, self.config.queue)
    }

    /// The same with limits of its own. Calls are not merged.
    pub fn model_with_limits(&self, id: ModelId, graph: Arc<dyn Graph>, limits: QueueLimits) -> Arc<dyn Model> {
        let (lane, customer) = (self.lane(graph, &id), Customer::new(Flow::new(), limits.weight, None));
        let calling = Calling { lane, customer, workers: Arc::clone(&self.workers), merging: None };
        Arc::new(DispatchedModel::new(id, calling, self.config.inline_limit, limits))
    }

    /// The same as a deployment asks for it.
    pub fn deployed(&self, deployed: Deployed, graph: Arc<dyn Graph>) -> Arc<dyn Model> {
        let Deployed { id, caller, limits, batches, most_rows } = deployed;
        let lane = self.lane(graph, &id);
        let merging = batches.and_then(|config| self.merging(config, limits.max_wait));
        let customer = Customer::new(self.flow(&caller.service), limits.weight, Some(caller));
        let calling = Calling { lane, customer, workers: Arc::clone(&self.workers), merging };
        Arc::new(DispatchedModel::new(id, calling, self.config.inline_limit, limits).with_most_rows(most_rows))
    }

    fn merging(&self, mut config: BatchConfig, max_wait: Duration) -> Option<Merging> {
        // Who waits for others must still have time to wait for a worker.
        config.max_delay = config.max_delay.min(max_wait / 2);
        let group = if config.isolated { self.groups.fetch_add(1, Relaxed) + 1 } else { 0 };
        (config.max_rows > 1).then(|| Merging { config: Arc::new(config), group })
    }

    fn flow(&self, service: &ServiceName) -> Arc<Flow> {
        let mut flows = self.flows.lock();
        if let Some(known) = flows.get(service).and_then(Weak::upgrade) {
            return known;
        }
        flows.retain(|_, flow| flow.strong_count() > 0);
        let flow = Flow::new();
        flows.insert(service.clone(), Arc::downgrade(&flow));
        flow
    }

    /// What the graphs in use are doing.
    #[must_use]
    pub fn signals(&self) -> DispatchSignals {
        let lanes: Vec<_> = self.lanes.lock().values().filter_map(Weak::upgrade).collect();
        DispatchSignals {
            graphs: lanes.len(),
            memory_bytes: lanes.iter().map(|lane| lane.graph().memory_bytes()).sum(),
            queued: self.workers.queued(),
        }
    }

    /// What was counted of the runs of each graph in use, by the name under which it was loaded first.
    #[must_use]
    pub fn batches(&self) -> Vec<BatchesSnapshot> {
        let lanes: Vec<_> = self.lanes.lock().values().filter_map(Weak::upgrade).collect();
        lanes.iter().map(|lane| lane.statistics().snapshot()).collect()
    }

    fn lane(&self, graph: Arc<dyn Graph>, id: &ModelId) -> Arc<Lane> {
        let address = Arc::as_ptr(&graph).cast::<()>() as usize;
        let mut lanes = self.lanes.lock();
        // A lane keeps its graph alive, so a live lane at this address is this graph's.
        if let Some(lane) = lanes.get(&address).and_then(Weak::upgrade) {
            return lane;
        }
        lanes.retain(|_, lane| lane.strong_count() > 0);
        let lane = Arc::new(Lane::new(graph, Arc::clone(&self.clock), id.to_string()));
        lanes.insert(address, Arc::downgrade(&lane));
        lane
    }
}

#[cfg(test)]
mod tests;
