//! A queue of work on a device, and work that was recorded to be started as one.
#![expect(unsafe_code, reason = "calls of NVIDIA's driver")]

use std::ffi::c_void;
use std::sync::Arc;

use cudarc::driver::{result, sys};

use super::matrices::Scratch;
use super::{Gpu, Memory, Pinned};
use crate::CudaError;
use scorehost_plan::launch::{Arg, Place, Work};

/// A queue of work.
pub(crate) struct Stream {
    gpu: Arc<Gpu>,
    pub(super) handle: sys::CUstream,
}

// SAFETY: a handle of the driver, which any thread may use; contexts are used by one thread at a time.
unsafe impl Send for Stream {}
// SAFETY: see above.
unsafe impl Sync for Stream {}

/// Work recorded once and started with one call.
pub(crate) struct Recording {
    gpu: Arc<Gpu>,
    handle: sys::CUgraphExec,
}

// SAFETY: as for streams.
unsafe impl Send for Recording {}

impl Drop for Recording {
    fn drop(&mut self) {
        if self.gpu.bind().is_ok() {
            // SAFETY: made by `instantiate`, destroyed once.
            let _ = unsafe { result::graph::exec_destroy(self.handle) };
        }
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        if self.gpu.bind().is_ok() {
            // SAFETY: made in `new`, destroyed once, after all its work.
            unsafe {
                let _ = result::stream::synchronize(self.handle);
                let _ = result::stream::destroy(self.handle);
            }
        }
    }
}

impl Stream {
    pub(crate) fn new(gpu: &Arc<Gpu>) -> Result<Self, CudaError> {
        gpu.bind()?;
        let handle =
            result::stream::create(result::stream::StreamKind::NonBlocking).map_err(gpu.failed("cuStreamCreate"))?;
        Ok(Self { gpu: Arc::clone(gpu), handle })
    }

    /// Waits for everything queued.
    pub(crate) fn wait(&self) -> Result<(), CudaError> {
        // SAFETY: the stream is alive.
        unsafe { result::stream::synchronize(self.handle) }.map_err(self.gpu.failed("cuStreamSynchronize"))
    }

    /// Queues a copy to the device. The pinned memory must stay as it is until [`Stream::wait`].
    pub(crate) fn upload(
        &self,
        from: &Pinned,
        at: usize,
        to: &Memory,
        offset: u64,
        bytes: usize,
    ) -> Result<(), CudaError> {
        if bytes == 0 {
            return Ok(());
        }
        let part = &from.slice()[at..at + bytes];
        debug_assert!(offset + bytes as u64 <= to.bytes());
        // SAFETY: both ranges are inside their allocations, which the caller keeps until it has waited.
        unsafe { result::memcpy_htod_async(to.address + offset, part, self.handle) }
            .map_err(self.gpu.failed("cuMemcpyHtoDAsync"))
    }

    /// Queues a copy to the host.
    pub(crate) fn download(
        &self,
        from: &Memory,
        offset: u64,
        to: &mut Pinned,
        at: usize,
        bytes: usize,
    ) -> Result<(), CudaError> {
        if bytes == 0 {
            return Ok(());
        }
        let part = &mut to.slice_mut()[at..at + bytes];
        debug_assert!(offset + bytes as u64 <= from.bytes());
        // SAFETY: both ranges are inside their allocations, which the caller keeps until it has waited.
        unsafe { result::memcpy_dtoh_async(part, from.address + offset, self.handle) }
            .map_err(self.gpu.failed("cuMemcpyDtoHAsync"))
    }

    /// Queues a copy from one place of the device's memory to another.
    pub(crate) fn copy(&self, from: (&Memory, u64), to: (&Memory, u64), bytes: u64) -> Result<(), CudaError> {
        if bytes == 0 {
            return Ok(());
        }
        debug_assert!(from.1 + bytes <= from.0.bytes() && to.1 + bytes <= to.0.bytes());
        // SAFETY: both ranges are inside their allocations, which the caller keeps until it has waited.
        unsafe { result::memcpy_dtod_async(to.0.address + to.1, from.0.address + from.1, bytes as usize, self.handle) }
            .map_err(self.gpu.failed("cuMemcpyDtoDAsync"))
    }

    /// Fills memory with a byte.
    pub(crate) fn fill(&self, memory: &Memory, byte: u8) -> Result<(), CudaError> {
        // SAFETY: the range is the whole allocation.
        unsafe { result::memset_d8_async(memory.address, byte, memory.bytes() as usize, self.handle) }
            .map_err(self.gpu.failed("cuMemsetD8Async"))
    }

    /// Queues one piece of work. `address` gives the address of a place.
    pub(crate) fn launch(
        &self,
        work: &Work,
        address: &dyn Fn(&Place) -> Option<u64>,
        scratch: &Memory,
    ) -> Result<(), CudaError> {
        let unknown = || CudaError::Call {
            call: "launch",
            reason: "a kernel or a place of the plan is not on the device".to_owned(),
        };
        match work {
            Work::Kernel { kernel, blocks, threads, shared, args } => {
                let function = self.gpu.function(kernel, *shared).ok_or_else(unknown)?;
                let values =
                    args.iter().map(|arg| bytes(arg, address)).collect::<Option<Vec<_>>>().ok_or_else(unknown)?;
                let mut pointers: Vec<*mut c_void> =
                    values.iter().map(|value| value.as_ptr().cast_mut().cast()).collect();
                let grid = (blocks[0], blocks[1], blocks[2]);
                // SAFETY: the arguments match the kernel's parameters, which the plan wrote both of; their places are
                // inside live allocations.
                unsafe {
                    result::launch_kernel(function.0, grid, (*threads, 1, 1), *shared, self.handle, &mut pointers)
                }
                .map_err(self.gpu.failed("cuLaunchKernel"))
            }
            Work::Gemm(gemm) => {
                let scratch = Scratch { address: scratch.address, bytes: scratch.bytes() as usize };
                self.gpu.matrices.multiply(gemm, address, scratch, self.handle)
            }
            Work::Zero { at, bytes } => {
                let address = address(at).ok_or_else(unknown)?;
                // SAFETY: the place is inside a live allocation.
                unsafe { result::memset_d8_async(address, 0, *bytes as usize, self.handle) }
                    .map_err(self.gpu.failed("cuMemsetD8Async"))
            }
        }
    }

    /// Records what `queue` queues here instead of starting it.
    pub(crate) fn record(&self, queue: impl FnOnce() -> Result<(), CudaError>) -> Result<Recording, CudaError> {
        let failed = |call| self.gpu.failed(call);
        // SAFETY: the stream is alive; only this thread queues on it.
        unsafe {
            result::stream::begin_capture(self.handle, sys::CUstreamCaptureMode::CU_STREAM_CAPTURE_MODE_THREAD_LOCAL)
        }
        .map_err(failed("cuStreamBeginCapture"))?;
        let queued = queue();
        // SAFETY: the capture began above and has to end whatever `queue` did.
        let graph = unsafe { result::stream::end_capture(self.handle) };
        queued?;
        let graph = graph.map_err(failed("cuStreamEndCapture"))?;
        // SAFETY: the graph was just returned by the driver; the recording does not need it.
        let handle = unsafe {
            let handle = result::graph::instantiate(graph, sys::CUgraphInstantiate_flags(0));
            let _ = result::graph::destroy(graph);
            handle
        }
        .map_err(failed("cuGraphInstantiate"))?;
        Ok(Recording { gpu: Arc::clone(&self.gpu), handle })
    }

    /// Starts recorded work.
    pub(crate) fn start(&self, recording: &Recording) -> Result<(), CudaError> {
        // SAFETY: both handles are alive.
        unsafe { result::graph::launch(recording.handle, self.handle) }.map_err(self.gpu.failed("cuGraphLaunch"))
    }
}

/// An argument's bytes as the kernel's parameter.
fn bytes(arg: &Arg, address: &dyn Fn(&Place) -> Option<u64>) -> Option<Vec<u8>> {
    Some(match arg {
        Arg::Place(place) => address(place)?.to_le_bytes().to_vec(),
        Arg::Null => 0u64.to_le_bytes().to_vec(),
        Arg::Int(value) => value.to_le_bytes().to_vec(),
        Arg::Float(value) => value.to_le_bytes().to_vec(),
        Arg::Words(words) => words.iter().flat_map(|word| word.to_le_bytes()).collect(),
    })
}
