//! Traffic: a rate of requests over time, and requests that come by chance at that rate.

use std::f64::consts::TAU;
use std::time::Duration;

use super::random::Random;

/// How the rate runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// A tenth of the rate for a quarter of the time, then all of it.
    Step,
    /// A tenth of the rate, and all of it for 30 seconds in the middle.
    Spike,
    /// Between a tenth and all of it, up and down twice.
    Diurnal,
    /// Bursts of the whole rate, 5 seconds long on average, with pauses of 15 seconds at a tenth of it.
    Poisson,
}

/// The traffic of one service.
#[derive(Clone, Debug, PartialEq)]
pub struct Traffic {
    course: Course,
    /// The highest rate, in requests per second.
    rps: f64,
    length: Duration,
}

/// How the rate runs.
#[derive(Clone, Debug, PartialEq)]
enum Course {
    Shaped(Shape),
    /// Moments, in order, and the rate in requests per second from each on.
    Recorded(Vec<(Duration, f64)>),
}

/// The lowest rate, of the highest.
const LOW: f64 = 0.1;
const SPIKE: f64 = 30.0;
const BURST: f64 = 5.0;
const PAUSE: f64 = 15.0;

impl Traffic {
    /// Traffic of a known shape whose highest rate is `rps` requests per second.
    #[must_use]
    pub const fn shaped(shape: Shape, rps: f64, length: Duration) -> Self {
        Self { course: Course::Shaped(shape), rps, length }
    }

    /// Traffic as it was counted: moments in order, and the rate in requests per second from each on. The last one lasts as
    /// long as the one before. Nothing where there are fewer than two moments, or they are not in order.
    #[must_use]
    pub fn recorded(rates: Vec<(Duration, f64)>) -> Option<Self> {
        let [.., (before, _), (last, _)] = rates.as_slice() else { return None };
        if !rates.is_sorted_by(|(a, _), (b, _)| a < b) {
            return None;
        }
        let length = *last + (*last - *before);
        let rps = rates.iter().map(|(_, rate)| *rate).fold(0.0, f64::max);
        Some(Self { course: Course::Recorded(rates), rps, length })
    }

    /// How long it lasts.
    #[must_use]
    pub const fn length(&self) -> Duration {
        self.length
    }

    /// The highest rate, in requests per second.
    #[must_use]
    pub const fn highest(&self) -> f64 {
        self.rps
    }

    /// The moments at which requests come, in order (a Poisson process of a varying rate, by thinning).
    pub(super) fn arrivals(&self, random: &mut Random) -> Vec<Duration> {
        let length = self.length.as_secs_f64();
        let bursty = self.course == Course::Shaped(Shape::Poisson);
        let bursts = if bursty { bursts(length, random) } else { Vec::new() };
        let mut arrivals = Vec::new();
        if self.rps <= 0.0 {
            return arrivals;
        }
        let mut at = random.pause(self.rps);
        while at < length {
            if random.fraction() < self.part(at, &bursts) {
                arrivals.push(Duration::from_secs_f64(at));
            }
            at += random.pause(self.rps);
        }
        arrivals
    }

    /// Part of the highest rate at a moment.
    fn part(&self, at: f64, bursts: &[(f64, f64)]) -> f64 {
        let length = self.length.as_secs_f64();
        let shape = match &self.course {
            Course::Shaped(shape) => shape,
            Course::Recorded(rates) => {
                let next = rates.partition_point(|(begin, _)| begin.as_secs_f64() <= at);
                return next.checked_sub(1).map_or(0.0, |index| rates[index].1 / self.rps);
            }
        };
        let high = match shape {
            Shape::Step => at >= length / 4.0,
            Shape::Spike => (length / 2.0..length / 2.0 + SPIKE).contains(&at),
            Shape::Diurnal => return LOW + (1.0 - LOW) * (1.0 - (2.0 * TAU * at / length).cos()) / 2.0,
            Shape::Poisson => {
                let next = bursts.partition_point(|(_, end)| *end <= at);
                bursts.get(next).is_some_and(|(begin, _)| *begin <= at)
            }
        };
        if high { 1.0 } else { LOW }
    }
}

/// Begin and end of each burst.
fn bursts(length: f64, random: &mut Random) -> Vec<(f64, f64)> {
    let mut bursts = Vec::new();
    let mut at = 0.0;
    while at < length {
        let begin = at + random.pause(1.0 / PAUSE);
        at = begin + random.pause(1.0 / BURST);
        bursts.push((begin, at));
    }
    bursts
}
