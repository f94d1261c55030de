//! Sharing between those who wait, by what each has used: start-time fair queueing.
//!
//! Every flow has a virtual time: what it used, divided by its weight. The flow with the least goes next. A flow that
//! comes back after it needed nothing starts at the time of the queue, so that nobody saves up; one that is ahead waits
//! for the others, but never for more than a tenth of a second of theirs. See Goyal, Vin, Cheng: "Start-time Fair
//! Queueing", SIGCOMM 1996.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use super::Line;
use super::line::Cursor;
use crate::Priority;

/// The weight at which virtual time passes like time.
const UNIT: u64 = 100;
/// Things looked at in one search for company; the rest of a longer queue waits for its own turn.
const MOST_LOOKED_AT: usize = 4096;
/// How far ahead of the queue a flow may be when it joins, in virtual nanoseconds.
const MAX_DEBT: u64 = 100_000_000;

/// One of those who share, with its virtual time. Charging it takes no lock.
#[derive(Debug)]
pub struct Flow {
    number: u64,
    spent: AtomicU64,
}

impl Flow {
    /// A flow that has used nothing.
    #[must_use]
    pub fn new() -> Arc<Self> {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        Arc::new(Self { number: NEXT.fetch_add(1, Relaxed), spent: AtomicU64::new(0) })
    }

    /// Counts `took` at `weight` (1-1000; 100 is the usual).
    pub fn charge(&self, took: Duration, weight: u32) {
        self.spent.fetch_add(virtual_time(took, weight), Relaxed);
    }

    /// Its virtual time in nanoseconds.
    #[must_use]
    pub fn spent(&self) -> u64 {
        self.spent.load(Relaxed)
    }

    /// Forgives what it did not use before the queue's time `now`, and what it owes beyond a tenth of a second.
    pub fn catch_up(&self, now: u64) -> u64 {
        let spent = self.spent();
        let fair = spent.clamp(now, now.saturating_add(MAX_DEBT));
        if fair != spent {
            // A charge that comes in between is lost, which favours this flow by one charge.
            self.spent.store(fair, Relaxed);
        }
        fair
    }
}

struct Waiting<T> {
    flow: Arc<Flow>,
    /// The virtual time under which the flow is in the order.
    key: u64,
    items: Line<T>,
}

/// Whether a waiting thing goes along with the one whose turn it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Company {
    /// It does, for so much virtual time (see [`virtual_time`]).
    Joins(u64),
    /// It keeps its place.
    Stays,
    /// It keeps its place, and nothing else can join.
    Full,
}

/// The virtual time of `took` at `weight`, in nanoseconds.
#[must_use]
pub fn virtual_time(took: Duration, weight: u32) -> u64 {
    let nanos = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX);
    nanos.saturating_mul(UNIT) / u64::from(weight.max(1))
}

/// Things of several flows that wait. The next one is the first of the flow that has used the least.
pub struct FairQueue<T> {
    /// Flows that have something here, by their number.
    waiting: BTreeMap<u64, Waiting<T>>,
    order: BTreeSet<(u64, u64)>,
    now: u64,
    length: usize,
}

impl<T> Default for FairQueue<T> {
    fn default() -> Self {
        Self { waiting: BTreeMap::new(), order: BTreeSet::new(), now: 0, length: 0 }
    }
}

impl<T> FairQueue<T> {
    /// Things of all flows.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.length
    }

    /// Whether nothing waits.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.length == 0
    }

    /// The queue's own virtual time: that of the flow served last.
    #[must_use]
    pub const fn now(&self) -> u64 {
        self.now
    }

    /// The things of one flow.
    #[must_use]
    pub fn line(&self, flow: &Flow) -> Option<&Line<T>> {
        self.waiting.get(&flow.number).map(|waiting| &waiting.items)
    }

    /// Joins the end of its class in its flow.
    pub fn push(&mut self, flow: &Arc<Flow>, priority: Priority, item: T) {
        self.join(flow).push(priority, item);
    }

    /// Goes back to the head of its class in its flow.
    pub fn push_front(&mut self, flow: &Arc<Flow>, priority: Priority, item: T) {
        self.join(flow).push_front(priority, item);
    }

    fn join(&mut self, flow: &Arc<Flow>) -> &mut Line<T> {
        self.length += 1;
        let waiting = self.waiting.entry(flow.number).or_insert_with(|| {
            let key = flow.catch_up(self.now);
            self.order.insert((key, flow.number));
            Waiting { flow: Arc::clone(flow), key, items: Line::default() }
        });
        &mut waiting.items
    }

    /// Takes the next thing.
    pub fn pop(&mut self) -> Option<T> {
        loop {
            let (key, number) = self.order.pop_first()?;
            let waiting = self.waiting.get_mut(&number)?;
            // What the flow was charged since it joined counts now.
            let owes = waiting.flow.catch_up(self.now);
            if owes > key && !self.order.is_empty() {
                waiting.key = owes;
                self.order.insert((owes, number));
                if self.order.first() != Some(&(owes, number)) {
                    continue;
                }
                self.order.remove(&(owes, number));
            }
            self.now = self.now.max(owes);
            let item = waiting.items.pop();
            if waiting.items.is_empty() {
                self.waiting.remove(&number);
            } else {
                waiting.key = owes;
                self.order.insert((owes, number));
            }
            self.length -= usize::from(item.is_some());
            return item;
        }
    }

    /// Takes out what goes along with the thing whose turn it is. Every waiting thing is asked at most once, in the order in which they would be
    /// next if those that joined had used what they said; the order of the rest does not change.
    pub fn company(&mut self, mut ask: impl FnMut(&T) -> Company) -> Vec<T> {
        let (now, most) = (self.now, self.now.saturating_add(MAX_DEBT));
        let owes = |waiting: &Waiting<T>| waiting.flow.spent().clamp(now, most);
        let mut turns: BinaryHeap<_> =
            self.waiting.iter().map(|(number, waiting)| Reverse((owes(waiting), *number, Cursor::default()))).collect();
        let (mut company, mut looked_at, mut full) = (Vec::new(), 0, false);
        while let Some(Reverse((owes, number, mut cursor))) = turns.pop() {
            let Some(waiting) = self.waiting.get_mut(&number) else { continue };
            let mut takes = 0;
            let joins = |item: &T| {
                looked_at += 1;
                if full || looked_at > MOST_LOOKED_AT {
                    full = true;
                    return false;
                }
                match ask(item) {
                    Company::Joins(time) => {
                        takes = time;
                        true
                    }
                    Company::Stays => false,
                    Company::Full => {
                        full = true;
                        false
                    }
                }
            };
            if let Some(item) = waiting.items.take_next(&mut cursor, joins) {
                company.push(item);
                turns.push(Reverse((owes.saturating_add(takes), number, cursor)));
            }
            if full {
                break;
            }
        }
        self.length -= company.len();
        let order = &mut self.order;
        self.waiting.retain(|number, waiting| {
            let stays = !waiting.items.is_empty();
            if !stays {
                order.remove(&(waiting.key, *number));
            }
            stays
        });
        company
    }

    /// Takes out of a flow the thing that has to give way to one of `priority`: see [`Line::displace`].
    pub fn displace(&mut self, flow: &Flow, priority: Priority) -> Option<T> {
        self.change(flow, |items| items.displace(priority))?
    }

    /// Takes everything out of a flow that `keep` refuses.
    pub fn retain(&mut self, flow: &Flow, keep: impl FnMut(&T) -> bool) {
        self.change(flow, |items| items.retain(keep));
    }

    /// Takes out everything.
    pub fn drain(&mut self) -> Vec<T> {
        self.order.clear();
        self.length = 0;
        std::mem::take(&mut self.waiting)
            .into_values()
            .flat_map(|mut flow| flow.items.drain().collect::<Vec<_>>())
            .collect()
    }

    fn change<R>(&mut self, flow: &Flow, change: impl FnOnce(&mut Line<T>) -> R) -> Option<R> {
        let waiting = self.waiting.get_mut(&flow.number)?;
        let before = waiting.items.len();
        let result = change(&mut waiting.items);
        let after = waiting.items.len();
        self.length -= before - after;
        if after == 0 {
            self.order.remove(&(waiting.key, flow.number));
            self.waiting.remove(&flow.number);
        }
        Some(result)
    }
}

#[cfg(test)]
mod tests;
