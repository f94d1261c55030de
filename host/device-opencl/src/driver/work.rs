//! Work that a device was given: what it needs until it is done, and what becomes of it when it is not done in time.

use std::time::Instant;

use bytes::Bytes;
use ocl::core::CommandQueue;

use super::{Buffer, Event};

/// Commands in order, and all memory that they read and write.
///
/// None of it may be freed or used for something else before the device is done, however the call ends. Programs and kernels are not
/// here: OpenCL keeps them for the commands that use them.
#[derive(Default)]
pub(super) struct Work {
    pub(super) events: Vec<Event>,
    /// Handles to the same memory as the caller's.
    pub(super) buffers: Vec<Buffer>,
    pub(super) sent: Vec<Bytes>,
    /// What the device copies to the host, in the order asked for.
    pub(super) received: Vec<Vec<u8>>,
    /// The copies between host and device among the commands, where the queue keeps times.
    pub(super) copies: Vec<Event>,
}

impl Work {
    /// Whether the device has nothing more to do with it.
    pub(super) fn is_over(&self) -> bool {
        // Queues work in order: the last command ends last.
        self.events.last().is_none_or(|event| event.outcome().is_some())
    }

    /// The code of the first command that failed.
    pub(super) fn failure(&self) -> Option<i32> {
        self.events.iter().filter_map(Event::outcome).find(|code| *code < 0)
    }
}

/// Work whose call has ended before it.
pub(super) struct Late {
    pub(super) work: Work,
    /// When the device should have been done at the latest.
    pub(super) due: Instant,
    /// Not given back before the work is over: drivers may wait for what is queued when a queue goes.
    pub(super) _queue: CommandQueue,
}
