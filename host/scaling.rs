//! Autoscaling: reads what the pools did, asks the autoscaler's rule how many replicas there should be, divides the host's
//! budget between the services, and tells the pools.
//!
//! A pool makes replicas by itself when requests wait, as far as it was allowed to go; this loop decides what is kept, and how far
//! that is. A pool whose callers wait at its limit wakes the loop at once, so no request waits for the end of a period
//! while the host has room.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use scorehost_autoscaler::{Budget, History, Need, Policy, Resource, Signals, decide, share, shortage, spare};
use scorehost_core::{Clock, LogLevel, Logs, ServiceSpec, VersionKey};
use scorehost_pool::{Pool, PoolLoad};
use scorehost_telemetry::LogBook;
use tokio::sync::Notify;
use tokio::time::sleep;

use crate::machine::Machine;

/// Pause after a decision that waiting callers asked for.
const EARLY: Duration = Duration::from_millis(2);
/// Longest sleep without a service.
const LONG: Duration = Duration::from_secs(3600);

/// What all replicas share.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Limits {
    /// Bytes; `None` takes what the machine has to spare at each decision.
    pub(crate) memory: Option<u64>,
    /// Cores that replicas above the minimums may count for.
    pub(crate) processors: f64,
    /// Places.
    pub(crate) replicas: u32,
}

/// The numbers of replicas of all versions with a scorer.
pub(crate) struct Autoscaler {
    clock: Arc<dyn Clock>,
    origin: Instant,
    machine: Box<dyn Machine>,
    limits: Limits,
    logs: Arc<LogBook>,
    versions: Mutex<BTreeMap<VersionKey, Scaled>>,
    changed: Notify,
    short: Arc<Notify>,
}

/// One version, and what was decided for it.
struct Scaled {
    pool: Arc<Pool>,
    policy: Policy,
    refresh: Duration,
    /// Its service's share against others.
    weight: u32,
    /// Cores that one replica of the pool counts for.
    processors: f64,
    log: Arc<dyn Logs>,
    history: History,
    /// The last reading, and its moment.
    read: PoolLoad,
    decided: Instant,
    due: Instant,
    signals: Signals,
    /// What the policy asks for, in replicas of the pool, as all numbers below.
    wanted: u32,
    placed: Option<Placed>,
    /// Its bounds changed since the last decision.
    bounds_changed: bool,
    decisions: BTreeMap<Reason, u64>,
}

/// What a version got of the budget.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Placed {
    /// Kept while idle.
    granted: u32,
    /// Made by calls, up to the next decision.
    most: u32,
    /// What kept it from getting all that it wanted.
    short: Option<Resource>,
}

/// Why a number changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Reason {
    MoreLoad,
    LessLoad,
    Idle,
    BoundsUp,
    BoundsDown,
    MoreRoom,
    LessRoom,
}

impl Reason {
    /// Direction and reason, as metrics name them.
    const fn labels(self) -> (&'static str, &'static str) {
        match self {
            Self::MoreLoad => ("up", "load"),
            Self::LessLoad => ("down", "load"),
            Self::Idle => ("down", "idle"),
            Self::BoundsUp => ("up", "bounds"),
            Self::BoundsDown => ("down", "bounds"),
            Self::MoreRoom => ("up", "budget"),
            Self::LessRoom => ("down", "budget"),
        }
    }
}

/// What was decided for a version, in replicas of its pool.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Decided {
    /// What the policy asks for.
    pub(crate) wanted: u32,
    /// How many the host allows at the moment.
    pub(crate) allowed: u32,
    /// Changes so far, by direction and reason.
    pub(crate) decisions: Vec<(&'static str, &'static str, u64)>,
}

impl Autoscaler {
    pub(crate) fn new(
        clock: Arc<dyn Clock>,
        machine: Box<dyn Machine>,
        limits: Limits,
        logs: Arc<LogBook>,
    ) -> Arc<Self> {
        let (versions, changed, short) = (Mutex::default(), Notify::new(), Arc::default());
        Arc::new(Self { origin: clock.now(), clock, machine, limits, logs, versions, changed, short })
    }

    /// Decides for ever, for each version once in its period, and at once where callers wait for room.
    pub(crate) async fn run(self: Arc<Self>) {
        // Callers may wait where nothing helps. They are listened to again after the next regular decision.
        let mut listening = true;
        loop {
            let pause = self.next_due().map_or(LONG, |due| due.saturating_duration_since(self.clock.now()));
            tokio::select! {
                () = sleep(pause) => {
                    self.pass(Scaled::is_due);
                    listening = true;
                }
                () = self.short.notified(), if listening => {
                    listening = self.pass(|scaled, _| scaled.pool.signals().queued > 0);
                    sleep(EARLY).await;
                }
                () = self.changed.notified() => {}
            }
        }
    }

    /// Takes over the number of replicas of a version that is in the table from now on; where it replaces a generation, it goes
    /// on with what was known of the load.
    pub(crate) fn went_live(&self, spec: &ServiceSpec, pool: &Arc<Pool>) {
        let short = Arc::clone(&self.short);
        pool.when_short(Box::new(move || short.notify_one()));
        {
            let mut versions = self.versions();
            let former = versions.remove(&spec.key());
            let log = self.logs.writer(&spec.name, spec.version.as_str());
            let mut scaled = Scaled::new(spec, Arc::clone(pool), log, self.clock.now());
            if let Some(former) = former {
                scaled.succeed(former);
            }
            versions.insert(spec.key(), scaled);
        }
        self.pass(Scaled::is_due);
        self.changed.notify_one();
    }

    /// Takes over other bounds of a version.
    pub(crate) fn rescale(&self, spec: &ServiceSpec) {
        let now = self.clock.now();
        if let Some(scaled) = self.versions().get_mut(&spec.key()) {
            scaled.follow(spec);
            (scaled.due, scaled.bounds_changed) = (now, true);
        }
        self.pass(Scaled::is_due);
        self.changed.notify_one();
    }

    /// Leaves a pool alone from now on.
    pub(crate) fn leave(&self, pool: &Arc<Pool>) {
        self.versions().retain(|_, scaled| !Arc::ptr_eq(&scaled.pool, pool));
    }

    /// What was decided for a version; nothing where it has no replicas.
    pub(crate) fn decided(&self, key: &VersionKey) -> Option<Decided> {
        self.versions().get(key).map(Scaled::shown)
    }

    fn next_due(&self) -> Option<Instant> {
        self.versions().values().map(|scaled| scaled.due).min()
    }

    /// Decides for those of which `ready` holds, and divides the budget between all. Whether any may have more now.
    fn pass(&self, ready: impl Fn(&Scaled, Instant) -> bool) -> bool {
        let now = self.clock.now();
        let mut versions = self.versions();
        for scaled in versions.values_mut().filter(|scaled| ready(scaled, now)) {
            scaled.decide(now, self.origin);
        }
        let scaled = || versions.values();
        let needs: Vec<Need> = scaled().map(Scaled::need).collect();
        let held = scaled().map(Scaled::held).fold(0, u64::saturating_add);
        let most: Vec<u32> = scaled().map(Scaled::most).collect();
        let budget = self.budget(held);
        let granted = share(&needs, &budget);
        let limits = spare(&needs, &granted, &most, &budget);
        let mut raised = false;
        for (index, (key, scaled)) in versions.iter_mut().enumerate() {
            let (granted_here, need) = (granted[index], &needs[index]);
            let short = (granted_here < need.wanted).then(|| shortage(&needs, &granted, index, &budget)).flatten();
            let placed = Placed { granted: granted_here, most: limits[index].max(1), short };
            raised |= scaled.place(key, placed, now);
        }
        raised
    }

    fn budget(&self, held: u64) -> Budget {
        let Limits { memory, processors, replicas } = self.limits;
        // What replicas hold is theirs already; what the machine has to spare comes on top.
        let memory = memory.unwrap_or_else(|| held.saturating_add(self.machine.spare_memory()));
        Budget { memory, processors, replicas }
    }

    fn versions(&self) -> MutexGuard<'_, BTreeMap<VersionKey, Scaled>> {
        self.versions.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Scaled {
    fn new(spec: &ServiceSpec, pool: Arc<Pool>, log: Arc<dyn Logs>, now: Instant) -> Self {
        let policy = Policy::of(&spec.scaling, &spec.admission);
        let mut scaled = Self {
            read: pool.load(),
            pool,
            refresh: Duration::ZERO,
            weight: 1,
            processors: 0.0,
            log,
            history: History::default(),
            decided: now,
            due: now,
            signals: Signals::default(),
            wanted: policy.min * policy.requests_per_replica,
            policy,
            placed: None,
            bounds_changed: false,
            decisions: BTreeMap::new(),
        };
        scaled.follow(spec);
        scaled
    }

    /// Takes over what a deployment says of its replicas.
    fn follow(&mut self, spec: &ServiceSpec) {
        self.policy = Policy::of(&spec.scaling, &spec.admission);
        self.refresh = spec.scaling.refresh;
        self.weight = spec.admission.weight;
        self.processors = spec.scaling.processors / f64::from(self.policy.requests_per_replica);
    }

    /// Goes on where an earlier generation of the version ended.
    fn succeed(&mut self, former: Self) {
        self.bounds_changed = former.policy != self.policy;
        (self.history, self.placed, self.decisions) = (former.history, former.placed, former.decisions);
    }

    /// Decisions a little early keep versions of the same period together, so that there is one pass for all of them.
    fn is_due(&self, now: Instant) -> bool {
        self.due <= now + self.refresh / 10
    }

    fn decide(&mut self, now: Instant, origin: Instant) {
        let load = self.pool.load();
        let elapsed = now.saturating_duration_since(self.decided).as_secs_f64();
        let busy = load.busy_time.saturating_sub(self.read.busy_time).as_secs_f64();
        let average = if elapsed > 0.0 { busy / elapsed } else { load.now.busy as f64 };
        let (peak, busy, queued) = (load.peak as u32, load.now.busy as u32, load.now.queued as u32);
        self.signals = Signals { average, peak, busy, queued };
        (self.read, self.decided, self.due) = (load, now, now + self.refresh);
        let replicas = decide(&mut self.history, &self.signals, &self.policy, now.saturating_duration_since(origin));
        self.wanted = replicas.saturating_mul(self.policy.requests_per_replica);
    }

    fn need(&self) -> Need {
        Need {
            // Whoever wants any may have one, however short the host is.
            min: self.policy.min.saturating_mul(self.policy.requests_per_replica).max(self.wanted.min(1)),
            wanted: self.wanted,
            memory: self.read.replica_bytes,
            processors: self.processors,
            weight: self.weight,
        }
    }

    fn held(&self) -> u64 {
        self.read.replica_bytes.saturating_mul(self.read.now.total() as u64)
    }

    const fn most(&self) -> u32 {
        self.policy.max.saturating_mul(self.policy.requests_per_replica)
    }

    /// Carries a placement out, and tells of it where it changes the number. Whether calls may make more replicas now.
    fn place(&mut self, key: &VersionKey, placed: Placed, now: Instant) -> bool {
        let before = self.placed.replace(placed);
        let same = before.is_some_and(|before| (before.granted, before.most) == (placed.granted, placed.most));
        // A pool may have made more than are kept since the last decision.
        if !same || self.decided == now {
            self.pool.resize(placed.granted as usize, placed.most as usize);
        }
        let bounds_changed = std::mem::take(&mut self.bounds_changed);
        let Some(before) = before else { return true };
        if let Some(reason) = self.reason(&before, &placed, bounds_changed) {
            *self.decisions.entry(reason).or_default() += 1;
            self.tell_change(key, &before, &placed, reason);
        }
        if let Some(resource) = placed.short.filter(|_| before.short.is_none()) {
            self.tell_shortage(key, &placed, resource);
        }
        placed.most > before.most
    }

    fn reason(&self, before: &Placed, after: &Placed, bounds_changed: bool) -> Option<Reason> {
        use std::cmp::Ordering::{Equal, Greater, Less};

        Some(match after.granted.cmp(&before.granted) {
            Equal => return None,
            Greater if bounds_changed => Reason::BoundsUp,
            Less if bounds_changed => Reason::BoundsDown,
            Greater if before.short.is_some() => Reason::MoreRoom,
            Greater => Reason::MoreLoad,
            Less if after.short.is_some() => Reason::LessRoom,
            Less if self.wanted == 0 => Reason::Idle,
            Less => Reason::LessLoad,
        })
    }

    fn tell_change(&self, key: &VersionKey, before: &Placed, after: &Placed, reason: Reason) {
        let why = match reason {
            Reason::MoreLoad => {
                format!("{:.1} requests at a time on average, {} at most", self.signals.average, self.signals.peak)
            }
            Reason::LessLoad => format!("fewer were enough for {} s", self.policy.stable.as_secs()),
            Reason::Idle => format!("no request came for {} s", self.policy.idle_after.as_secs()),
            Reason::BoundsUp | Reason::BoundsDown => "the deployment's bounds changed".to_owned(),
            Reason::MoreRoom => "the host has room again".to_owned(),
            Reason::LessRoom => "other services need their share of the host".to_owned(),
        };
        let (from, to) = (before.granted, after.granted);
        tracing::info!(service = %key, from, to, "replicas: {why}");
        self.log.write(LogLevel::Info, "", &format!("scaled from {from} to {to} replicas: {why}"));
    }

    fn tell_shortage(&self, key: &VersionKey, placed: &Placed, resource: Resource) {
        let what = match resource {
            Resource::Memory => "the memory that replicas may use (--max-replica-memory)",
            Resource::Processors => "the cores that replicas may count for (--max-replica-cores)",
            Resource::Replicas => "the places for replicas (--max-replicas)",
        };
        let (wanted, granted) = (self.wanted, placed.granted);
        tracing::warn!(service = %key, wanted, granted, "replicas: this host is short of {what}");
        let line = format!("wants {wanted} replicas and gets {granted}: this host is short of {what}");
        self.log.write(LogLevel::Warn, "", &line);
    }

    fn shown(&self) -> Decided {
        let decisions = self.decisions.iter().map(|(reason, count)| {
            let (direction, reason) = reason.labels();
            (direction, reason, *count)
        });
        let allowed = self.placed.map_or(0, |placed| placed.most);
        Decided { wanted: self.wanted, allowed, decisions: decisions.collect() }
    }
}

// Beside this file: every folder of `host` is a crate.
#[cfg(test)]
#[path = "scaling_tests.rs"]
mod tests;
