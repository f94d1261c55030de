//! What a run takes by its size, and how large runs should be.
//!
//! A run of n rows takes about `fixed + per_row * n`: what every run costs (the call, reading the weights), and what every row costs.
//! Both are fitted by least squares to the runs of late, older ones counting less and less. From that line follow both limits of a batch:
//! it must end within half the latency target, because a call may come when a run has just begun and then waits for that run and goes with
//! the next; and it need not be larger than the size at which the fixed costs are a twentieth of the rows' costs, because
//! beyond it everybody waits longer and the device does next to nothing more. Where the sizes of late tell no line (all runs were alike),
//! the limit is twice their size, so that a larger one is tried: with a target, too, or else a model whose runs cost nearly the same at any size
//! would be taken for one whose rows add up, and never be asked for more. See `docs/adr/014-batching.md`.

use std::time::Duration;

/// What one run of late counts when the next has been recorded.
const MEMORY: f64 = 1.0 - 1.0 / 32.0;
/// Relative variance of the sizes below which no line can be drawn through them.
const ALIKE: f64 = 2e-3;
/// The fixed costs' part of the rows' costs at which a larger batch is of no use.
const WORTHWHILE: f64 = 1.0 / 20.0;
/// A run counts at most so many times what was expected of it: the operating system may have interrupted it.
const OUTLIER: f64 = 4.0;
/// Runs before outliers are cut.
const FEW: f64 = 4.0;
/// Longer batches than the largest measured one are this many times longer at most.
const GROWTH: u64 = 2;

/// Sums over the runs of late, weighted by age. A pure function of what was recorded, in its order.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct CostCurve {
    weight: f64,
    rows: f64,
    rows_squared: f64,
    /// Microseconds.
    time: f64,
    rows_time: f64,
    /// Mean deviation from the line, in microseconds.
    deviation: f64,
    /// Rows of the largest run ever.
    largest: u64,
}

/// What a batch must keep to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// Rows at most; at least 1.
    pub max_rows: u64,
    /// Wait and run together should take at most this long.
    pub target: Option<Duration>,
    /// Whether large batches are wanted whether or not they pay, and without trying sizes step by step: the operator has asked for sizes or for a delay.
    pub wanted: bool,
}

impl Bounds {
    /// What keeps to both.
    #[must_use]
    pub fn strictest(self, other: Self) -> Self {
        let target = self.target.into_iter().chain(other.target).min();
        Self { max_rows: self.max_rows.min(other.max_rows), target, wanted: self.wanted && other.wanted }
    }
}

/// Microseconds of a run: what it costs whatever its size, and what each row adds.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Line {
    fixed: f64,
    per_row: f64,
}

impl Line {
    fn at(self, rows: f64) -> f64 {
        self.fixed + self.per_row * rows
    }
}

impl CostCurve {
    /// Takes in a run of `rows` rows.
    pub fn record(&mut self, rows: u64, took: Duration) {
        let (x, mut y) = (rows.max(1) as f64, took.as_secs_f64() * 1e6);
        if let Some(expected) = self.expected(x).filter(|_| self.weight > FEW) {
            y = y.min(OUTLIER * expected.max(1.0));
            self.deviation += (f64::abs(y - expected) - self.deviation) / 8.0;
        }
        for (sum, value) in [
            (&mut self.weight, 1.0),
            (&mut self.rows, x),
            (&mut self.rows_squared, x * x),
            (&mut self.time, y),
            (&mut self.rows_time, x * y),
        ] {
            *sum = *sum * MEMORY + value;
        }
        self.largest = self.largest.max(rows);
    }

    /// What a run of so many rows is likely to take: the line and twice the deviation from it. `None` before the first run.
    #[must_use]
    pub fn predict(&self, rows: u64) -> Option<Duration> {
        let micros = self.expected(rows.max(1) as f64)? + 2.0 * self.deviation;
        Duration::try_from_secs_f64(micros / 1e6).ok()
    }

    /// Rows that the next run may have: from 1 to `max_rows`.
    #[must_use]
    pub fn limit(&self, bounds: &Bounds) -> u64 {
        let max = bounds.max_rows.max(1);
        if bounds.wanted && bounds.target.is_none() {
            return max;
        }
        let worthwhile = match self.line() {
            _ if bounds.wanted => f64::INFINITY,
            Some(line) => line.fixed / (WORTHWHILE * line.per_row.max(f64::MIN_POSITIVE)),
            None => (GROWTH as f64) * self.mean_rows().unwrap_or(1.0).ceil(),
        };
        let in_time = bounds.target.map_or(f64::INFINITY, |target| self.within(target / 2));
        let tried = self.largest.max(1).saturating_mul(GROWTH);
        // A float that is out of range becomes the nearest number.
        (worthwhile.ceil() as u64).min(in_time as u64).clamp(1, max.min(tried))
    }

    /// The largest size that is likely to take at most `time`, or that is to be tried to find out.
    fn within(&self, time: Duration) -> f64 {
        let budget = time.as_secs_f64() * 1e6 - 2.0 * self.deviation;
        let Some(mean) = self.mean_rows() else { return f64::INFINITY };
        let line = match self.line() {
            Some(line) => line,
            // What larger runs take is not known. One that is late tells, and is late by the length of a usual run at most.
            None if self.time / self.weight <= budget => return (GROWTH as f64) * mean.ceil(),
            // All costs are taken for the rows' costs.
            None => Line { fixed: 0.0, per_row: self.time / self.weight / mean },
        };
        if line.per_row <= 0.0 {
            return if budget >= line.fixed { f64::INFINITY } else { 1.0 };
        }
        ((budget - line.fixed) / line.per_row).max(1.0)
    }

    fn mean_rows(&self) -> Option<f64> {
        (self.weight > 0.0).then(|| self.rows / self.weight)
    }

    /// Microseconds of a run of `rows`, by the line; in proportion to the mean run where there is none.
    fn expected(&self, rows: f64) -> Option<f64> {
        let mean = self.mean_rows()?;
        Some(self.line().map_or_else(|| self.time / self.weight * (rows / mean).max(1.0), |line| line.at(rows)))
    }

    /// The least-squares line with neither cost below zero.
    fn line(&self) -> Option<Line> {
        let mean = self.mean_rows()?;
        let variance = self.rows_squared / self.weight - mean * mean;
        if variance <= ALIKE * mean * mean {
            return None;
        }
        let mean_time = self.time / self.weight;
        let per_row = (self.rows_time / self.weight - mean * mean_time) / variance;
        let fixed = mean_time - per_row * mean;
        Some(if per_row <= 0.0 {
            Line { fixed: mean_time, per_row: 0.0 }
        } else if fixed <= 0.0 {
            Line { fixed: 0.0, per_row: self.rows_time / self.rows_squared }
        } else {
            Line { fixed, per_row }
        })
    }
}

#[cfg(test)]
mod tests;
