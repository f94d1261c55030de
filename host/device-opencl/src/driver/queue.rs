//! Work in order, and waiting for it.
#![expect(unsafe_code, reason = "OpenCL reads and writes memory of the host's while work is under way")]

use std::cell::Cell;
use std::marker::PhantomData;
use std::sync::Arc;

use ocl::core::{self, CommandQueue};
use ocl::flags::CommandQueueProperties;

use super::{Arg, Buffer, Device, Event, Kernel};
use crate::OpenClError;

/// A queue of work, done in order. Several threads may use several of them at once.
pub(crate) struct Queue {
    device: Arc<Device>,
    handle: CommandQueue,
}

/// Work items of a launch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Grid {
    /// Work items in each dimension.
    pub(crate) items: [usize; 3],
    /// Work items of a group; the driver chooses where it is unset.
    pub(crate) group: Option<[usize; 3]>,
}

/// Work that is being queued. What it borrows for `'env` is free again when [`Queue::run`] has returned.
pub(crate) struct Batch<'env> {
    queue: &'env Queue,
    /// Invariant, so that nothing shorter-lived than `run` is taken.
    _borrowed: PhantomData<Cell<&'env mut ()>>,
}

/// Waits when it goes, also where the queueing panics.
struct Finish<'a>(&'a Queue);

impl Drop for Finish<'_> {
    fn drop(&mut self) {
        let _ = core::finish(&self.0.handle);
    }
}

impl Queue {
    /// `times`: whether events tell how long the device worked.
    pub(crate) fn new(device: &Arc<Device>, times: bool) -> Result<Self, OpenClError> {
        device.check()?;
        let properties = times.then_some(CommandQueueProperties::PROFILING_ENABLE);
        let handle = core::create_command_queue(&device.context, device.id, properties)
            .map_err(device.failed("clCreateCommandQueue"))?;
        Ok(Self { device: Arc::clone(device), handle })
    }

    /// Queues what `work` asks for and waits until all of it is done, also where some of it failed.
    ///
    /// # Errors
    /// Those of `work`, or what the device says of work that it was given.
    pub(crate) fn run<'env, T>(
        &'env self,
        work: impl FnOnce(&Batch<'env>) -> Result<T, OpenClError>,
    ) -> Result<T, OpenClError> {
        self.device.check()?;
        let batch = Batch { queue: self, _borrowed: PhantomData };
        let guard = Finish(self);
        let result = work(&batch);
        std::mem::forget(guard);
        let finished = core::finish(&self.handle).map_err(self.device.failed("clFinish"));
        let result = result?;
        finished?;
        Ok(result)
    }
}

impl<'env> Batch<'env> {
    /// Queues a copy to the device.
    pub(crate) fn write(&self, to: &'env Buffer, offset: u64, data: &'env [u8]) -> Result<(), OpenClError> {
        to.check(offset, data.len() as u64)?;
        if data.is_empty() {
            return Ok(());
        }
        // SAFETY: the range is inside the buffer; `data` is borrowed until `run` has waited.
        unsafe {
            core::enqueue_write_buffer(
                &self.queue.handle,
                &to.handle,
                false,
                offset as usize,
                data,
                None::<core::Event>,
                None::<&mut core::Event>,
            )
        }
        .map_err(self.failed("clEnqueueWriteBuffer"))
    }

    /// Queues a copy to the host.
    pub(crate) fn read(&self, from: &'env Buffer, offset: u64, to: &'env mut [u8]) -> Result<(), OpenClError> {
        from.check(offset, to.len() as u64)?;
        if to.is_empty() {
            return Ok(());
        }
        // SAFETY: the range is inside the buffer; `to` is borrowed until `run` has waited.
        unsafe {
            core::enqueue_read_buffer(
                &self.queue.handle,
                &from.handle,
                false,
                offset as usize,
                to,
                None::<core::Event>,
                None::<&mut core::Event>,
            )
        }
        .map_err(self.failed("clEnqueueReadBuffer"))
    }

    /// Queues a copy on the device.
    pub(crate) fn copy(
        &self,
        from: (&'env Buffer, u64),
        to: (&'env Buffer, u64),
        bytes: u64,
    ) -> Result<(), OpenClError> {
        from.0.check(from.1, bytes)?;
        to.0.check(to.1, bytes)?;
        if bytes == 0 {
            return Ok(());
        }
        core::enqueue_copy_buffer::<u8, _, _, _>(
            &self.queue.handle,
            &from.0.handle,
            &to.0.handle,
            from.1 as usize,
            to.1 as usize,
            bytes as usize,
            None::<core::Event>,
            None::<&mut core::Event>,
        )
        .map_err(self.failed("clEnqueueCopyBuffer"))
    }

    /// Queues filling a part of a buffer with a byte.
    pub(crate) fn fill(&self, at: &'env Buffer, offset: u64, bytes: u64, byte: u8) -> Result<(), OpenClError> {
        at.check(offset, bytes)?;
        if bytes == 0 {
            return Ok(());
        }
        core::enqueue_fill_buffer(
            &self.queue.handle,
            &at.handle,
            byte,
            offset as usize,
            bytes as usize,
            None::<core::Event>,
            None::<&mut core::Event>,
            None,
        )
        .map_err(self.failed("clEnqueueFillBuffer"))
    }

    /// Queues a kernel. What it reads and writes is the program's word: OpenCL checks no bounds.
    pub(crate) fn launch(&self, kernel: &'env Kernel, grid: Grid, args: &[Arg<'env>]) -> Result<Event, OpenClError> {
        let mut event = core::Event::null();
        kernel.with(args, |handle| {
            // SAFETY: the arguments are set, and their memory is borrowed until `run` has waited.
            unsafe {
                core::enqueue_kernel(
                    &self.queue.handle,
                    handle,
                    3,
                    None,
                    &grid.items,
                    grid.group,
                    None::<core::Event>,
                    Some(&mut event),
                )
            }
            .map_err(self.failed("clEnqueueNDRangeKernel"))
        })?;
        Ok(Event(event))
    }

    fn failed(&self, call: &'static str) -> impl Fn(ocl::core::Error) -> OpenClError {
        self.queue.device.failed(call)
    }
}
