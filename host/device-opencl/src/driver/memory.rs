//! Memory on a device.
#![expect(unsafe_code, reason = "OpenCL's allocation")]

use std::sync::Arc;

use ocl::core::{self, Mem};
use ocl::flags::MemFlags;

use super::Device;
use crate::OpenClError;

/// Bytes on a device. A clone is the same memory, which is given back when the last one goes.
#[derive(Clone)]
pub(crate) struct Buffer(Arc<Memory>);

struct Memory {
    handle: Mem,
    bytes: u64,
    /// Dropped after the memory itself.
    _counted: Counted,
}

/// What is counted against the device's budget.
struct Counted {
    device: Arc<Device>,
    bytes: u64,
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.device.release(self.bytes);
    }
}

impl Buffer {
    /// Memory of unknown content.
    ///
    /// # Errors
    /// `Memory` where it exceeds the budget, `Largest` where no single buffer can be that long, or what the driver says.
    pub(crate) fn new(device: &Arc<Device>, bytes: u64) -> Result<Self, OpenClError> {
        device.check()?;
        let largest = device.info.largest_buffer;
        if bytes > largest {
            return Err(OpenClError::Largest { device: device.info.name.clone(), wanted: bytes, largest });
        }
        device.reserve(bytes)?;
        let counted = Counted { device: Arc::clone(device), bytes };
        // OpenCL has no buffers of length 0.
        let length = bytes.max(1) as usize;
        // SAFETY: no memory of the host's is handed over.
        let handle = unsafe { core::create_buffer::<_, u8>(&device.context, MemFlags::READ_WRITE, length, None) }
            .map_err(device.failed("clCreateBuffer"))
            .map_err(|error| match error {
                OpenClError::Memory { .. } => device.full(bytes),
                error => error,
            })?;
        Ok(Self(Arc::new(Memory { handle, bytes, _counted: counted })))
    }

    /// Length in bytes.
    pub(crate) fn bytes(&self) -> u64 {
        self.0.bytes
    }

    /// Whether someone else holds the same memory: work that the device is not done with, too.
    pub(crate) fn is_shared(&self) -> bool {
        Arc::strong_count(&self.0) > 1
    }

    pub(super) fn handle(&self) -> &Mem {
        &self.0.handle
    }

    /// Whether a range is inside.
    pub(super) fn check(&self, offset: u64, bytes: u64) -> Result<(), OpenClError> {
        match offset.checked_add(bytes) {
            Some(end) if end <= self.0.bytes => Ok(()),
            _ => Err(OpenClError::Range { offset, bytes, length: self.0.bytes }),
        }
    }
}
