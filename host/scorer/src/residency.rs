//! Which outputs of a deployment's models stay on their device, learnt from what its scorers do with them.
//!
//! An output comes to the host's memory with the answer of its model, which is best for those that the scorer reads or returns. Once
//! one was given to a model of the same device, or to an operation that the device can do, it stays there from the
//! next call on; and no longer once it stayed and was only read.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};

use scorehost_core::{ModelSet, OutputSet};

/// The outputs that stay, for each model of a deployment.
pub(crate) struct Residency(Vec<AtomicU64>);

/// Which output of which model a value is.
pub(crate) struct Origin {
    model: usize,
    output: usize,
    /// Whether its device has had a use for it.
    used: AtomicBool,
}

impl Origin {
    /// Output `output` of the deployment's model number `model`.
    pub(crate) const fn new(model: usize, output: usize) -> Self {
        Self { model, output, used: AtomicBool::new(false) }
    }

    /// The number of the model.
    pub(crate) const fn model(&self) -> usize {
        self.model
    }

    const fn bit(&self) -> u64 {
        if self.output < 64 { 1 << self.output } else { 0 }
    }
}

impl Residency {
    pub(crate) fn new(models: &ModelSet) -> Self {
        Self(models.iter().map(|_| AtomicU64::new(0)).collect())
    }

    /// The outputs of a model that stay.
    pub(crate) fn of(&self, model: usize) -> OutputSet {
        OutputSet::of_bits(self.0.get(model).map_or(0, |bits| bits.load(Relaxed)))
    }

    /// Its device had a use for a value: it stays the next time.
    pub(crate) fn used(&self, origin: &Origin) {
        origin.used.store(true, Relaxed);
        if let Some(bits) = self.0.get(origin.model)
            && bits.load(Relaxed) & origin.bit() != origin.bit()
        {
            bits.fetch_or(origin.bit(), Relaxed);
        }
    }

    /// A value that stayed was read in the host's memory: without a use for it on the device, it does not stay the next time.
    pub(crate) fn read(&self, origin: &Origin) {
        if let Some(bits) = self.0.get(origin.model)
            && !origin.used.load(Relaxed)
        {
            bits.fetch_and(!origin.bit(), Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn outputs_stay_for_as_long_as_the_device_has_a_use_for_them() {
        let residency = Residency(vec![AtomicU64::new(0), AtomicU64::new(0)]);
        let stays = || residency.of(1).has(3);
        assert!(!stays());
        let first = Origin::new(1, 3);
        residency.used(&first);
        residency.read(&first);
        assert!(stays(), "it was used before it was read");
        residency.read(&Origin::new(1, 3));
        assert!(!stays());
        assert_eq!(residency.of(0), OutputSet::NONE);
    }

    #[test]
    fn outputs_and_models_beyond_those_that_are_known_never_stay() {
        let residency = Residency(vec![AtomicU64::new(0)]);
        residency.used(&Origin::new(0, 64));
        residency.used(&Origin::new(7, 0));
        residency.read(&Origin::new(7, 0));
        assert_eq!((residency.of(0), residency.of(7)), (OutputSet::NONE, OutputSet::NONE));
    }
}
