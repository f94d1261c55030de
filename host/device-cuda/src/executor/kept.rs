//! Values that stay on a GPU between one call and the next.

use std::any::Any;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use bytes::Bytes;
use parking_lot::Mutex;
use scorehost_core::{Copied, DeviceMemory, DeviceTensor, Failure, Graph, MemoryId, Precision};
use scorehost_device::folding;
use scorehost_graph::Model;

use super::load;
use crate::driver::{Gpu, Memory};
use crate::{CudaError, LoadOptions};

/// The part of a GPU's memory that values may hold: one in this many bytes. What does not fit goes to the host's memory.
const SHARE: u64 = 4;

/// Allocations of a graph that no value is in: the driver may wait for all work of the device when one is freed.
const MAX_SPARE: usize = 4;
/// Allocations are of a multiple of this many bytes.
const STEP: u64 = 256;

/// Where the values of one graph are kept.
pub(super) struct Shelf {
    gpu: Arc<Gpu>,
    spare: Mutex<Vec<Memory>>,
}

/// The elements of one value, or of the values of several calls that ran as one.
pub(super) struct Kept {
    /// There until the value goes.
    memory: Option<Memory>,
    /// Bytes of the elements; the memory may be longer.
    length: u64,
    shelf: Arc<Shelf>,
}

impl Shelf {
    pub(super) fn new(gpu: &Arc<Gpu>) -> Arc<Self> {
        Arc::new(Self { gpu: Arc::clone(gpu), spare: Mutex::default() })
    }

    /// Bytes of device memory that no value is in.
    pub(super) fn bytes(&self) -> u64 {
        self.spare.lock().iter().map(Memory::bytes).sum()
    }

    /// Memory for `length` bytes, of unknown content; `None` where values hold as much as they may, or the GPU is full.
    pub(super) fn keep(self: &Arc<Self>, length: u64) -> Option<Kept> {
        let size = length.checked_next_multiple_of(STEP)?;
        let (kept, most) = (&self.gpu.kept, self.gpu.limit() / SHARE);
        let add = |kept: u64| kept.checked_add(length).filter(|kept| *kept <= most);
        kept.fetch_update(Ordering::Relaxed, Ordering::Relaxed, add).ok()?;
        let memory = self.memory(size);
        if memory.is_none() {
            kept.fetch_sub(length, Ordering::Relaxed);
        }
        memory.map(|memory| Kept { memory: Some(memory), length, shelf: Arc::clone(self) })
    }

    /// An allocation of exactly so many bytes: a graph's outputs mostly have the same shape.
    fn memory(&self, bytes: u64) -> Option<Memory> {
        let mut spare = self.spare.lock();
        if let Some(at) = spare.iter().position(|memory| memory.bytes() == bytes) {
            return Some(spare.swap_remove(at));
        }
        let fresh = || Memory::new(&self.gpu, bytes).ok();
        fresh().or_else(|| {
            spare.clear();
            fresh()
        })
    }
}

impl Kept {
    /// Where the elements are, and how many bytes they take.
    pub(super) fn place(&self) -> Result<(&Memory, u64), CudaError> {
        let gone = || CudaError::Range { offset: 0, bytes: self.length, length: 0 };
        Ok((self.memory.as_ref().ok_or_else(gone)?, self.length))
    }

    /// The elements of a value on this GPU, and where they begin; `None` where they are elsewhere.
    pub(super) fn of<'v>(value: &'v DeviceTensor, gpu: &Arc<Gpu>) -> Option<(&'v Memory, u64)> {
        let memory: &dyn Any = &**value.memory();
        let kept = memory.downcast_ref::<Self>().filter(|kept| Arc::ptr_eq(&kept.shelf.gpu, gpu))?;
        Some((kept.memory.as_ref()?, value.offset()))
    }
}

impl Drop for Kept {
    fn drop(&mut self) {
        self.shelf.gpu.kept.fetch_sub(self.length, Ordering::Relaxed);
        let mut spare = self.shelf.spare.lock();
        if spare.len() >= MAX_SPARE {
            // Shapes may have changed: what lies there for longest goes.
            spare.remove(0);
        }
        spare.extend(self.memory.take());
    }
}

impl DeviceMemory for Kept {
    fn id(&self) -> &MemoryId {
        &self.shelf.gpu.memory
    }

    fn read(&self, offset: u64, length: u64) -> Result<Bytes, Failure> {
        let inside = offset.checked_add(length).is_some_and(|end| end <= self.length);
        if !inside {
            return Err(CudaError::Range { offset, bytes: length, length: self.length }.into());
        }
        self.shelf.gpu.check()?;
        let mut bytes = vec![0; length as usize];
        self.place()?.0.read(offset, &mut bytes)?;
        Copied::Result.count(bytes.len());
        Ok(bytes.into())
    }

    fn load(&self, onnx: &Bytes) -> Result<Arc<dyn Graph>, Failure> {
        let model = Model::read(onnx.clone(), None)?;
        let (precision, fold) = (Precision::F32, folding());
        let options = LoadOptions { precision, fold, contexts: 1, poison: false, batches: false };
        Ok(Arc::new(load(&self.shelf.gpu, &model, options)?))
    }
}
