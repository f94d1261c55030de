//! Memory of values that have died, for values to come.
//!
//! Large arrays come and go with every run; fresh memory for each would be zeroed by the system page by page. Each
//! thread keeps what its runs gave back, so that threads share nothing and all graphs of a thread share everything.

use std::cell::RefCell;

use super::Buffer;
use super::{Array, Elements};

/// Bytes that a thread keeps between uses at most.
const KEPT_BYTES: usize = 64 << 20;
/// Pieces of memory that a thread keeps at most.
const KEPT: usize = 64;
/// Elements below which the allocator is as fast.
const SMALLEST: usize = 1024;

thread_local! {
    static FREE: RefCell<Free> = const { RefCell::new(Free { pieces: Vec::new(), bytes: 0 }) };
}

struct Free {
    /// The oldest first.
    pieces: Vec<Vec<f32>>,
    bytes: usize,
}

impl Free {
    /// The smallest piece that is long enough and not much longer.
    fn take(&mut self, length: usize) -> Option<Vec<f32>> {
        let fits = |piece: &&(usize, usize)| piece.1 >= length && piece.1 <= length.saturating_mul(2);
        let sizes: smallvec::SmallVec<[(usize, usize); KEPT]> = self.pieces.iter().map(Vec::len).enumerate().collect();
        let (best, _) = *sizes.iter().filter(fits).min_by_key(|piece| piece.1)?;
        let piece = self.pieces.remove(best);
        self.bytes -= size_of_val(&*piece);
        Some(piece)
    }

    fn give(&mut self, piece: Vec<f32>) {
        let bytes = size_of_val(&*piece);
        if bytes > KEPT_BYTES {
            return;
        }
        while self.pieces.len() >= KEPT || self.bytes + bytes > KEPT_BYTES {
            self.bytes -= size_of_val(&*self.pieces.remove(0));
        }
        self.bytes += bytes;
        self.pieces.push(piece);
    }
}

/// `length` numbers of no particular value: whoever takes them writes every one of them.
pub(crate) fn numbers(length: usize) -> Buffer<f32> {
    if length < SMALLEST {
        return vec![0.0; length].into();
    }
    let recycled = FREE.with_borrow_mut(|free| free.take(length));
    let mut piece = recycled.unwrap_or_else(|| vec![0.0; length]);
    // What a kernel forgets to write must be seen by its test.
    if cfg!(test) {
        piece.fill(f32::NAN);
    }
    Buffer::prefix(piece, length)
}

/// Takes numbers back.
pub(crate) fn recycle(numbers: Buffer<f32>) {
    if let Some(piece) = numbers.into_memory().filter(|piece| piece.len() >= SMALLEST) {
        FREE.with_borrow_mut(|free| free.give(piece));
    }
}

/// Takes the memory of an array back.
pub(crate) fn recycle_array(array: Array) {
    if let Elements::F32(numbers) = array.elements {
        recycle(numbers);
    }
}

/// Bytes that this thread keeps.
#[cfg(test)]
pub(crate) fn kept_bytes() -> usize {
    FREE.with_borrow(|free| free.bytes)
}
