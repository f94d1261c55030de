//! Who goes along with the call whose turn it is.

use std::sync::Arc;
use std::time::Instant;

use scorehost_core::Deadline;
use scorehost_core::order::Company;

use crate::call::{Mergeable, QueuedCall};
use crate::curve::{Bounds, CostCurve};
use crate::rows;

/// Bytes of the joined inputs at most: beyond it, copying them costs more than a run of their own.
const MOST_BYTES: usize = 64 << 20;

/// A batch that grows call by call. It keeps to the strictest of what the deployments of its calls ask for, and to every call's deadline.
pub(crate) struct Gathering<'a> {
    head: &'a QueuedCall,
    curve: CostCurve,
    now: Instant,
    bounds: Bounds,
    limit: u64,
    rows: u64,
    bytes: usize,
    deadline: Option<Deadline>,
}

impl<'a> Gathering<'a> {
    /// A batch of one call so far; `None` where it runs alone.
    pub(crate) fn of(head: &'a QueuedCall, now: Instant) -> Option<Self> {
        let mergeable = head.mergeable.as_ref()?;
        let bytes = rows::bytes(&head.inputs);
        let curve = head.lane.curve(bytes, mergeable.rows);
        let bounds = head.lane.bounds(mergeable);
        let limit = curve.limit(&bounds);
        head.lane.statistics().limited_to(limit);
        Some(Self { head, curve, now, bounds, limit, rows: mergeable.rows, bytes, deadline: head.call.deadline })
    }

    /// Rows so far.
    pub(crate) const fn rows(&self) -> u64 {
        self.rows
    }

    /// Asks a waiting call, and takes it in where it joins.
    pub(crate) fn ask(&mut self, other: &QueuedCall) -> Company {
        if self.rows >= self.limit {
            return Company::Full;
        }
        let Some(mergeable) = other.mergeable.as_ref().filter(|_| self.head.fits(other) && !other.is_left()) else {
            return Company::Stays;
        };
        let (bounds, limit) = self.with(mergeable);
        let (rows, bytes) = (self.rows + mergeable.rows, self.bytes + rows::bytes(&other.inputs));
        let deadline = self.deadline.into_iter().chain(other.call.deadline).min();
        let takes = self.curve.predict(rows).unwrap_or_default();
        let late = deadline.is_some_and(|deadline| deadline.remaining(self.now) < takes);
        if rows > limit || bytes > MOST_BYTES || late {
            return Company::Stays;
        }
        (self.bounds, self.limit, self.rows, self.bytes, self.deadline) = (bounds, limit, rows, bytes, deadline);
        let price = self.curve.predict(mergeable.rows).unwrap_or_default();
        Company::Joins(other.customer.price(price))
    }

    /// The bounds and the limit of the batch where a call of another deployment joins.
    fn with(&self, other: &Mergeable) -> (Bounds, u64) {
        let same = self.head.mergeable.as_ref().is_some_and(|head| Arc::ptr_eq(&head.config, &other.config));
        if same {
            return (self.bounds, self.limit);
        }
        let bounds = self.bounds.strictest(self.head.lane.bounds(other));
        (bounds, self.curve.limit(&bounds))
    }
}
