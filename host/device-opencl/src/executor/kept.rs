//! Values that stay on a device between one call and the next.

use std::any::Any;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use bytes::Bytes;
use scorehost_core::{Copied, DeviceMemory, DeviceTensor, Failure, Graph, MemoryId};
use scorehost_device::folding;
use scorehost_graph::Model;

use super::{LoadOptions, load};
use crate::OpenClError;
use crate::driver::{Buffer, Device, Queue};

/// The part of a device's memory that values may hold: one in this many bytes. What does not fit goes to the host's memory.
const SHARE: u64 = 4;

/// The elements of one value, or of the values of several calls that ran as one.
pub(super) struct Kept {
    buffer: Buffer,
    device: Arc<Device>,
    /// Copies to the host; no call computes in it.
    reader: Arc<Queue>,
}

impl Kept {
    /// Memory for `bytes`, of unknown content; `None` where values hold as much as they may, or the device is full.
    pub(super) fn new(device: &Arc<Device>, reader: &Arc<Queue>, bytes: u64) -> Option<Self> {
        let most = device.limit() / SHARE;
        let add = |kept: u64| kept.checked_add(bytes).filter(|kept| *kept <= most);
        device.kept.fetch_update(Ordering::Relaxed, Ordering::Relaxed, add).ok()?;
        let Ok(buffer) = Buffer::new(device, bytes) else {
            device.kept.fetch_sub(bytes, Ordering::Relaxed);
            return None;
        };
        Some(Self { buffer, device: Arc::clone(device), reader: Arc::clone(reader) })
    }

    pub(super) const fn buffer(&self) -> &Buffer {
        &self.buffer
    }

    /// The elements of a value on this device, and where they begin; `None` where they are elsewhere.
    pub(super) fn of<'v>(value: &'v DeviceTensor, device: &Arc<Device>) -> Option<(&'v Buffer, u64)> {
        let memory: &dyn Any = &**value.memory();
        let kept = memory.downcast_ref::<Self>().filter(|kept| Arc::ptr_eq(&kept.device, device))?;
        Some((&kept.buffer, value.offset()))
    }
}

impl Drop for Kept {
    fn drop(&mut self) {
        self.device.kept.fetch_sub(self.buffer.bytes(), Ordering::Relaxed);
    }
}

impl DeviceMemory for Kept {
    fn id(&self) -> &MemoryId {
        &self.device.memory
    }

    fn read(&self, offset: u64, length: u64) -> Result<Bytes, Failure> {
        let inside = offset.checked_add(length).is_some_and(|end| end <= self.buffer.bytes());
        if !inside {
            return Err(OpenClError::Range { offset, bytes: length, length: self.buffer.bytes() }.into());
        }
        let mut bytes = vec![0; length as usize];
        self.reader.run(|batch| batch.read(&self.buffer, offset, &mut bytes))?;
        Copied::Result.count(bytes.len());
        Ok(bytes.into())
    }

    fn load(&self, onnx: &Bytes) -> Result<Arc<dyn Graph>, Failure> {
        let model = Model::read(onnx.clone(), None)?;
        let options = LoadOptions { fold: folding(), contexts: 1, poison: false, batches: false, style: None };
        Ok(Arc::new(load(&self.device, &model, options)?))
    }
}
