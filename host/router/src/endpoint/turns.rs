//! Where each request stands in its endpoint's sequence.

use std::cell::Cell;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};

/// The fractional part of the golden ratio in 64 bits: its multiples fill the unit interval more evenly than those of any
/// other number (Weyl's equidistribution; the golden ratio is the worst to approximate by fractions).
const GOLDEN: u64 = 0x9e37_79b9_7f4a_7c15;
/// The fractional part of √2 in 64 bits: as good, and with no common measure with the former, so that two questions about
/// one request get independent answers.
const ROOT_2: u64 = 0x6a09_e667_f3bc_c908;

/// One request's place.
#[derive(Clone, Copy)]
pub(super) struct Turn(u64);

impl Turn {
    /// A point of the unit interval in 64 bits. The points of following requests lie evenly, so that of any n of them the
    /// part below p is p·n but for a few, in every stretch of requests and whatever pattern the callers have.
    pub(super) const fn first(self) -> u64 {
        self.0.wrapping_mul(GOLDEN)
    }

    /// Another point, independent of the first.
    pub(super) const fn second(self) -> u64 {
        self.0.wrapping_mul(ROOT_2)
    }
}

/// One thread's share of the counting; a pair of cache lines, which the processor fetches together.
#[repr(align(128))]
struct Shard(AtomicU64);

/// Counts the requests of one endpoint. Threads count apart: the points of each are even, and so are those of all.
pub(super) struct Turns(Box<[Shard]>);

impl Default for Turns {
    fn default() -> Self {
        let shards = std::thread::available_parallelism().map_or(1, usize::from).next_power_of_two().min(16);
        // Sequences that begin far apart do not choose alike.
        Self((0..shards as u64).map(|shard| Shard(AtomicU64::new((shard << 40) | 1))).collect())
    }
}

impl Turns {
    pub(super) fn next(&self) -> Turn {
        // The number of shards is a power of two.
        let shard = &self.0[thread_number() & (self.0.len() - 1)];
        Turn(shard.0.fetch_add(1, Relaxed))
    }
}

/// Threads are numbered as they first route, so that the ingress threads get shards of their own.
fn thread_number() -> usize {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    thread_local! {
        static NUMBER: Cell<usize> = Cell::new(NEXT.fetch_add(1, Relaxed));
    }
    NUMBER.get()
}
