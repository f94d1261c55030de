//! Counts the bytes that this host copies on the way of requests, by where it happens.
//!
//! One relaxed addition per copy, on a cache line that few threads share. What the kernel copies (socket to process and back) and the
//! passes of codecs (JSON, compression) are not copies in this sense.

use std::cell::Cell;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};

/// Where bytes are copied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Copied {
    /// Pieces of a request's body into one buffer.
    Body,
    /// Host to guest: tensors that a scorer reads, bodies that an entry script gets, files.
    ToGuest,
    /// Guest to host: tensors that a scorer makes, bodies that an entry script returns.
    FromGuest,
    /// Tensors whose bytes do not lie where a device or an operation can read them.
    Align,
    /// Inputs of a model into a device's memory.
    ToDevice,
    /// Results of a model out of the device's memory.
    Result,
    /// Small tensors into the buffer of the response's head.
    Response,
}

impl Copied {
    /// Every place, in declaration order.
    pub const ALL: [Self; 7] =
        [Self::Body, Self::ToGuest, Self::FromGuest, Self::Align, Self::ToDevice, Self::Result, Self::Response];

    /// Snake-case name: the metric's label.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Body => "body",
            Self::ToGuest => "to_guest",
            Self::FromGuest => "from_guest",
            Self::Align => "align",
            Self::ToDevice => "to_device",
            Self::Result => "result",
            Self::Response => "response",
        }
    }

    /// Counts a copy of `bytes`.
    #[inline]
    pub fn count(self, bytes: usize) {
        LINES[LINE.get()].0[self as usize].fetch_add(bytes as u64, Relaxed);
    }

    /// Bytes copied there by this process so far.
    #[must_use]
    pub fn total(self) -> u64 {
        LINES.iter().map(|line| line.0[self as usize].load(Relaxed)).sum()
    }
}

/// The counters of some threads, on a cache line of their own.
#[repr(align(64))]
struct Line([AtomicU64; Copied::ALL.len()]);

static LINES: [Line; 16] = [const { Line([const { AtomicU64::new(0) }; Copied::ALL.len()]) }; 16];

/// The line of this thread.
fn line() -> usize {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    NEXT.fetch_add(1, Relaxed) % LINES.len()
}

thread_local! {
    static LINE: Cell<usize> = Cell::new(line());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn copies_of_all_threads_add_up() {
        let before = Copied::Align.total();
        std::thread::scope(|scope| {
            for _ in 0..20 {
                scope.spawn(|| Copied::Align.count(5));
            }
        });
        assert_eq!(Copied::Align.total() - before, 100);
    }
}
