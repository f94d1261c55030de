//! Memory of a device, and memory of the host that it copies from and to without help of the processor.
#![expect(unsafe_code, reason = "calls of NVIDIA's driver, and buffers that it fills")]

use std::sync::Arc;

use cudarc::driver::{result, sys};

use super::Gpu;
use crate::CudaError;

/// An allocation on a device, counted against its budget.
pub(crate) struct Memory {
    gpu: Arc<Gpu>,
    pub(super) address: sys::CUdeviceptr,
    bytes: u64,
}

impl Memory {
    pub(crate) fn new(gpu: &Arc<Gpu>, bytes: u64) -> Result<Self, CudaError> {
        let bytes = bytes.max(256);
        gpu.bind()?;
        gpu.reserve(bytes)?;
        // SAFETY: the memory is written before it is read, by copies and kernels of this room.
        let address = unsafe { result::malloc_sync(bytes as usize) }.map_err(|error| {
            gpu.release(bytes);
            match gpu.failed("cuMemAlloc")(error) {
                CudaError::Memory { .. } => gpu.full(bytes),
                other => other,
            }
        })?;
        Ok(Self { gpu: Arc::clone(gpu), address, bytes })
    }

    /// A copy of the host's bytes, complete when this returns.
    pub(crate) fn of(gpu: &Arc<Gpu>, bytes: &[u8]) -> Result<Self, CudaError> {
        let memory = Self::new(gpu, bytes.len() as u64)?;
        if !bytes.is_empty() {
            // SAFETY: the allocation is at least as long as `bytes`.
            unsafe { result::memcpy_htod_sync(memory.address, bytes) }.map_err(gpu.failed("cuMemcpyHtoD"))?;
        }
        Ok(memory)
    }

    /// Copies bytes from `offset` on to the host; blocks until they are here. Nothing may be queued that writes them.
    pub(crate) fn read(&self, offset: u64, to: &mut [u8]) -> Result<(), CudaError> {
        debug_assert!(offset + to.len() as u64 <= self.bytes);
        self.gpu.bind()?;
        // SAFETY: the caller stays inside the allocation.
        unsafe { result::memcpy_dtoh_sync(to, self.address + offset) }.map_err(self.gpu.failed("cuMemcpyDtoH"))
    }

    /// The first byte's address on the device.
    pub(crate) const fn address(&self) -> u64 {
        self.address
    }

    pub(crate) const fn bytes(&self) -> u64 {
        self.bytes
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        if self.gpu.bind().is_ok() {
            // SAFETY: allocated in `new`, freed once; the executor waits for its stream before it lets go.
            let _ = unsafe { result::free_sync(self.address) };
        }
        self.gpu.release(self.bytes);
    }
}

/// Page-locked memory of the host.
pub(crate) struct Pinned {
    gpu: Arc<Gpu>,
    pub(super) address: *mut u8,
    bytes: usize,
}

// SAFETY: owned memory; access follows the borrow of the owner.
unsafe impl Send for Pinned {}

impl Pinned {
    pub(crate) fn new(gpu: &Arc<Gpu>, bytes: usize) -> Result<Self, CudaError> {
        let bytes = bytes.max(64);
        gpu.bind()?;
        // SAFETY: filled with zeros before anything reads it.
        let address = unsafe { result::malloc_host(bytes, 0) }.map_err(gpu.failed("cuMemHostAlloc"))?.cast::<u8>();
        // SAFETY: the allocation has `bytes` bytes.
        unsafe { address.write_bytes(0, bytes) };
        Ok(Self { gpu: Arc::clone(gpu), address, bytes })
    }

    pub(crate) const fn len(&self) -> usize {
        self.bytes
    }

    pub(crate) const fn slice(&self) -> &[u8] {
        // SAFETY: initialised in `new`; the device writes only while the executor holds the context and waits.
        unsafe { std::slice::from_raw_parts(self.address, self.bytes) }
    }

    pub(crate) const fn slice_mut(&mut self) -> &mut [u8] {
        // SAFETY: as above, and borrowed mutably.
        unsafe { std::slice::from_raw_parts_mut(self.address, self.bytes) }
    }
}

impl Drop for Pinned {
    fn drop(&mut self) {
        if self.gpu.bind().is_ok() {
            // SAFETY: allocated in `new`, freed once.
            let _ = unsafe { result::free_host(self.address.cast()) };
        }
    }
}
