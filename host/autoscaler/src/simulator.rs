//! Replays made-up traffic against a rule, request by request, with a seed instead of a clock and a dice.
//!
//! One service: requests take a slot of a replica or wait for one, a replica takes a while to start, and a rule decides at its
//! own period. What a replica computes is not modelled: a request takes its time, however many others run.

mod queue;
mod random;
mod rules;
mod trace;

use std::time::Duration;

pub use rules::{Azure, Knative, Ours, Rule};
pub use trace::{Shape, Traffic};

use queue::{Event, Events, Waiting};
use random::Random;

use crate::{Policy, Signals};

/// What is simulated, beside the traffic and the rule.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Setting {
    /// Bounds and aim.
    pub policy: Policy,
    /// Time between two decisions of rules that have no period of their own.
    pub refresh: Duration,
    /// What a request takes in a replica, within a fifth more or less.
    pub latency: Duration,
    /// What a replica takes to start.
    pub start: Duration,
    /// Requests that may wait at once.
    pub max_queue: usize,
    /// Longest wait of a request.
    pub max_wait: Duration,
    /// Decides about everything that is left to chance.
    pub seed: u64,
}

/// How a rule did.
#[derive(Clone, Debug, PartialEq)]
pub struct Report {
    /// The rule.
    pub rule: &'static str,
    /// Requests that came.
    pub requests: u64,
    /// Requests that were answered.
    pub answered: u64,
    /// Requests that were refused: the queue was full, or no replica came in time. The violations.
    pub refused: u64,
    /// Answered requests per second.
    pub goodput: f64,
    /// Wait of the hundredth request that waited longest, of those answered.
    pub p99_wait: Duration,
    /// Replicas, starting ones included, summed over time.
    pub replica_seconds: f64,
    /// Replicas at most.
    pub most: u32,
    /// Decisions that changed the number.
    pub changes: u64,
}

/// Plays `traffic` against `rule`.
#[must_use]
pub fn simulate(traffic: &Traffic, rule: &mut dyn Rule, setting: &Setting) -> Report {
    let mut random = Random::new(setting.seed);
    let arrivals = traffic.arrivals(&mut random);
    let mut service = Service::new(setting, rule.first(setting), random);
    let every = rule.period(setting);
    let mut decide_at = every;
    for arrival in arrivals {
        while decide_at <= arrival {
            service.decide(rule, decide_at);
            decide_at += every;
        }
        service.arrive(rule, arrival);
    }
    while decide_at <= traffic.length() {
        service.decide(rule, decide_at);
        decide_at += every;
    }
    service.finish(rule.name(), traffic.length())
}

struct Service<'a> {
    setting: &'a Setting,
    random: Random,
    now: Duration,
    /// Finished requests and started replicas to come, the next one last.
    events: Events,
    waiting: Waiting,
    busy: u32,
    replicas: u32,
    starting: u32,
    /// Starting replicas that are not wanted any more when they have started.
    target: u32,
    period: Period,
    waits: Vec<Duration>,
    report: Report,
}

/// What happened since the last decision.
#[derive(Default)]
struct Period {
    began: Duration,
    slots: f64,
    load: f64,
    peak: u32,
}

impl<'a> Service<'a> {
    fn new(setting: &'a Setting, first: u32, random: Random) -> Self {
        let report = Report {
            rule: "",
            requests: 0,
            answered: 0,
            refused: 0,
            goodput: 0.0,
            p99_wait: Duration::ZERO,
            replica_seconds: 0.0,
            most: first,
            changes: 0,
        };
        Self {
            setting,
            random,
            now: Duration::ZERO,
            events: Events::default(),
            waiting: Waiting::default(),
            busy: 0,
            replicas: first,
            starting: 0,
            target: first,
            period: Period::default(),
            waits: Vec::new(),
            report,
        }
    }

    fn arrive(&mut self, rule: &mut dyn Rule, at: Duration) {
        self.pass(at);
        self.report.requests += 1;
        if self.free() > 0 {
            self.serve(Duration::ZERO);
        } else if self.waiting.len() >= self.setting.max_queue {
            self.report.refused += 1;
        } else {
            self.waiting.push(at);
        }
        self.period.peak = self.period.peak.max(self.load());
        // Whoever waits may have a replica made for it at once, up to what the rule allows.
        let short = self.load().div_ceil(self.setting.policy.requests_per_replica);
        let demanded = rule.on_demand(short, self.setting);
        if demanded > self.replicas + self.starting {
            self.resize(demanded);
        }
    }

    fn decide(&mut self, rule: &mut dyn Rule, at: Duration) {
        self.pass(at);
        let length = (at - self.period.began).as_secs_f64().max(1e-9);
        let signals = Signals {
            average: self.period.slots / length,
            peak: self.period.peak,
            busy: self.busy,
            queued: self.waiting.len() as u32,
        };
        let seen = rules::Seen { signals, load: self.period.load / length, ready: self.replicas };
        let target = rule.decide(&seen, self.setting, at);
        if target != self.replicas + self.starting {
            self.report.changes += 1;
        }
        self.resize(target);
        self.period = Period { began: at, peak: self.load(), ..Period::default() };
    }

    /// Lets everything happen that happens until `at`.
    fn pass(&mut self, at: Duration) {
        while let Some((when, event)) = self.events.pop_until(at) {
            self.account(when);
            match event {
                Event::Finished => self.busy -= 1,
                Event::Started if self.starting > 0 => {
                    self.starting -= 1;
                    self.replicas += 1;
                }
                // It was given up while it started.
                Event::Started => {}
            }
            self.retire();
            self.serve_waiting();
        }
        self.account(at);
        self.report.refused += self.waiting.expire(at, self.setting.max_wait);
    }

    fn account(&mut self, at: Duration) {
        let elapsed = (at - self.now).as_secs_f64();
        self.report.replica_seconds += elapsed * f64::from(self.replicas + self.starting);
        self.period.slots += elapsed * f64::from(self.busy);
        self.period.load += elapsed * f64::from(self.load());
        self.now = at;
    }

    fn load(&self) -> u32 {
        self.busy + self.waiting.len() as u32
    }

    fn free(&self) -> u32 {
        (self.replicas * self.setting.policy.requests_per_replica).saturating_sub(self.busy)
    }

    fn serve_waiting(&mut self) {
        self.report.refused += self.waiting.expire(self.now, self.setting.max_wait);
        while self.free() > 0 {
            let Some(since) = self.waiting.pop() else { return };
            self.serve(self.now - since);
        }
    }

    fn serve(&mut self, waited: Duration) {
        self.busy += 1;
        self.report.answered += 1;
        self.waits.push(waited);
        let takes = self.setting.latency.mul_f64(0.8 + 0.4 * self.random.fraction());
        self.events.push(self.now + takes, Event::Finished);
    }

    fn resize(&mut self, target: u32) {
        self.target = target;
        for _ in self.replicas + self.starting..target {
            self.starting += 1;
            self.events.push(self.now + self.setting.start, Event::Started);
        }
        self.report.most = self.report.most.max(self.replicas + self.starting);
        self.retire();
    }

    /// Lets surplus replicas go: those that start first, then those that have nothing to do.
    fn retire(&mut self) {
        let surplus = (self.replicas + self.starting).saturating_sub(self.target);
        let given_up = surplus.min(self.starting);
        self.starting -= given_up;
        let used = self.busy.div_ceil(self.setting.policy.requests_per_replica);
        self.replicas -= (surplus - given_up).min(self.replicas - used.min(self.replicas));
    }

    fn finish(mut self, rule: &'static str, length: Duration) -> Report {
        self.pass(length);
        // Who still waits has not been refused; the traffic ends here.
        self.report.requests -= self.waiting.len() as u64;
        self.waits.sort_unstable();
        let rank = (self.waits.len() * 99).div_ceil(100).saturating_sub(1);
        Report {
            rule,
            p99_wait: self.waits.get(rank).copied().unwrap_or_default(),
            goodput: self.report.answered as f64 / length.as_secs_f64(),
            ..self.report
        }
    }
}

#[cfg(test)]
mod tests;
