//! Places in memory that grows as needed: best fit, neighbours merged.

use std::collections::BTreeMap;

/// Memory with holes.
pub(super) struct Arena {
    align: u64,
    end: u64,
    /// Free pieces below the end: first byte to length. No two touch.
    free: BTreeMap<u64, u64>,
}

impl Arena {
    pub(super) const fn new(align: u64) -> Self {
        Self { align, end: 0, free: BTreeMap::new() }
    }

    /// Bytes used at most so far.
    pub(super) const fn bytes(&self) -> u64 {
        self.end
    }

    fn padded(&self, bytes: u64) -> u64 {
        bytes.checked_next_multiple_of(self.align).unwrap_or(u64::MAX)
    }

    /// The offset of that many bytes: the smallest hole that is large enough, else the end.
    pub(super) fn take(&mut self, bytes: u64) -> u64 {
        let bytes = self.padded(bytes);
        if bytes == 0 {
            return 0;
        }
        let fits = self.free.iter().filter(|(_, length)| **length >= bytes);
        if let Some((offset, length)) =
            fits.min_by_key(|(_, length)| **length).map(|(offset, length)| (*offset, *length))
        {
            self.free.remove(&offset);
            if length > bytes {
                self.free.insert(offset + bytes, length - bytes);
            }
            return offset;
        }
        // A hole at the end needs only the rest.
        let last = self.free.last_key_value().filter(|(offset, length)| **offset + **length == self.end);
        let offset = last.map_or(self.end, |(offset, _)| *offset);
        self.free.remove(&offset);
        self.end = offset.saturating_add(bytes);
        offset
    }

    /// Frees what [`Arena::take`] gave for as many bytes.
    pub(super) fn give(&mut self, mut offset: u64, bytes: u64) {
        let mut length = self.padded(bytes).min(self.end - offset.min(self.end));
        if length == 0 {
            return;
        }
        if let Some(next) = self.free.remove(&(offset + length)) {
            length += next;
        }
        let before = self.free.range(..offset).next_back().map(|(start, length)| (*start, *length));
        if let Some((start, before)) = before.filter(|(start, length)| start + length == offset) {
            self.free.remove(&start);
            (offset, length) = (start, before + length);
        }
        self.free.insert(offset, length);
    }
}
