//! Values that stay on a device between one call and the next.

use std::any::Any;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use bytes::Bytes;
use parking_lot::Mutex;
use scorehost_core::{Copied, DeviceMemory, DeviceTensor, Failure, Graph, MemoryId, Precision};
use scorehost_device::folding;
use scorehost_graph::Model;

use super::{LoadOptions, load};
use crate::OpenClError;
use crate::driver::{Buffer, Device, Queue};

/// The part of a device's memory that values may hold: one in this many bytes. What does not fit goes to the host's memory.
const SHARE: u64 = 4;

/// Buffers of a graph that no value is in; making one costs more than a copy of some ten kilobytes.
const MAX_SPARE: usize = 4;

/// Where the values of one graph are kept.
pub(super) struct Shelf {
    device: Arc<Device>,
    /// Copies to the host; no call computes in it.
    reader: Queue,
    spare: Mutex<Vec<Buffer>>,
}

/// The elements of one value, or of the values of several calls that ran as one.
pub(super) struct Kept {
    /// There until the value goes.
    buffer: Option<Buffer>,
    bytes: u64,
    shelf: Arc<Shelf>,
}

impl Shelf {
    pub(super) fn new(device: &Arc<Device>) -> Result<Arc<Self>, OpenClError> {
        Ok(Arc::new(Self { device: Arc::clone(device), reader: Queue::new(device, false)?, spare: Mutex::default() }))
    }

    /// Bytes of device memory that no value is in.
    pub(super) fn bytes(&self) -> u64 {
        self.spare.lock().iter().map(Buffer::bytes).sum()
    }

    /// Memory for `bytes`, of unknown content; `None` where values hold as much as they may, or the device is full.
    pub(super) fn keep(self: &Arc<Self>, bytes: u64) -> Option<Kept> {
        let (kept, most) = (&self.device.kept, self.device.limit() / SHARE);
        let add = |kept: u64| kept.checked_add(bytes).filter(|kept| *kept <= most);
        kept.fetch_update(Ordering::Relaxed, Ordering::Relaxed, add).ok()?;
        let buffer = self.buffer(bytes);
        if buffer.is_none() {
            kept.fetch_sub(bytes, Ordering::Relaxed);
        }
        buffer.map(|buffer| Kept { buffer: Some(buffer), bytes, shelf: Arc::clone(self) })
    }

    /// A buffer of exactly so many bytes: a graph's outputs mostly have the same shape.
    fn buffer(&self, bytes: u64) -> Option<Buffer> {
        let mut spare = self.spare.lock();
        if let Some(at) = spare.iter().position(|buffer| buffer.bytes() == bytes) {
            return Some(spare.swap_remove(at));
        }
        Buffer::new(&self.device, bytes)
            .or_else(|error| {
                if spare.is_empty() {
                    return Err(error);
                }
                spare.clear();
                Buffer::new(&self.device, bytes)
            })
            .ok()
    }
}

impl Kept {
    pub(super) fn buffer(&self) -> Result<&Buffer, OpenClError> {
        let gone = || OpenClError::Range { offset: 0, bytes: self.bytes, length: 0 };
        self.buffer.as_ref().ok_or_else(gone)
    }

    /// The elements of a value on this device, and where they begin; `None` where they are elsewhere.
    pub(super) fn of<'v>(value: &'v DeviceTensor, device: &Arc<Device>) -> Option<(&'v Buffer, u64)> {
        let memory: &dyn Any = &**value.memory();
        let kept = memory.downcast_ref::<Self>().filter(|kept| Arc::ptr_eq(&kept.shelf.device, device))?;
        Some((kept.buffer.as_ref()?, value.offset()))
    }
}

impl Drop for Kept {
    fn drop(&mut self) {
        self.shelf.device.kept.fetch_sub(self.bytes, Ordering::Relaxed);
        let mut spare = self.shelf.spare.lock();
        if spare.len() >= MAX_SPARE {
            // Shapes may have changed: what lies there for longest goes.
            spare.remove(0);
        }
        // Work of a call that ended late may still write there.
        spare.extend(self.buffer.take().filter(|buffer| !buffer.is_shared()));
    }
}

impl DeviceMemory for Kept {
    fn id(&self) -> &MemoryId {
        &self.shelf.device.memory
    }

    fn read(&self, offset: u64, length: u64) -> Result<Bytes, Failure> {
        if offset.checked_add(length).is_none_or(|end| end > self.bytes) {
            return Err(OpenClError::Range { offset, bytes: length, length: self.bytes }.into());
        }
        let buffer = self.buffer()?;
        let ((), mut read) = self.shelf.reader.run(None, |batch| batch.read(buffer, offset, length))?;
        let bytes = read.pop().unwrap_or_default();
        Copied::Result.count(bytes.len());
        Ok(bytes.into())
    }

    fn load(&self, onnx: &Bytes) -> Result<Arc<dyn Graph>, Failure> {
        let model = Model::read(onnx.clone(), None)?;
        let precision = Precision::F32;
        let options =
            LoadOptions { precision, fold: folding(), contexts: 1, poison: false, batches: false, style: None };
        Ok(Arc::new(load(&self.shelf.device, &model, options)?))
    }
}
