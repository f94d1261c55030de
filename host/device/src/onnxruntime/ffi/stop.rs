//! Ends runs whose time is up: one thread for the process raises their terminate flags, which the library looks at between two
//! nodes of a graph. A node that has begun is computed to its end.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::ptr::{self, NonNull};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock, Weak};
use std::time::Instant;

use ort::sys::OrtRunOptions;
use parking_lot::{Condvar, Mutex};

use super::check;

/// Options of one run, which can be told to stop.
pub(super) struct Stoppable {
    options: NonNull<OrtRunOptions>,
    stopped: AtomicBool,
}

// SAFETY: the object is not bound to a thread; its terminate flag is documented to be set from another one.
unsafe impl Send for Stoppable {}
// SAFETY: as above, and nothing else of it changes after it was made.
unsafe impl Sync for Stoppable {}

impl Stoppable {
    /// Options of a run that is told to stop at `until`.
    pub(super) fn until(until: Instant) -> ort::Result<Arc<Self>> {
        let mut options = ptr::null_mut();
        // SAFETY: the out pointer is valid.
        check(unsafe { (ort::api().CreateRunOptions)(&raw mut options) })?;
        let options = NonNull::new(options).ok_or_else(|| ort::Error::new("no options for a run"))?;
        let run = Arc::new(Self { options, stopped: AtomicBool::new(false) });
        watch(until, Arc::downgrade(&run));
        Ok(run)
    }

    pub(super) fn ptr(&self) -> *const OrtRunOptions {
        self.options.as_ptr()
    }

    /// Whether it was told to stop.
    pub(super) fn is_stopped(&self) -> bool {
        self.stopped.load(Ordering::Acquire)
    }

    fn stop(&self) {
        self.stopped.store(true, Ordering::Release);
        // SAFETY: the options are live as long as `self`.
        if let Err(error) = check(unsafe { (ort::api().RunOptionsSetTerminate)(self.options.as_ptr()) }) {
            tracing::warn!(error = error.message(), "a run could not be told to stop");
        }
    }
}

impl Drop for Stoppable {
    fn drop(&mut self) {
        // SAFETY: owned, and released once; a run holds a reference until it has returned.
        unsafe { (ort::api().ReleaseRunOptions)(self.options.as_ptr()) }
    }
}

/// A run and the moment at which it is told to stop.
struct Due {
    at: Instant,
    run: Weak<Stoppable>,
}

impl PartialEq for Due {
    fn eq(&self, other: &Self) -> bool {
        self.at == other.at
    }
}

impl Eq for Due {}

impl PartialOrd for Due {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Due {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.at.cmp(&other.at)
    }
}

#[derive(Default)]
struct Watch {
    due: Mutex<BinaryHeap<Reverse<Due>>>,
    earlier: Condvar,
}

/// Has a run told to stop at `at`, unless it is over by then.
fn watch(at: Instant, run: Weak<Stoppable>) {
    static WATCH: OnceLock<&'static Watch> = OnceLock::new();
    let watch = WATCH.get_or_init(|| {
        let watch: &'static Watch = Box::leak(Box::default());
        let thread = std::thread::Builder::new().name("model-deadlines".to_owned());
        if let Err(error) = thread.spawn(|| keep_watch(watch)) {
            tracing::warn!(%error, "runs of models are not stopped at their deadlines");
        }
        watch
    });
    let mut due = watch.due.lock();
    let first = due.peek().is_none_or(|Reverse(first)| at < first.at);
    due.push(Reverse(Due { at, run }));
    // Runs that are over leave their places until these are due; a host with long deadlines must not keep them all.
    if due.len() > 4096 {
        due.retain(|Reverse(due)| due.run.strong_count() > 0);
    }
    drop(due);
    if first {
        watch.earlier.notify_one();
    }
}

fn keep_watch(watch: &Watch) {
    let mut due = watch.due.lock();
    loop {
        let now = Instant::now();
        while let Some(Reverse(first)) = due.peek()
            && first.at <= now
        {
            let over = due.pop().and_then(|Reverse(due)| due.run.upgrade());
            over.iter().for_each(|run| run.stop());
        }
        match due.peek().map(|Reverse(first)| first.at) {
            Some(at) => drop(watch.earlier.wait_until(&mut due, at)),
            None => watch.earlier.wait(&mut due),
        }
    }
}
