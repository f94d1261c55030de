//! The host's memory, processors and places, divided between services that want more than there is.

use std::cmp::Ordering;
use std::collections::BinaryHeap;

/// What the replicas of all services share.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Budget {
    /// Bytes of linear memory of all replicas.
    pub memory: u64,
    /// Cores that replicas above the minimums may count for.
    pub processors: f64,
    /// Replicas altogether.
    pub replicas: u32,
}

/// What one service wants, and what one of its replicas takes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Need {
    /// Replicas that it has in any case.
    pub min: u32,
    /// Replicas that its policy asks for.
    pub wanted: u32,
    /// Bytes of linear memory of one.
    pub memory: u64,
    /// Cores that one counts for.
    pub processors: f64,
    /// Its share against other services, above 0.
    pub weight: u32,
}

/// Replicas for each need, in their order. Everyone gets what they want where that fits; otherwise everyone gets their minimum,
/// and the rest is given out one replica at a time to whoever has the smallest dominant share by weight (dominant resource
/// fairness, Ghodsi et al. 2011), so that nobody gains by asking for more.
#[must_use]
pub fn share(needs: &[Need], budget: &Budget) -> Vec<u32> {
    let wanted: Vec<u32> = needs.iter().map(|need| need.wanted.max(need.min)).collect();
    let mut left = Left::of(budget);
    for need in needs {
        left.take_minimum(need);
    }
    let mut rest = left;
    if needs.iter().zip(&wanted).all(|(need, wanted)| rest.take(need, wanted - need.min)) {
        return wanted;
    }
    fill(needs, &wanted, budget, left)
}

fn fill(needs: &[Need], wanted: &[u32], budget: &Budget, mut left: Left) -> Vec<u32> {
    let mut granted: Vec<u32> = needs.iter().map(|need| need.min).collect();
    let turn = |index: usize, granted: u32| Turn { share: needs[index].share(granted, budget), index };
    let mut turns: BinaryHeap<Turn> = (0..needs.len())
        .filter(|index| granted[*index] < wanted[*index])
        .map(|index| turn(index, granted[index]))
        .collect();
    while let Some(Turn { index, .. }) = turns.pop() {
        // Who does not fit leaves; a smaller one may still fit.
        if left.take(&needs[index], 1) {
            granted[index] += 1;
            if granted[index] < wanted[index] {
                turns.push(turn(index, granted[index]));
            }
        }
    }
    granted
}

impl Need {
    /// The largest part of any resource that `granted` replicas take, by weight.
    fn share(&self, granted: u32, budget: &Budget) -> f64 {
        let (all, added) = (f64::from(granted), f64::from(granted - self.min));
        let part = |of: f64, whole: f64| if of > 0.0 { of / whole.max(f64::MIN_POSITIVE) } else { 0.0 };
        let memory = part(all * self.memory as f64, budget.memory as f64);
        let processors = part(added * self.processors, budget.processors);
        let replicas = part(all, f64::from(budget.replicas));
        memory.max(processors).max(replicas) / f64::from(self.weight.max(1))
    }
}

/// What is not given out yet.
#[derive(Clone, Copy)]
struct Left {
    memory: u64,
    processors: f64,
    replicas: u32,
}

impl Left {
    const fn of(budget: &Budget) -> Self {
        Self { memory: budget.memory, processors: budget.processors, replicas: budget.replicas }
    }

    /// Minimums are given even where they do not fit: they were promised when the service was deployed.
    fn take_minimum(&mut self, need: &Need) {
        self.memory = self.memory.saturating_sub(need.memory.saturating_mul(need.min.into()));
        self.replicas = self.replicas.saturating_sub(need.min);
    }

    fn take(&mut self, need: &Need, count: u32) -> bool {
        let memory = need.memory.saturating_mul(count.into());
        let processors = need.processors * f64::from(count);
        let fits = memory <= self.memory && processors <= self.processors + 1e-9 && count <= self.replicas;
        if fits {
            self.memory -= memory;
            self.processors -= processors;
            self.replicas -= count;
        }
        fits
    }
}

/// Whose turn it is: the smallest share first, then the order of the needs.
struct Turn {
    share: f64,
    index: usize,
}

impl Ord for Turn {
    fn cmp(&self, other: &Self) -> Ordering {
        other.share.total_cmp(&self.share).then(other.index.cmp(&self.index))
    }
}

impl PartialOrd for Turn {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Turn {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Turn {}

#[cfg(test)]
mod tests;
