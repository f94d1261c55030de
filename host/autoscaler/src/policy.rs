//! The rule of one service.

use std::time::Duration;

use scorehost_core::{Admission, Scaling};

use crate::History;

/// How long fewer replicas must have been enough before any goes.
const STABLE: Duration = Duration::from_secs(60);

/// Bounds and aim of one service.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Policy {
    /// Replicas at least; 0 lets the last one go after `idle_after`.
    pub min: u32,
    /// Replicas at most.
    pub max: u32,
    /// Part of the replicas that should be busy, above 0 and up to 1.
    pub target: f64,
    /// Requests that one replica handles at a time.
    pub requests_per_replica: u32,
    /// How long fewer replicas must have been enough before any goes.
    pub stable: Duration,
    /// How long no request must have come before the last replica goes.
    pub idle_after: Duration,
}

impl Policy {
    /// The policy of a deployment.
    #[must_use]
    pub fn of(scaling: &Scaling, admission: &Admission) -> Self {
        Self {
            min: scaling.min,
            max: scaling.max.max(1),
            target: f64::from(scaling.target_utilization.clamp(1, 100)) / 100.0,
            requests_per_replica: admission.requests_per_replica.max(1),
            stable: STABLE,
            idle_after: scaling.idle_after,
        }
    }
}

/// What a service did since the last decision, and does now. Requests, not replicas.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Signals {
    /// Requests handled at a time, on average since the last decision.
    pub average: f64,
    /// Requests handled and waiting at the same time, at most since the last decision.
    pub peak: u32,
    /// Requests being handled now.
    pub busy: u32,
    /// Requests waiting for a replica now.
    pub queued: u32,
}

impl Signals {
    /// Whether the service had any work since the last decision.
    #[must_use]
    pub fn active(&self) -> bool {
        self.average > 0.0 || self.peak > 0 || self.busy > 0 || self.queued > 0
    }
}

/// How many replicas a service should have from `now` on.
///
/// Up at once and by as much as is needed: enough that the average load keeps `target` of them busy, and as many as had work
/// at the same time. Down to the largest number of the last `stable` minute, so that a load which only varies moves nothing.
/// To zero, where that is allowed, when no request came for `idle_after`.
pub fn decide(history: &mut History, signals: &Signals, policy: &Policy, now: Duration) -> u32 {
    let idle = history.idle(signals.active(), now);
    let largest = history.largest(wanted(signals, policy), now, policy.stable);
    if policy.min == 0 && idle >= policy.idle_after {
        // Whoever comes next begins with one, and not with what a burst before the pause needed.
        history.forget();
        return 0;
    }
    largest.clamp(policy.min.max(1).min(policy.max), policy.max)
}

/// Replicas that the load of the last period needs by itself, within the maximum.
fn wanted(signals: &Signals, policy: &Policy) -> u32 {
    let each = f64::from(policy.requests_per_replica);
    // Waiting requests say that the average was held down by the number of replicas.
    let now = f64::from(signals.busy.saturating_add(signals.queued));
    let load = if signals.queued > 0 { signals.average.max(now) } else { signals.average };
    let for_target = whole(load / (policy.target * each));
    let at_once = whole(f64::from(signals.peak) / each);
    for_target.max(at_once).min(policy.max)
}

/// Rounds up, where a rounding error of the division does not count.
pub(crate) fn whole(replicas: f64) -> u32 {
    (replicas - 1e-9).ceil().clamp(0.0, f64::from(u32::MAX)) as u32
}

#[cfg(test)]
mod tests;
