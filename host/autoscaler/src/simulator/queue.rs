//! Requests that wait, and events to come.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};
use std::time::Duration;

/// Requests that wait, by the moment they came.
#[derive(Default)]
pub(super) struct Waiting(VecDeque<Duration>);

impl Waiting {
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    pub(super) fn push(&mut self, at: Duration) {
        self.0.push_back(at);
    }

    pub(super) fn pop(&mut self) -> Option<Duration> {
        self.0.pop_front()
    }

    /// Gives up those that have waited longer than `longest`, and counts them.
    pub(super) fn expire(&mut self, now: Duration, longest: Duration) -> u64 {
        let before = self.0.len();
        while self.0.front().is_some_and(|since| now.saturating_sub(*since) > longest) {
            self.0.pop_front();
        }
        (before - self.0.len()) as u64
    }
}

/// What will happen at a moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Event {
    Finished,
    Started,
}

/// Events by their moment.
#[derive(Default)]
pub(super) struct Events(BinaryHeap<Reverse<(Duration, Event)>>);

impl Events {
    pub(super) fn push(&mut self, at: Duration, event: Event) {
        self.0.push(Reverse((at, event)));
    }

    /// The next event up to a moment.
    pub(super) fn pop_until(&mut self, at: Duration) -> Option<(Duration, Event)> {
        if self.0.peek().is_none_or(|Reverse((when, _))| *when > at) {
            return None;
        }
        self.0.pop().map(|Reverse(event)| event)
    }
}
