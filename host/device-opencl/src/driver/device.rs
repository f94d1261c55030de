//! One device: its context, its memory budget, whether it still answers.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use ocl::core::{Context, ContextProperties, DeviceId};
use parking_lot::Mutex;
use scorehost_core::{Deadline, MemoryId};

use super::verdict::{Verdict, named, verdict};
use super::work::Late;
use super::{Found, ProgramCache, probe, reason};
use crate::{DeviceInfo, OpenClError};

/// Calls that ended before their work did, at most; others are refused until the device is done with some.
const MAX_LATE: usize = 8;

/// One device of this process.
pub(crate) struct Device {
    pub(crate) info: DeviceInfo,
    pub(super) id: DeviceId,
    pub(super) context: Context,
    /// Its memory among all devices of the process.
    pub(crate) memory: MemoryId,
    limit: u64,
    used: AtomicU64,
    /// Bytes of values that stay from one call to the next.
    pub(crate) kept: AtomicU64,
    pub(super) cache: ProgramCache,
    /// How long the device may take for what one call gives it. A device that takes longer is lost.
    pub(super) ceiling: Duration,
    state: Mutex<State>,
    /// Microseconds that calls have occupied the device.
    pub(crate) busy_micros: AtomicU64,
    /// Calls under way.
    pub(crate) running: AtomicU64,
}

#[derive(Default)]
struct State {
    /// Why nothing runs here any more.
    lost: Option<String>,
    /// Work whose calls have ended. It holds memory of this device, which holds the device: where the work never ends, both stay until
    /// the process ends, because nobody knows when the device will write there.
    late: Vec<Late>,
}

/// How much of a device is used, and for how long.
#[derive(Clone)]
pub(crate) struct Bounds {
    /// Bytes that may be allocated, at most the device's memory.
    pub(crate) memory: Option<u64>,
    /// How long the device may take for what one call gives it.
    pub(crate) ceiling: Duration,
}

impl Device {
    /// Opens a device.
    pub(crate) fn open(
        found: Found,
        number: usize,
        bounds: &Bounds,
        cache: ProgramCache,
    ) -> Result<Arc<Self>, OpenClError> {
        let Found { info, id, platform } = found;
        let properties = ContextProperties::new().platform(platform);
        let context = ocl::core::create_context(Some(&properties), &[id], None, None)
            .map_err(|error| OpenClError::Call { call: "clCreateContext", reason: reason(&error) })?;
        Ok(Arc::new(Self {
            memory: MemoryId::new(format!("opencl:{number}")),
            kept: AtomicU64::new(0),
            limit: bounds.memory.unwrap_or(info.memory_bytes).min(info.memory_bytes),
            ceiling: bounds.ceiling,
            info,
            id,
            context,
            used: AtomicU64::new(0),
            cache,
            state: Mutex::default(),
            busy_micros: AtomicU64::new(0),
            running: AtomicU64::new(0),
        }))
    }

    /// The reason why nothing runs here any more.
    pub(crate) fn check(&self) -> Result<(), OpenClError> {
        self.look_after_late();
        match &self.state.lock().lost {
            Some(reason) => Err(self.gone(reason)),
            None => Ok(()),
        }
    }

    /// Whether a call that is to end at `until` may begin.
    pub(super) fn admits(&self, until: Option<Deadline>) -> Result<(), OpenClError> {
        self.check()?;
        if until.is_some_and(|until| until.passed(Instant::now())) {
            return Err(self.late());
        }
        match self.state.lock().late.len() {
            calls @ MAX_LATE.. => Err(OpenClError::Occupied { device: self.info.name.clone(), calls }),
            _ => Ok(()),
        }
    }

    /// Keeps work whose call has ended, and all that it needs, until the device is done with it.
    pub(super) fn keep(&self, late: Late) {
        self.state.lock().late.push(late);
    }

    /// Gives back what late work held that is over, and gives the device up where some is overdue.
    fn look_after_late(&self) {
        let mut state = self.state.lock();
        if state.late.is_empty() {
            return;
        }
        let over: Vec<Late> = state.late.extract_if(.., |late| late.work.is_over()).collect();
        let now = Instant::now();
        let overdue = state.late.iter().any(|late| late.due <= now);
        drop(state);
        // Without the lock: memory that goes is counted here.
        drop(over);
        if overdue {
            self.overdue();
        }
    }

    /// A call that ends before its work.
    pub(super) fn late(&self) -> OpenClError {
        OpenClError::Deadline { device: self.info.name.clone() }
    }

    /// Gives the device up because it did not come back within the ceiling.
    pub(crate) fn overdue(&self) -> OpenClError {
        self.lose(format!("it has not come back from a call for {} s", self.ceiling.as_secs_f64()))
    }

    fn gone(&self, reason: &str) -> OpenClError {
        OpenClError::Lost { device: self.info.name.clone(), reason: reason.to_owned() }
    }

    /// Gives the device up; the first reason stays.
    fn lose(&self, reason: String) -> OpenClError {
        let mut state = self.state.lock();
        if let Some(first) = &state.lost {
            return self.gone(first);
        }
        tracing::error!(device = self.info.name, reason, "the device is lost");
        self.gone(state.lost.insert(reason))
    }

    /// Turns an error of OpenCL into ours; one that the device does not recover from marks it as lost.
    pub(super) fn failed(&self, call: &'static str) -> impl Fn(ocl::core::Error) -> OpenClError {
        move |error| {
            let code = error.api_status().map_or(0, |status| status as i32);
            self.judge(call, verdict(code), reason(&error), || probe::answers(self))
        }
    }

    /// The same for a command that was taken, and ended with an error's code.
    pub(super) fn broken(&self, code: i32) -> OpenClError {
        // What a command leaves behind is worth a question, whatever it died of.
        let verdict = match verdict(code) {
            Verdict::Call => Verdict::Doubtful,
            known => known,
        };
        self.judge("a queued command", verdict, named(code), || probe::answers(self))
    }

    /// `answers`: whether the device still does what it is asked, where the error alone does not say so.
    pub(super) fn judge(
        &self,
        call: &'static str,
        verdict: Verdict,
        text: String,
        answers: impl Fn() -> bool,
    ) -> OpenClError {
        match verdict {
            Verdict::Full => self.full(0),
            Verdict::Lost => self.lose(format!("{call} failed: {text}")),
            Verdict::Call => OpenClError::Call { call, reason: text },
            Verdict::Exhausted | Verdict::Doubtful if !answers() => {
                self.lose(format!("{call} failed: {text}; it does nothing since"))
            }
            Verdict::Exhausted => self.full(0),
            Verdict::Doubtful => OpenClError::Call { call, reason: text },
        }
    }

    pub(super) fn full(&self, wanted: u64) -> OpenClError {
        OpenClError::Memory { device: self.info.name.clone(), wanted, used: self.used(), limit: self.limit }
    }

    /// Bytes in use by this process's models.
    pub(crate) fn used(&self) -> u64 {
        self.used.load(Ordering::Relaxed)
    }

    /// Bytes that may be used.
    pub(crate) const fn limit(&self) -> u64 {
        self.limit
    }

    pub(super) fn reserve(&self, bytes: u64) -> Result<(), OpenClError> {
        let add = |used: u64| used.checked_add(bytes).filter(|used| *used <= self.limit);
        self.used.fetch_update(Ordering::Relaxed, Ordering::Relaxed, add).map(drop).map_err(|_| self.full(bytes))
    }

    pub(super) fn release(&self, bytes: u64) {
        self.used.fetch_sub(bytes, Ordering::Relaxed);
    }
}
