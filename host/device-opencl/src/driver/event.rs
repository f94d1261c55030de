//! What is known of work that was queued.

use ocl::core::{self, ProfilingInfo, ProfilingInfoResult};

/// Queued work that can be asked when it ran.
pub(crate) struct Event(pub(super) ocl::core::Event);

impl Event {
    /// Nanoseconds that the device worked; `None` before it has ended and where the queue keeps no times.
    pub(crate) fn nanoseconds(&self) -> Option<u64> {
        let time = |asked| match core::get_event_profiling_info(&self.0, asked).ok()? {
            ProfilingInfoResult::Start(time) | ProfilingInfoResult::End(time) => Some(time),
            _ => None,
        };
        time(ProfilingInfo::End)?.checked_sub(time(ProfilingInfo::Start)?)
    }
}
