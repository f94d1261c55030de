//! How the answers of one version differ from those of another, counted while copies of requests are made.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use parking_lot::RwLock;
use scorehost_core::ServiceName;

/// What comparing two answers to one request came to.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Verdict {
    /// The same.
    Equal,
    /// Not the same; the largest absolute difference of two numbers in the same place, where all that differs are numbers.
    Differs(Option<f64>),
    /// The copy has no answer.
    Failed,
}

/// The comparisons of one version's answers with those of another. Recording takes no lock.
#[derive(Debug, Default)]
pub struct Comparison {
    copied: AtomicU64,
    dropped: AtomicU64,
    equal: AtomicU64,
    differing: AtomicU64,
    measured: AtomicU64,
    failed: AtomicU64,
    /// Bits of a number that is not negative: those order as the numbers do.
    largest: AtomicU64,
    /// Bits of the sum of all answers' largest differences.
    sum: AtomicU64,
}

impl Comparison {
    /// Counts a copy that was sent.
    pub fn copied(&self) {
        self.copied.fetch_add(1, Relaxed);
    }

    /// Counts a copy that was not sent because too many were under way.
    pub fn dropped(&self) {
        self.dropped.fetch_add(1, Relaxed);
    }

    /// Counts the end of a comparison.
    pub fn compared(&self, verdict: Verdict) {
        match verdict {
            Verdict::Equal => &self.equal,
            Verdict::Differs(_) => &self.differing,
            Verdict::Failed => &self.failed,
        }
        .fetch_add(1, Relaxed);
        if let Verdict::Differs(Some(difference)) = verdict {
            let difference = difference.abs();
            self.measured.fetch_add(1, Relaxed);
            self.largest.fetch_max(difference.to_bits(), Relaxed);
            let add = |sum| Some((f64::from_bits(sum) + difference).to_bits());
            // The closure never refuses.
            let _ = self.sum.fetch_update(Relaxed, Relaxed, add);
        }
    }

    /// The counts so far.
    #[must_use]
    pub fn snapshot(&self, service: &ServiceName, version: &Arc<str>, with: &Arc<str>) -> ComparisonSnapshot {
        let load = |counter: &AtomicU64| counter.load(Relaxed);
        let measured = load(&self.measured);
        ComparisonSnapshot {
            service: service.clone(),
            version: Arc::clone(version),
            with: Arc::clone(with),
            copied: load(&self.copied),
            dropped: load(&self.dropped),
            equal: load(&self.equal),
            differing: load(&self.differing),
            failed: load(&self.failed),
            largest_difference: (measured > 0).then(|| f64::from_bits(load(&self.largest))),
            mean_difference: (measured > 0).then(|| f64::from_bits(load(&self.sum)) / measured as f64),
        }
    }
}

/// The comparisons of one version's answers with those of another, at one moment.
#[derive(Clone, Debug, PartialEq)]
pub struct ComparisonSnapshot {
    /// The service.
    pub service: ServiceName,
    /// The version that got copies.
    pub version: Arc<str>,
    /// The version that answered the callers.
    pub with: Arc<str>,
    /// Copies sent. Those whose original failed are compared with nothing.
    pub copied: u64,
    /// Copies not sent because too many were under way.
    pub dropped: u64,
    /// Answers that are the same.
    pub equal: u64,
    /// Answers that are not.
    pub differing: u64,
    /// Copies without an answer whose originals had one.
    pub failed: u64,
    /// The largest absolute difference of two numbers; `None` where no differing answers are comparable by numbers.
    pub largest_difference: Option<f64>,
    /// The largest absolute difference within an answer, on average over differing answers that are comparable by numbers.
    pub mean_difference: Option<f64>,
}

/// Service, version that got copies, version that answered.
type Key = (ServiceName, Arc<str>, Arc<str>);

/// The comparisons of all services.
#[derive(Debug, Default)]
pub struct Comparisons {
    pairs: RwLock<BTreeMap<Key, Arc<Comparison>>>,
}

impl Comparisons {
    /// The counts of `version` against `with`, made on first use and kept while both exist.
    pub fn pair(&self, service: &ServiceName, version: &Arc<str>, with: &Arc<str>) -> Arc<Comparison> {
        let key = (service.clone(), Arc::clone(version), Arc::clone(with));
        if let Some(pair) = self.pairs.read().get(&key) {
            return Arc::clone(pair);
        }
        Arc::clone(self.pairs.write().entry(key).or_default())
    }

    /// Forgets a deleted service, all versions.
    pub fn remove(&self, service: &ServiceName) {
        self.pairs.write().retain(|(name, ..), _| name != service);
    }

    /// Forgets a deleted version, in whichever role.
    pub fn remove_version(&self, service: &ServiceName, version: &str) {
        let of = |(name, one, other): &Key| name == service && (**one == *version || **other == *version);
        self.pairs.write().retain(|key, _| !of(key));
    }

    /// All comparisons for which copies were made, by service and versions.
    #[must_use]
    pub fn snapshot(&self) -> Vec<ComparisonSnapshot> {
        let pairs = self.pairs.read();
        let all = pairs.iter().map(|((service, version, with), pair)| pair.snapshot(service, version, with));
        all.filter(|snapshot| snapshot.copied + snapshot.dropped > 0).collect()
    }

    /// Those of one service.
    #[must_use]
    pub fn snapshot_of(&self, service: &ServiceName) -> Vec<ComparisonSnapshot> {
        self.snapshot().into_iter().filter(|snapshot| snapshot.service == *service).collect()
    }
}

#[cfg(test)]
mod tests;
