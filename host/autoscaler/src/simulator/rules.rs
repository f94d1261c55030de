//! Three rules: ours, Azure's as its documents describe it, and that of Knative's autoscaler.

use std::collections::VecDeque;
use std::time::Duration;

use super::Setting;
use crate::policy::whole;
use crate::{History, Signals, decide};

/// What a rule sees at its period.
#[derive(Clone, Copy, Debug)]
pub struct Seen {
    /// What our rule sees.
    pub signals: Signals,
    /// Requests handled and waiting, on average since the last decision.
    pub load: f64,
    /// Replicas that have started.
    pub ready: u32,
}

/// A rule for the number of replicas.
pub trait Rule {
    /// Its name.
    fn name(&self) -> &'static str;
    /// Time between two decisions.
    fn period(&self, setting: &Setting) -> Duration {
        setting.refresh
    }
    /// Replicas at the beginning.
    fn first(&self, setting: &Setting) -> u32 {
        setting.policy.min
    }
    /// Replicas that it lets a request have made at once, where `short` would be needed to serve all that are there.
    fn on_demand(&mut self, short: u32, setting: &Setting) -> u32;
    /// Replicas from `now` on.
    fn decide(&mut self, seen: &Seen, setting: &Setting, now: Duration) -> u32;
}

/// The rule of this host: [`decide`], and replicas made inside the request up to the maximum.
#[derive(Debug, Default)]
pub struct Ours(History);

impl Rule for Ours {
    fn name(&self) -> &'static str {
        "scorehost"
    }

    fn on_demand(&mut self, short: u32, setting: &Setting) -> u32 {
        short.min(setting.policy.max)
    }

    fn decide(&mut self, seen: &Seen, setting: &Setting, now: Duration) -> u32 {
        decide(&mut self.0, &seen.signals, &setting.policy, now)
    }
}

/// Azure's rule as written: busy replicas divided by all, looked at every period; above the target replicas are added ("eager
/// and fast, around 1 second"), below it they are taken away ("conservative, around 1 minute").
#[derive(Debug, Default)]
pub struct Azure {
    below_since: Option<Duration>,
    replicas: Option<u32>,
}

impl Rule for Azure {
    fn name(&self) -> &'static str {
        "Azure's rule"
    }

    fn first(&self, setting: &Setting) -> u32 {
        setting.policy.min.max(1)
    }

    fn on_demand(&mut self, _: u32, _: &Setting) -> u32 {
        0
    }

    fn decide(&mut self, seen: &Seen, setting: &Setting, now: Duration) -> u32 {
        let policy = &setting.policy;
        let current = self.replicas.unwrap_or(seen.ready);
        let busy = f64::from(seen.signals.busy) / f64::from(policy.requests_per_replica);
        let needed = whole(busy / policy.target).clamp(policy.min.max(1), policy.max);
        let next = if needed > current {
            self.below_since = None;
            needed
        } else if needed == current {
            self.below_since = None;
            current
        } else {
            let since = *self.below_since.get_or_insert(now);
            if now - since >= policy.stable {
                self.below_since = None;
                needed
            } else {
                current
            }
        };
        self.replicas = Some(next);
        next
    }
}

/// Knative's autoscaler with its defaults: every 2 seconds, the load on average over 60 seconds divided by the target; over 6
/// seconds while that asks for twice the ready replicas or more, without going down then. The last replica goes 30
/// seconds after it is not wanted; a request to a service without replicas asks for one at once.
#[derive(Debug, Default)]
pub struct Knative {
    /// Average load of each period, the newest last.
    loads: VecDeque<f64>,
    panic: Option<(Duration, u32)>,
    unwanted_since: Option<Duration>,
}

const TICK: Duration = Duration::from_secs(2);
const STABLE_TICKS: usize = 30;
const PANIC_TICKS: usize = 3;
const PANIC_FACTOR: f64 = 2.0;
const GRACE: Duration = Duration::from_secs(30);
/// At most this many times fewer replicas in one decision.
const DOWN: f64 = 2.0;

impl Knative {
    fn average(&self, ticks: usize) -> f64 {
        let count = ticks.min(self.loads.len()).max(1);
        self.loads.iter().rev().take(count).sum::<f64>() / count as f64
    }
}

impl Rule for Knative {
    fn name(&self) -> &'static str {
        "Knative KPA"
    }

    fn period(&self, _: &Setting) -> Duration {
        TICK
    }

    fn on_demand(&mut self, short: u32, setting: &Setting) -> u32 {
        if setting.policy.min == 0 { short.min(1) } else { 0 }
    }

    fn decide(&mut self, seen: &Seen, setting: &Setting, now: Duration) -> u32 {
        let policy = &setting.policy;
        self.loads.push_back(seen.load);
        if self.loads.len() > STABLE_TICKS {
            self.loads.pop_front();
        }
        let target = policy.target * f64::from(policy.requests_per_replica);
        let ready = f64::from(seen.ready.max(1));
        let stable = f64::from(whole(self.average(STABLE_TICKS) / target)).max((ready / DOWN).floor());
        let urgent = whole(self.average(PANIC_TICKS) / target);
        if f64::from(urgent) / ready >= PANIC_FACTOR {
            self.panic = Some((now, self.panic.map_or(0, |(_, most)| most)));
        } else if self.panic.is_some_and(|(since, _)| now - since >= policy.stable) {
            self.panic = None;
        }
        let mut next = stable as u32;
        if let Some((_, most)) = &mut self.panic {
            *most = (*most).max(urgent).max(seen.ready);
            next = *most;
        }
        if self.average(STABLE_TICKS) > 0.0 {
            next = next.max(1);
            self.unwanted_since = None;
        } else if next == 0 && now - *self.unwanted_since.get_or_insert(now) < GRACE {
            next = 1;
        }
        next.clamp(policy.min, policy.max)
    }
}
