//! The set of graphs and the workers that they share.

use std::collections::HashMap;
use std::sync::{Arc, Weak};
use std::time::Duration;

use parking_lot::Mutex;
use scorehost_core::order::Flow;
use scorehost_core::{Clock, Graph, Model, ModelId, ServiceName, SystemClock};

use crate::DispatchError;
use crate::customer::Customer;
use crate::lane::Lane;
use crate::model::{Calling, DispatchedModel};
use crate::workers::Workers;

/// How many calls of one service may wait, for how long, and what they weigh.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QueueLimits {
    /// Calls that wait for a worker.
    pub max_queue: usize,
    /// Longest wait for a worker.
    pub max_wait: Duration,
    /// Share of the workers against other services: 1-1000.
    pub weight: u32,
}

impl Default for QueueLimits {
    /// 256 calls, each at most 500 ms; the usual weight.
    fn default() -> Self {
        Self { max_queue: 256, max_wait: Duration::from_millis(500), weight: 100 }
    }
}

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

/// Makes callable models of graphs.
pub struct Dispatcher {
    config: DispatchConfig,
    clock: Arc<dyn Clock>,
    workers: Arc<Workers>,
    /// By the address of the graph: deployments that share a graph share its measurements.
    lanes: Mutex<HashMap<usize, Weak<Lane>>>,
    /// What each service has used.
    flows: Mutex<HashMap<ServiceName, Weak<Flow>>>,
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
        let workers = Workers::start(config.workers.max(1))?;
        Ok(Self { config, clock, workers: Arc::new(workers), lanes: Mutex::default(), flows: Mutex::default() })
    }

    /// The callable model of a graph. A call that must wait needs a tokio runtime with a timer.
    pub fn model(&self, id: ModelId, graph: Arc<dyn Graph>) -> Arc<dyn Model> {
        self.model_with_limits(id, graph, self.config.queue)
    }

    /// The same with limits of its own, such as a deployment's.
    pub fn model_with_limits(&self, id: ModelId, graph: Arc<dyn Graph>, limits: QueueLimits) -> Arc<dyn Model> {
        self.model_of(id, graph, limits, Flow::new())
    }

    /// The same for a service; all its models together have one share of the workers and one line.
    pub fn model_of_service(
        &self,
        id: ModelId,
        graph: Arc<dyn Graph>,
        limits: QueueLimits,
        service: &ServiceName,
    ) -> Arc<dyn Model> {
        let mut flows = self.flows.lock();
        let known = flows.get(service).and_then(Weak::upgrade);
        let flow = known.unwrap_or_else(|| {
            flows.retain(|_, flow| flow.strong_count() > 0);
            let flow = Flow::new();
            flows.insert(service.clone(), Arc::downgrade(&flow));
            flow
        });
        drop(flows);
        self.model_of(id, graph, limits, flow)
    }

    fn model_of(&self, id: ModelId, graph: Arc<dyn Graph>, limits: QueueLimits, flow: Arc<Flow>) -> Arc<dyn Model> {
        let (lane, customer) = (self.lane(graph), Customer::new(flow, limits.weight));
        let workers = Arc::clone(&self.workers);
        Arc::new(DispatchedModel::new(id, Calling { lane, customer, workers }, self.config.inline_limit, limits))
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

    fn lane(&self, graph: Arc<dyn Graph>) -> Arc<Lane> {
        let address = Arc::as_ptr(&graph).cast::<()>() as usize;
        let mut lanes = self.lanes.lock();
        // A lane keeps its graph alive, so a live lane at this address is this graph's.
        if let Some(lane) = lanes.get(&address).and_then(Weak::upgrade) {
            return lane;
        }
        lanes.retain(|_, lane| lane.strong_count() > 0);
        let lane = Arc::new(Lane::new(graph, Arc::clone(&self.clock)));
        lanes.insert(address, Arc::downgrade(&lane));
        lane
    }
}

#[cfg(test)]
mod tests;
