//! How long a thread has computed.

use std::time::Duration;

/// Reads the processor time of the calling thread.
pub(crate) trait Meter: Send + Sync {
    /// Processor time that this thread has used so far.
    fn thread_time(&self) -> Duration;
}

/// The operating system's count, which leaves out the time in which the thread was off its core.
pub(crate) struct ThreadTime;

impl Meter for ThreadTime {
    fn thread_time(&self) -> Duration {
        let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
        Duration::new(u64::try_from(time.tv_sec).unwrap_or(0), u32::try_from(time.tv_nsec).unwrap_or(0))
    }
}
