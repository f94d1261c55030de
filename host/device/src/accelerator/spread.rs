//! One model on several devices.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

use scorehost_core::{
    Deadline, DeviceKind, Failure, Graph, NamedTensor, NamedTensors, NamedValue, NamedValues, OutputSet, Signature,
};

/// A copy on one device, and the calls that run on it.
struct Copy {
    graph: Arc<dyn Graph>,
    running: AtomicU32,
}

/// The same model on several devices. A call runs where the fewest are under way; a device that is lost gets none.
struct Spread {
    first: Arc<dyn Graph>,
    copies: Vec<Copy>,
}

/// One graph of several copies.
pub(super) fn over(first: Arc<dyn Graph>, others: Vec<Arc<dyn Graph>>) -> Arc<dyn Graph> {
    if others.is_empty() {
        return first;
    }
    let all = std::iter::once(Arc::clone(&first)).chain(others);
    let copies = all.map(|graph| Copy { graph, running: AtomicU32::new(0) }).collect();
    Arc::new(Spread { first, copies })
}

impl Spread {
    /// Copies whose devices work, those with the fewest calls first.
    fn by_load(&self) -> Vec<&Copy> {
        let mut alive: Vec<&Copy> = self.copies.iter().filter(|copy| copy.graph.health().is_ok()).collect();
        alive.sort_by_key(|copy| copy.running.load(Relaxed));
        alive
    }

    /// Runs something on the copy with the least to do; on another one where its device goes away meanwhile.
    fn run_somewhere<T>(&self, run: impl Fn(&dyn Graph) -> Result<T, Failure>) -> Result<T, Failure> {
        let mut lost = None;
        for copy in self.by_load() {
            match copy.run(&run) {
                Err(failure) if copy.graph.health().is_err() => lost = Some(failure),
                answer => return answer,
            }
        }
        Err(lost.unwrap_or_else(|| self.health().err().unwrap_or_else(|| Failure::internal("a model has no copies"))))
    }
}

impl Copy {
    fn run<T>(&self, run: impl FnOnce(&dyn Graph) -> Result<T, Failure>) -> Result<T, Failure> {
        struct Running<'a>(&'a AtomicU32);
        impl Drop for Running<'_> {
            fn drop(&mut self) {
                self.0.fetch_sub(1, Relaxed);
            }
        }
        self.running.fetch_add(1, Relaxed);
        let _running = Running(&self.running);
        run(&*self.graph)
    }
}

impl Graph for Spread {
    fn signature(&self) -> &Signature {
        self.first.signature()
    }

    fn platform(&self) -> &'static str {
        self.first.platform()
    }

    fn run(&self, inputs: &[NamedTensor], outputs: &[usize]) -> Result<NamedTensors, Failure> {
        self.run_until(inputs, outputs, None)
    }

    fn run_until(
        &self,
        inputs: &[NamedTensor],
        outputs: &[usize],
        until: Option<Deadline>,
    ) -> Result<NamedTensors, Failure> {
        self.run_somewhere(|graph| graph.run_until(inputs, outputs, until))
    }

    // Its outputs do not stay on a device: the next call may be another device's.
    fn run_calls(
        &self,
        calls: &[&[NamedValue]],
        outputs: &[usize],
        _: OutputSet,
        until: Option<Deadline>,
    ) -> Result<NamedValues, Failure> {
        self.run_somewhere(|graph| graph.run_calls(calls, outputs, OutputSet::NONE, until))
    }

    fn memory_bytes(&self) -> u64 {
        self.copies.iter().map(|copy| copy.graph.memory_bytes()).sum()
    }

    fn device(&self) -> DeviceKind {
        self.first.device()
    }

    fn report(&self) -> Option<String> {
        self.first.report()
    }

    fn health(&self) -> Result<(), Failure> {
        let mut state = self.first.health();
        for copy in &self.copies {
            if state.is_ok() {
                break;
            }
            state = copy.graph.health();
        }
        state
    }

    fn batch(&self) -> Result<(), Arc<str>> {
        self.first.batch()
    }
}
