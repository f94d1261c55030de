use std::collections::VecDeque;
use std::time::Duration;

/// What a service wanted lately, and when a request came last.
///
/// Holds one entry for each number of replicas at most: an earlier wish that a later one exceeds is of no interest.
#[derive(Clone, Debug, Default)]
pub struct History {
    /// Wishes that may still be the largest of the window: later ones are smaller.
    wishes: VecDeque<(Duration, u32)>,
    /// The last moment at which the service had work; the first decision counts as one.
    active: Option<Duration>,
}

impl History {
    /// Adds a wish and returns the largest one of the `window` that ends `now`.
    pub(crate) fn largest(&mut self, wish: u32, now: Duration, window: Duration) -> u32 {
        while self.wishes.back().is_some_and(|(_, earlier)| *earlier <= wish) {
            self.wishes.pop_back();
        }
        self.wishes.push_back((now, wish));
        while self.wishes.front().is_some_and(|(at, _)| now.saturating_sub(*at) >= window) && self.wishes.len() > 1 {
            self.wishes.pop_front();
        }
        self.wishes.front().map_or(wish, |(_, largest)| *largest)
    }

    /// What was wanted before is of no interest any more.
    pub(crate) fn forget(&mut self) {
        self.wishes.clear();
    }

    /// How long the service has had no work.
    pub(crate) fn idle(&mut self, active: bool, now: Duration) -> Duration {
        let last = *self.active.get_or_insert(now);
        if active {
            self.active = Some(now);
            return Duration::ZERO;
        }
        now.saturating_sub(last)
    }
}
