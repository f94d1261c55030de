//! One device: its context, its memory budget, whether it still answers.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use ocl::core::{Context, ContextProperties, DeviceId};
use ocl::enums::Status;
use parking_lot::Mutex;
use scorehost_core::MemoryId;

use super::{Found, ProgramCache, reason};
use crate::{DeviceInfo, OpenClError};

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
    lost: Mutex<Option<String>>,
    /// Microseconds that calls have occupied the device.
    pub(crate) busy_micros: AtomicU64,
    /// Calls under way.
    pub(crate) running: AtomicU64,
}

impl Device {
    /// Opens a device. `limit`: bytes that may be allocated, at most the device's memory.
    pub(crate) fn open(
        found: Found,
        number: usize,
        limit: Option<u64>,
        cache: ProgramCache,
    ) -> Result<Arc<Self>, OpenClError> {
        let Found { info, id, platform } = found;
        let properties = ContextProperties::new().platform(platform);
        let context = ocl::core::create_context(Some(&properties), &[id], None, None)
            .map_err(|error| OpenClError::Call { call: "clCreateContext", reason: reason(&error) })?;
        Ok(Arc::new(Self {
            memory: MemoryId::new(format!("opencl:{number}")),
            kept: AtomicU64::new(0),
            limit: limit.unwrap_or(info.memory_bytes).min(info.memory_bytes),
            info,
            id,
            context,
            used: AtomicU64::new(0),
            cache,
            lost: Mutex::default(),
            busy_micros: AtomicU64::new(0),
            running: AtomicU64::new(0),
        }))
    }

    /// The reason why nothing runs here any more.
    pub(crate) fn check(&self) -> Result<(), OpenClError> {
        match &*self.lost.lock() {
            Some(reason) => Err(OpenClError::Lost { device: self.info.name.clone(), reason: reason.clone() }),
            None => Ok(()),
        }
    }

    /// Turns an error of OpenCL into ours; one that the device does not recover from marks it as lost.
    pub(super) fn failed(&self, call: &'static str) -> impl Fn(ocl::core::Error) -> OpenClError {
        move |error| {
            let text = reason(&error);
            match error.api_status() {
                Some(Status::CL_MEM_OBJECT_ALLOCATION_FAILURE | Status::CL_OUT_OF_HOST_MEMORY) => self.full(0),
                Some(
                    Status::CL_DEVICE_NOT_AVAILABLE
                    | Status::CL_INVALID_DEVICE
                    | Status::CL_INVALID_CONTEXT
                    | Status::CL_INVALID_COMMAND_QUEUE
                    | Status::CL_NV_INVALID_MEM_ACCESS,
                ) => {
                    tracing::error!(device = self.info.name, call, reason = text, "the device is lost");
                    let lost = self.lost.lock().get_or_insert_with(|| format!("{call} failed: {text}")).clone();
                    OpenClError::Lost { device: self.info.name.clone(), reason: lost }
                }
                _ => OpenClError::Call { call, reason: text },
            }
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
