//! What a caller wants, and its place in line.

use std::sync::Arc;
use std::time::{Duration, Instant};

use scorehost_core::order::Ticket;
use scorehost_core::{Deadline, Priority};
use tokio::sync::oneshot;

use crate::state::{Deliver, Delivery};
use crate::{Lent, Pool, PoolError};

/// What a caller asks of a pool beside a replica.
#[derive(Clone, Copy, Debug, Default)]
pub struct Want {
    /// By when its call must have ended.
    pub deadline: Option<Deadline>,
    /// Who goes first in line.
    pub priority: Priority,
    /// How long its call probably takes, once it has a replica. A replica that would come too late for that is not lent.
    pub takes: Option<Duration>,
}

impl Want {
    /// Nothing but to be done by `deadline`.
    #[must_use]
    pub fn by(deadline: Deadline) -> Self {
        Self { deadline: Some(deadline), ..Self::default() }
    }
}

/// The bounds of the line, and the moment at which somebody joins it.
pub(crate) struct Waits {
    pub(crate) now: Instant,
    pub(crate) max_queue: usize,
    pub(crate) max_wait: Duration,
}

impl Waits {
    /// Why a caller that waits for `expected` need not join.
    pub(crate) fn in_vain(&self, want: &Want, expected: Duration) -> Option<PoolError> {
        if expected > self.max_wait {
            return Some(PoolError::LongQueue { expected, limit: self.max_wait });
        }
        let left = want.deadline?.remaining(self.now);
        let answered = expected + want.takes.unwrap_or_default();
        (answered > left).then_some(PoolError::Hopeless { expected: answered, left })
    }
}

/// A caller in line.
pub(crate) struct Waiter {
    pub(crate) since: Instant,
    /// Callers before it when it joined.
    pub(crate) ahead: usize,
    pub(crate) deadline: Option<Deadline>,
    pub(crate) takes: Option<Duration>,
    pub(crate) deliver: Deliver,
}

impl Waiter {
    /// The caller, unless its call could not end in time any more: then it is told so.
    pub(crate) fn unless_late(self, now: Instant) -> Option<Self> {
        let (Some(deadline), Some(takes)) = (self.deadline, self.takes) else { return Some(self) };
        let left = deadline.remaining(now);
        if takes <= left {
            return Some(self);
        }
        self.refuse(PoolError::Hopeless { expected: takes, left });
        None
    }

    /// What it waited for each place that the line moved on.
    pub(crate) fn waited_per_place(&self, now: Instant) -> Duration {
        now.saturating_duration_since(self.since) / u32::try_from(self.ahead + 1).unwrap_or(u32::MAX)
    }

    pub(crate) fn refuse(self, error: PoolError) {
        // A caller that went away needs no answer.
        let _ = self.deliver.send(Err(error));
    }
}

/// A place in line; dropping it leaves the line, and gives back a replica that was delivered meanwhile.
pub(crate) struct Place {
    pool: Arc<Pool>,
    /// `None` where a replica was there at once.
    ticket: Option<Ticket>,
    delivered: oneshot::Receiver<Delivery>,
}

impl Place {
    pub(crate) const fn new(pool: Arc<Pool>, ticket: Option<Ticket>, delivered: oneshot::Receiver<Delivery>) -> Self {
        Self { pool, ticket, delivered }
    }

    /// Waits for a replica; whoever drops this future keeps the place until it is dropped too.
    pub(crate) async fn delivery(&mut self) -> Result<Lent, PoolError> {
        match (&mut self.delivered).await {
            Ok(Ok(replica)) => Ok(Lent::new(replica, Arc::clone(&self.pool))),
            Ok(Err(error)) => Err(error),
            // The pool outlives its callers' places and answers each one it takes out of the line.
            Err(_) => Err(PoolError::Deadline),
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if let Some(ticket) = self.ticket {
            self.pool.leave(ticket);
        }
        self.delivered.close();
        if let Ok(Ok(replica)) = self.delivered.try_recv() {
            self.pool.take_back(replica);
        }
    }
}
