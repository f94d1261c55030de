//! The threads that run long calls.

use std::collections::VecDeque;
use std::sync::Arc;

use parking_lot::{Condvar, Mutex};

use crate::DispatchError;
use crate::lane::Lane;

#[derive(Default)]
struct Line {
    lanes: VecDeque<Arc<Lane>>,
    ended: bool,
}

/// Lanes that have calls. Each turn takes one call of the first lane and puts the lane back at the end, so that a flood
/// on one graph delays another graph's call by one run per worker, not by a queue.
#[derive(Default)]
struct Shared {
    line: Mutex<Line>,
    arrived: Condvar,
}

/// A fixed number of worker threads; they end when this is dropped.
pub(crate) struct Workers {
    shared: Arc<Shared>,
}

impl Workers {
    pub(crate) fn start(count: usize) -> Result<Self, DispatchError> {
        let workers = Self { shared: Arc::default() };
        for number in 0..count {
            let shared = Arc::clone(&workers.shared);
            let thread = std::thread::Builder::new().name(format!("graph-{number}"));
            thread.spawn(move || shared.work()).map_err(|error| DispatchError::Workers(error.to_string()))?;
        }
        Ok(workers)
    }

    /// Puts a lane that got its first call at the end of the line.
    pub(crate) fn line_up(&self, lane: Arc<Lane>) {
        self.shared.line_up(lane);
    }
}

impl Drop for Workers {
    fn drop(&mut self) {
        self.shared.line.lock().ended = true;
        self.shared.arrived.notify_all();
    }
}

impl Shared {
    fn line_up(&self, lane: Arc<Lane>) {
        self.line.lock().lanes.push_back(lane);
        self.arrived.notify_one();
    }

    fn work(&self) {
        while let Some(lane) = self.next() {
            let (call, more) = lane.take();
            if more {
                self.line_up(Arc::clone(&lane));
            }
            if let Some(call) = call {
                lane.serve(call);
            }
        }
    }

    /// Waits for the first lane; `None` when the workers are to end and no lane is left.
    fn next(&self) -> Option<Arc<Lane>> {
        let mut line = self.line.lock();
        loop {
            if let Some(lane) = line.lanes.pop_front() {
                return Some(lane);
            }
            if line.ended {
                return None;
            }
            self.arrived.wait(&mut line);
        }
    }
}
