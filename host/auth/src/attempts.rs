//! Who guesses: wrong credentials counted by address, in a table that never grows.
//!
//! Only different wrong credentials count: a client that keeps sending an old key is mistaken, not guessing, and must not
//! shut out others behind its address.

use std::hash::{BuildHasher, RandomState};
use std::net::{IpAddr, Ipv6Addr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use scorehost_core::Clock;

/// Buckets of the table; a power of two.
const BUCKETS: usize = 1024;

/// Addresses in one bucket.
const WAYS: usize = 8;

/// Wrong credentials of one address that are told apart.
const REMEMBERED: usize = 4;

/// Wrong credentials by address.
pub(crate) struct Attempts {
    clock: Arc<dyn Clock>,
    /// 0 counts nothing.
    limit: u32,
    window: Duration,
    started: Instant,
    hashes: RandomState,
    buckets: Box<[Mutex<[Slot; WAYS]>]>,
    /// Milliseconds since `started` until which some address is refused: before, no table need be looked at.
    refused_until: AtomicU64,
}

#[derive(Clone, Copy, Default)]
struct Slot {
    /// `None` is a free slot.
    peer: Option<IpAddr>,
    /// Milliseconds since `started` at which the window began.
    began: u64,
    count: u32,
    /// Hashes of the last wrong credentials.
    last: [u64; REMEMBERED],
    /// Milliseconds since `started`; 0 is not refused.
    refused_until: u64,
}

impl Attempts {
    pub(crate) fn new(clock: Arc<dyn Clock>, limit: u32, window: Duration) -> Self {
        Self {
            limit,
            window,
            started: clock.now(),
            clock,
            hashes: RandomState::new(),
            buckets: (0..BUCKETS).map(|_| Mutex::default()).collect(),
            refused_until: AtomicU64::new(0),
        }
    }

    /// How long the address is still refused, where it is. Costs one load while no address at all is refused.
    pub(crate) fn refused(&self, peer: IpAddr) -> Option<Duration> {
        let until = self.refused_until.load(Ordering::Acquire);
        if until == 0 {
            return None;
        }
        let now = self.now();
        if until <= now {
            return None;
        }
        let peer = network(peer);
        let bucket = self.bucket(peer).lock();
        let slot = bucket.iter().find(|slot| slot.peer == Some(peer))?;
        (slot.refused_until > now).then(|| Duration::from_millis(slot.refused_until - now))
    }

    /// Counts a wrong credential of the address.
    pub(crate) fn failed(&self, peer: IpAddr, credential: &str) {
        if self.limit == 0 {
            return;
        }
        let (peer, now) = (network(peer), self.now());
        // Never 0, which marks an unused place.
        let hash = self.hashes.hash_one(credential) | 1;
        let mut bucket = self.bucket(peer).lock();
        let slot = self.slot(&mut bucket, peer, now);
        if slot.last.contains(&hash) {
            return;
        }
        slot.last[slot.count as usize % REMEMBERED] = hash;
        slot.count += 1;
        if slot.count >= self.limit {
            let until = now + self.window_ms();
            *slot = Slot { peer: Some(peer), began: now, refused_until: until, ..Slot::default() };
            self.refused_until.fetch_max(until, Ordering::AcqRel);
            tracing::warn!(address = %peer, seconds = self.window.as_secs(), "refused for a while: too many wrong credentials");
        }
    }

    /// The address's slot, its window begun anew where it is over; the slot that matters least where the bucket is full.
    fn slot<'a>(&self, bucket: &'a mut [Slot; WAYS], peer: IpAddr, now: u64) -> &'a mut Slot {
        let window = self.window_ms();
        let over = |slot: &Slot| slot.began + window <= now && slot.refused_until <= now;
        let found = bucket.iter().position(|slot| slot.peer == Some(peer));
        let place = found.unwrap_or_else(|| {
            let matters = |slot: &Slot| (slot.peer.is_some() && !over(slot), slot.refused_until, slot.count);
            (0..WAYS).min_by_key(|place| matters(&bucket[*place])).unwrap_or(0)
        });
        let slot = &mut bucket[place];
        if slot.peer != Some(peer) || over(slot) {
            *slot = Slot { peer: Some(peer), began: now, ..Slot::default() };
        }
        slot
    }

    fn bucket(&self, peer: IpAddr) -> &Mutex<[Slot; WAYS]> {
        &self.buckets[self.hashes.hash_one(peer) as usize % BUCKETS]
    }

    fn now(&self) -> u64 {
        self.clock.now().saturating_duration_since(self.started).as_millis() as u64
    }

    fn window_ms(&self) -> u64 {
        self.window.as_millis() as u64
    }
}

/// What one caller holds: an IPv4 address, or the /64 of an IPv6 address.
fn network(peer: IpAddr) -> IpAddr {
    match peer.to_canonical() {
        IpAddr::V4(address) => address.into(),
        IpAddr::V6(address) if address.is_loopback() => address.into(),
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() >> 64 << 64).into(),
    }
}

#[cfg(test)]
mod tests;
