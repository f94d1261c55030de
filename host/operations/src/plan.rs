//! What an operation will need, and whether it may go on.

use crate::OperationError;

/// What an operation needs, known before it runs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    /// Bytes of the outputs and of what is needed on the way, at most.
    pub bytes: u64,
    /// Time on one core in nanoseconds, roughly: to tell short work from long.
    pub nanos: u64,
}

impl Plan {
    /// `bytes` of output, made at `nanos_per_byte`.
    pub(crate) fn of(bytes: u64, nanos_per_byte: f64) -> Self {
        Self { bytes, nanos: (bytes as f64 * nanos_per_byte) as u64 }
    }

    /// The same with other work to do.
    pub(crate) const fn with_nanos(self, nanos: u64) -> Self {
        Self { nanos, ..self }
    }

    /// The same with memory needed on the way.
    pub(crate) const fn with_scratch(self, bytes: u64) -> Self {
        Self { bytes: self.bytes.saturating_add(bytes), ..self }
    }
}

/// Tells a long operation whether to stop. It is asked about every millisecond of work.
pub struct Watch<'a> {
    stop: &'a (dyn Fn() -> bool + Sync),
}

impl<'a> Watch<'a> {
    /// Stops where `stop` is true, usually because a deadline passed.
    #[must_use]
    pub const fn new(stop: &'a (dyn Fn() -> bool + Sync)) -> Self {
        Self { stop }
    }

    /// Never stops.
    #[must_use]
    pub const fn none() -> Watch<'static> {
        Watch { stop: &|| false }
    }

    /// # Errors
    /// [`OperationError::Stopped`] where it is time to.
    pub(crate) fn check(&self) -> Result<(), OperationError> {
        if (self.stop)() { Err(OperationError::Stopped) } else { Ok(()) }
    }
}

/// Counts work and asks the watch now and then.
pub(crate) struct Pace<'a> {
    watch: &'a Watch<'a>,
    left: usize,
}

/// Steps of about a nanosecond between two questions.
const STEPS: usize = 1 << 20;

impl<'a> Pace<'a> {
    pub(crate) const fn new(watch: &'a Watch<'a>) -> Self {
        Self { watch, left: STEPS }
    }

    /// Counts `steps`.
    #[inline]
    pub(crate) fn step(&mut self, steps: usize) -> Result<(), OperationError> {
        if let Some(left) = self.left.checked_sub(steps) {
            self.left = left;
            return Ok(());
        }
        self.left = STEPS;
        self.watch.check()
    }
}
