//! The memory, table and instance limits of one replica.

use wasmtime::ResourceLimiter;

/// Core instances of one replica; a CPython component has about thirty.
const MAX_INSTANCES: usize = 256;
/// Linear memories of one replica.
pub(crate) const MAX_MEMORIES: usize = 8;
/// Tables of one replica.
pub(crate) const MAX_TABLES: usize = 16;
/// Elements of one table.
pub(crate) const MAX_TABLE_ELEMENTS: usize = 1 << 16;

/// Counts what the guest's linear memories hold and refuses growth beyond the cap.
#[derive(Debug)]
pub(crate) struct Limits {
    cap: u64,
    held: u64,
    refused: Option<u64>,
}

impl Limits {
    pub(crate) const fn new(cap: u64) -> Self {
        Self { cap, held: 0, refused: None }
    }

    /// The cap in bytes.
    pub(crate) const fn cap(&self) -> u64 {
        self.cap
    }

    /// What the linear memories hold, in bytes.
    pub(crate) const fn held(&self) -> u64 {
        self.held
    }

    /// The total that the guest asked for last and did not get, since the last call of this function.
    pub(crate) const fn take_refused(&mut self) -> Option<u64> {
        self.refused.take()
    }
}

impl ResourceLimiter for Limits {
    fn memory_growing(&mut self, current: usize, desired: usize, _: Option<usize>) -> wasmtime::Result<bool> {
        let wanted = self.held.saturating_add(desired.saturating_sub(current) as u64);
        if wanted > self.cap {
            self.refused = Some(wanted);
            return Ok(false);
        }
        self.held = wanted;
        Ok(true)
    }

    fn table_growing(&mut self, _: usize, desired: usize, _: Option<usize>) -> wasmtime::Result<bool> {
        Ok(desired <= MAX_TABLE_ELEMENTS)
    }

    fn instances(&self) -> usize {
        MAX_INSTANCES
    }

    fn tables(&self) -> usize {
        MAX_TABLES
    }

    fn memories(&self) -> usize {
        MAX_MEMORIES
    }
}
