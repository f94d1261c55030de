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

/// One of the things that replicas share.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Resource {
    /// Memory.
    Memory,
    /// Cores.
    Processors,
    /// Places for replicas.
    Replicas,
}

/// By so much a sum of parts may exceed its whole.
const ROUNDING: f64 = 1e-9;

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
    let minimums: Vec<u32> = needs.iter().map(|need| need.min).collect();
    let wanted: Vec<u32> = needs.iter().map(|need| need.wanted.max(need.min)).collect();
    raise(needs, &minimums, &wanted, budget)
}

/// How far each service may go beyond what it was `granted`, up to `most`, before the next decision: what is left over,
/// divided as [`share`] divides a shortage. All together stay within the budget.
#[must_use]
pub fn spare(needs: &[Need], granted: &[u32], most: &[u32], budget: &Budget) -> Vec<u32> {
    let most: Vec<u32> = granted.iter().zip(most).map(|(granted, most)| *granted.max(most)).collect();
    raise(needs, granted, &most, budget)
}

/// What keeps a service from one more replica than `granted[index]`; nothing where there is room.
#[must_use]
pub fn shortage(needs: &[Need], granted: &[u32], index: usize, budget: &Budget) -> Option<Resource> {
    let left = Left::after(needs, granted, budget);
    let need = needs.get(index)?;
    if need.memory > left.memory {
        return Some(Resource::Memory);
    }
    if need.processors > left.processors + ROUNDING {
        return Some(Resource::Processors);
    }
    (left.replicas == 0).then_some(Resource::Replicas)
}

/// Replicas between `from` and `to`, within the budget.
fn raise(needs: &[Need], from: &[u32], to: &[u32], budget: &Budget) -> Vec<u32> {
    let left = Left::after(needs, from, budget);
    let mut rest = left;
    let mut steps = needs.iter().zip(from.iter().zip(to));
    if steps.all(|(need, (from, to))| rest.take(need, to - from)) {
        return to.to_vec();
    }
    fill(needs, from, to, budget, left)
}

fn fill(needs: &[Need], from: &[u32], wanted: &[u32], budget: &Budget, mut left: Left) -> Vec<u32> {
    let mut granted = from.to_vec();
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
    /// What `granted` leaves. Minimums are given even where they do not fit, for they were promised when the service was
    /// deployed, and cost no processors.
    fn after(needs: &[Need], granted: &[u32], budget: &Budget) -> Self {
        let mut left = Self { memory: budget.memory, processors: budget.processors, replicas: budget.replicas };
        for (need, granted) in needs.iter().zip(granted) {
            left.memory = left.memory.saturating_sub(need.memory.saturating_mul((*granted).into()));
            left.processors -= need.processors * f64::from(granted.saturating_sub(need.min));
            left.replicas = left.replicas.saturating_sub(*granted);
        }
        left
    }

    fn take(&mut self, need: &Need, count: u32) -> bool {
        let memory = need.memory.saturating_mul(count.into());
        let processors = need.processors * f64::from(count);
        let fits = memory <= self.memory && processors <= self.processors + ROUNDING && count <= self.replicas;
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
