//! Who is where: idle replicas, callers in line, creations under way. Plain data under the pool's lock.

use std::time::{Duration, Instant};

use scorehost_core::order::{Line, Ticket};
use scorehost_core::{Failure, Replica};
use scorehost_telemetry::Typical;
use tokio::sync::oneshot;

use crate::load::{Meter, PoolLoad};
use crate::waiting::{Waiter, Waits};
use crate::{PoolConfig, PoolError, Want};

/// What a caller in line gets.
pub(crate) type Delivery = Result<Box<dyn Replica>, PoolError>;
/// Where it gets it.
pub(crate) type Deliver = oneshot::Sender<Delivery>;

/// What a pool is doing at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PoolSignals {
    /// Replicas handling a call.
    pub busy: usize,
    /// Replicas waiting for one.
    pub idle: usize,
    /// Replicas being made.
    pub creating: usize,
    /// Callers in line.
    pub queued: usize,
}

impl PoolSignals {
    /// Replicas altogether, those being made included.
    #[must_use]
    pub const fn total(&self) -> usize {
        self.busy + self.idle + self.creating
    }
}

/// Why the last creations failed, and until when no other is tried.
struct BackOff {
    pause: Duration,
    until: Instant,
    cause: Failure,
}

pub(crate) struct State {
    /// The last one used is the first one lent: its memory is still in the caches.
    idle: Vec<Box<dyn Replica>>,
    busy: usize,
    creating: usize,
    line: Line<Waiter>,
    /// How long a caller waits for each place of the line.
    pace: Typical,
    back_off: Option<BackOff>,
    meter: Meter,
    /// Replicas kept while they are idle.
    pub(crate) kept: usize,
    /// Replicas at most.
    pub(crate) most: usize,
    /// Whether callers wait for replicas that only a larger maximum would allow, and nobody was told yet.
    short: bool,
    pub(crate) draining: bool,
}

impl State {
    pub(crate) fn new(config: &PoolConfig, now: Instant) -> Self {
        Self {
            idle: Vec::new(),
            busy: 0,
            creating: 0,
            line: Line::default(),
            pace: Typical::default(),
            back_off: None,
            meter: Meter::new(now),
            kept: config.min,
            most: config.max.max(1),
            short: false,
            draining: false,
        }
    }

    pub(crate) fn signals(&self) -> PoolSignals {
        let (busy, creating) = (self.busy, self.creating);
        PoolSignals { busy, idle: self.idle.len(), creating, queued: self.line.len() }
    }

    pub(crate) fn load(&mut self, now: Instant) -> PoolLoad {
        let signals = self.signals();
        self.meter.read(signals, now)
    }

    /// Takes the idle replica used last. The line is empty whenever a replica is idle.
    pub(crate) fn lend(&mut self, now: Instant) -> Option<Box<dyn Replica>> {
        let replica = self.idle.pop()?;
        self.begin(now);
        self.meter.loaded(self.busy);
        Some(replica)
    }

    fn begin(&mut self, now: Instant) {
        self.busy += 1;
        self.meter.began(now);
    }

    /// Puts a healthy replica where it belongs: to the next caller in line, to the idle ones, or back to be dropped.
    /// It counts as neither busy nor creating when this is called.
    pub(crate) fn place(&mut self, mut replica: Box<dyn Replica>, now: Instant) -> Option<Box<dyn Replica>> {
        self.meter.holds(replica.memory());
        let surplus = self.signals().total() >= self.most;
        while !surplus && let Some(waiter) = self.line.pop() {
            let Some(waiter) = waiter.unless_late(now) else { continue };
            self.pace.record(waiter.waited_per_place(now));
            match waiter.deliver.send(Ok(replica)) {
                Ok(()) => {
                    self.begin(now);
                    return None;
                }
                // This caller went away; the next one is asked.
                Err(Ok(back)) => replica = back,
                Err(Err(_)) => return None,
            }
        }
        if surplus || (self.draining && self.line.is_empty()) {
            return Some(replica);
        }
        self.idle.push(replica);
        None
    }

    /// A lent replica came back, or ended.
    pub(crate) fn returned(&mut self, now: Instant) {
        self.busy -= 1;
        self.meter.ended(now);
    }

    /// Gets a caller in line. In a full line one of a lower priority gives way.
    ///
    /// # Errors
    /// When the line is full, or so long that the caller would wait in vain.
    pub(crate) fn enqueue(&mut self, want: &Want, waits: Waits, deliver: Deliver) -> Result<Ticket, PoolError> {
        let queued = self.line.len();
        let ahead = self.line.ahead(want.priority);
        if let Some(expected) = self.expected_wait(ahead)
            && let Some(error) = waits.in_vain(want, expected)
        {
            return Err(error);
        }
        if queued >= waits.max_queue {
            let gives_way = self.line.displace(want.priority).ok_or(PoolError::QueueFull { queued })?;
            gives_way.refuse(PoolError::QueueFull { queued });
        }
        let (now, Want { deadline, takes, .. }) = (waits.now, *want);
        let ticket = self.line.push(want.priority, Waiter { since: now, ahead, deadline, takes, deliver });
        self.meter.loaded(self.busy + self.line.len());
        Ok(ticket)
    }

    /// How long a caller with so many `ahead` waits. The first in line never knows: that it is served is how the pace is
    /// learnt. Nor is it known while more replicas can be made.
    fn expected_wait(&self, ahead: usize) -> Option<Duration> {
        if ahead == 0 || self.signals().total() < self.most {
            return None;
        }
        Some(self.pace.mean()?.saturating_mul(u32::try_from(ahead + 1).unwrap_or(u32::MAX)))
    }

    /// Takes a caller out of the line, where it still is in it.
    pub(crate) fn leave(&mut self, ticket: Ticket) {
        self.line.remove(ticket);
    }

    /// Counts as many new creations as callers in line and the minimum ask for, within the bounds.
    pub(crate) fn plan_creations(&mut self, now: Instant) -> usize {
        if let Some(cause) = self.backing_off(now).cloned() {
            self.refuse_when_empty(&cause);
            return 0;
        }
        let signals = self.signals();
        let for_callers = signals.queued.saturating_sub(signals.creating);
        let to_keep = if self.draining { 0 } else { self.kept.saturating_sub(signals.total()) };
        let room = self.most.saturating_sub(signals.total());
        let planned = for_callers.max(to_keep).min(room);
        self.short = for_callers > room;
        self.creating += planned;
        planned
    }

    /// Whether callers wait for replicas that the maximum does not allow; true once for each look at them.
    pub(crate) const fn take_short(&mut self) -> bool {
        std::mem::replace(&mut self.short, false)
    }

    /// Changes the bounds and gives up idle replicas that are not kept.
    pub(crate) fn resize(&mut self, kept: usize, most: usize) -> Vec<Box<dyn Replica>> {
        self.most = most.max(1);
        self.kept = kept.min(self.most);
        self.shed(self.kept)
    }

    /// A creation succeeded.
    pub(crate) fn created(&mut self) {
        self.creating -= 1;
        self.back_off = None;
    }

    /// A creation failed.
    pub(crate) fn not_created(&mut self, now: Instant, config: &PoolConfig, cause: Failure) {
        self.creating -= 1;
        let pause = self.back_off.as_ref().map_or(config.first_back_off, |last| last.pause * 2);
        let pause = pause.min(config.max_back_off);
        self.back_off = Some(BackOff { pause, until: now + pause, cause: cause.clone() });
        self.refuse_when_empty(&cause);
    }

    /// Answers the callers in line when no replica is left that could serve them.
    fn refuse_when_empty(&mut self, cause: &Failure) {
        if self.signals().total() == 0 {
            self.line.drain().for_each(|waiter| waiter.refuse(PoolError::Create { cause: cause.clone() }));
        }
    }

    /// Why nothing is made at the moment.
    pub(crate) fn backing_off(&self, now: Instant) -> Option<&Failure> {
        self.back_off.as_ref().filter(|back_off| now < back_off.until).map(|back_off| &back_off.cause)
    }

    /// Gives up idle replicas beyond `keep` altogether; they are dropped outside the lock.
    pub(crate) fn shed(&mut self, keep: usize) -> Vec<Box<dyn Replica>> {
        let surplus = self.signals().total().saturating_sub(keep).min(self.idle.len());
        self.idle.drain(..surplus).collect()
    }

    pub(crate) fn at_rest(&self) -> bool {
        let signals = self.signals();
        signals.busy == 0 && signals.queued == 0 && signals.creating == 0
    }
}
