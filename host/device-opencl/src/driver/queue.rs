//! Work in order, and waiting for it, no longer than until a deadline.
#![expect(unsafe_code, reason = "OpenCL reads and writes memory of the host's while work is under way")]

use std::cell::RefCell;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use bytes::Bytes;
use ocl::core::{self, CommandQueue};
use ocl::flags::CommandQueueProperties;
use scorehost_core::Deadline;

use super::work::{Late, Work};
use super::{Arg, Buffer, Device, Event, Kernel};
use crate::OpenClError;

/// A queue of work, done in order. Several threads may use several of them at once.
pub(crate) struct Queue {
    device: Arc<Device>,
    handle: CommandQueue,
    /// Whether events tell how long the device worked.
    times: bool,
    /// Whether work of a call that has ended is still in it.
    spent: AtomicBool,
}

/// Work items of a launch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Grid {
    /// Work items in each dimension.
    pub(crate) items: [usize; 3],
    /// Work items of a group; the driver chooses where it is unset.
    pub(crate) group: Option<[usize; 3]>,
}

/// Work that is being queued. It owns what the device reads and writes, or shares it, so that a call may end before the device does.
pub(crate) struct Batch<'q> {
    queue: &'q Queue,
    work: RefCell<Work>,
}

impl Drop for Batch<'_> {
    /// Where the queueing panics, what was queued before is still under way.
    fn drop(&mut self) {
        let work = self.work.take();
        if !work.is_over() {
            self.queue.give_up(work, Instant::now() + self.queue.device.ceiling);
        }
    }
}

impl Queue {
    /// `times`: whether events tell how long the device worked.
    pub(crate) fn new(device: &Arc<Device>, times: bool) -> Result<Self, OpenClError> {
        device.check()?;
        let properties = times.then_some(CommandQueueProperties::PROFILING_ENABLE);
        let handle = core::create_command_queue(&device.context, device.id, properties)
            .map_err(device.failed("clCreateCommandQueue"))?;
        Ok(Self { device: Arc::clone(device), handle, times, spent: AtomicBool::new(false) })
    }

    /// Queues what `work` asks for and waits until all of it is done, also where some of it failed. Returns what `work` returns, and
    /// what its reads brought to the host, in their order.
    ///
    /// It waits until `until`, and no longer than the device's ceiling. Work that is not done by then stays with the device, together
    /// with its memory; this queue takes no more, and what the work wrote to must not be used again.
    ///
    /// # Errors
    /// Those of `work`, or what the device says of work that it was given. `Deadline` at `until`; `Lost` at the ceiling.
    pub(crate) fn run<T>(
        &self,
        until: Option<Deadline>,
        work: impl FnOnce(&Batch<'_>) -> Result<T, OpenClError>,
    ) -> Result<(T, Vec<Vec<u8>>), OpenClError> {
        self.device.admits(until)?;
        if self.is_spent() {
            return Err(self.device.late());
        }
        let batch = Batch { queue: self, work: RefCell::default() };
        let result = work(&batch);
        let done = self.wait(batch.work.take(), until)?;
        let result = result?;
        match done.failure() {
            None => Ok((result, done.received)),
            Some(code) => Err(self.device.broken(code)),
        }
    }

    /// Whether work of a call that ended late is still in it: then it is of no more use, and neither is the memory that it wrote to.
    pub(crate) fn is_spent(&self) -> bool {
        self.spent.load(Ordering::Relaxed)
    }

    fn wait(&self, work: Work, until: Option<Deadline>) -> Result<Work, OpenClError> {
        let Some(last) = work.events.last() else { return Ok(work) };
        let due = Instant::now() + self.device.ceiling;
        if let Err(error) = core::flush(&self.handle).map_err(self.device.failed("clFlush")) {
            self.give_up(work, due);
            return Err(error);
        }
        let bound = until.map_or(due, |until| until.instant().min(due));
        if last.ends_by(bound) {
            return Ok(work);
        }
        self.give_up(work, due);
        if bound < due { Err(self.device.late()) } else { Err(self.device.overdue()) }
    }

    /// Leaves work to the device, which was expected to be done with it at `due`.
    fn give_up(&self, work: Work, due: Instant) {
        self.spent.store(true, Ordering::Relaxed);
        self.device.keep(Late { work, due, _queue: self.handle.clone() });
    }
}

impl Batch<'_> {
    /// Queues a copy to the device.
    pub(crate) fn write(&self, to: &Buffer, offset: u64, data: &Bytes) -> Result<(), OpenClError> {
        to.check(offset, data.len() as u64)?;
        if data.is_empty() {
            return Ok(());
        }
        let mut event = core::Event::null();
        // SAFETY: the range is inside the buffer; the work keeps both until the command is done.
        unsafe {
            core::enqueue_write_buffer(
                &self.queue.handle,
                to.handle(),
                false,
                offset as usize,
                data,
                None::<core::Event>,
                Some(&mut event),
            )
        }
        .map_err(self.failed("clEnqueueWriteBuffer"))?;
        self.copied(Event(event), to);
        self.work.borrow_mut().sent.push(data.clone());
        Ok(())
    }

    /// Queues a copy to the host, which [`Queue::run`] returns.
    pub(crate) fn read(&self, from: &Buffer, offset: u64, bytes: u64) -> Result<(), OpenClError> {
        from.check(offset, bytes)?;
        let mut to = vec![0; bytes as usize];
        if to.is_empty() {
            self.work.borrow_mut().received.push(to);
            return Ok(());
        }
        let mut event = core::Event::null();
        // SAFETY: the range is inside the buffer; the work keeps both, whose places in memory do not change, until the command is done.
        unsafe {
            core::enqueue_read_buffer(
                &self.queue.handle,
                from.handle(),
                false,
                offset as usize,
                &mut to,
                None::<core::Event>,
                Some(&mut event),
            )
        }
        .map_err(self.failed("clEnqueueReadBuffer"))?;
        self.copied(Event(event), from);
        self.work.borrow_mut().received.push(to);
        Ok(())
    }

    /// Queues a copy on the device.
    pub(crate) fn copy(&self, from: (&Buffer, u64), to: (&Buffer, u64), bytes: u64) -> Result<(), OpenClError> {
        from.0.check(from.1, bytes)?;
        to.0.check(to.1, bytes)?;
        if bytes == 0 {
            return Ok(());
        }
        let mut event = core::Event::null();
        core::enqueue_copy_buffer::<u8, _, _, _>(
            &self.queue.handle,
            from.0.handle(),
            to.0.handle(),
            from.1 as usize,
            to.1 as usize,
            bytes as usize,
            None::<core::Event>,
            Some(&mut event),
        )
        .map_err(self.failed("clEnqueueCopyBuffer"))?;
        self.took(Event(event), [from.0, to.0]);
        Ok(())
    }

    /// Queues filling a part of a buffer with a byte.
    pub(crate) fn fill(&self, at: &Buffer, offset: u64, bytes: u64, byte: u8) -> Result<(), OpenClError> {
        at.check(offset, bytes)?;
        if bytes == 0 {
            return Ok(());
        }
        let mut event = core::Event::null();
        core::enqueue_fill_buffer(
            &self.queue.handle,
            at.handle(),
            byte,
            offset as usize,
            bytes as usize,
            None::<core::Event>,
            Some(&mut event),
            None,
        )
        .map_err(self.failed("clEnqueueFillBuffer"))?;
        self.took(Event(event), [at]);
        Ok(())
    }

    /// Queues a kernel. What it reads and writes is the program's word: OpenCL checks no bounds.
    pub(crate) fn launch(&self, kernel: &Kernel, grid: Grid, args: &[Arg<'_>]) -> Result<Event, OpenClError> {
        let mut event = core::Event::null();
        kernel.with(args, |handle| {
            // SAFETY: the arguments are set, and the work keeps their memory until the command is done.
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
        let event = Event(event);
        self.took(
            event.clone(),
            args.iter().filter_map(|arg| if let Arg::Buffer(buffer) = arg { Some(*buffer) } else { None }),
        );
        Ok(event)
    }

    /// Queues filling a byte once an event of a test's has come.
    #[cfg(test)]
    pub(super) fn after(&self, event: &core::Event, at: &Buffer) -> Result<(), OpenClError> {
        let mut filled = core::Event::null();
        core::enqueue_fill_buffer(&self.queue.handle, at.handle(), 0u8, 0, 1, Some(event), Some(&mut filled), None)
            .map_err(self.failed("clEnqueueFillBuffer"))?;
        self.took(Event(filled), [at]);
        Ok(())
    }

    /// The copies between host and device so far, where the queue keeps times.
    pub(crate) fn copies(&self) -> Vec<Event> {
        self.work.borrow().copies.clone()
    }

    fn copied(&self, event: Event, buffer: &Buffer) {
        if self.queue.times {
            self.work.borrow_mut().copies.push(event.clone());
        }
        self.took(event, [buffer]);
    }

    /// Keeps what a command works with.
    fn took<'b>(&self, event: Event, buffers: impl IntoIterator<Item = &'b Buffer>) {
        let mut work = self.work.borrow_mut();
        work.events.push(event);
        work.buffers.extend(buffers.into_iter().cloned());
    }

    fn failed(&self, call: &'static str) -> impl Fn(ocl::core::Error) -> OpenClError {
        self.queue.device.failed(call)
    }
}
