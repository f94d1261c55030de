//! What a deployment may ask of the line and of batches.

use std::time::Duration;

use scorehost_core::Priority;

/// How many calls of one service may wait, for how long, and what they weigh.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QueueLimits {
    /// Calls that wait for a worker.
    pub max_queue: usize,
    /// Longest wait for a worker.
    pub max_wait: Duration,
    /// Share of the workers against other services: 1-1000.
    pub weight: u32,
    /// The priority of calls that ask for none.
    pub default_priority: Priority,
}

impl Default for QueueLimits {
    /// 256 calls, each at most 500 ms; the usual weight.
    fn default() -> Self {
        Self { max_queue: 256, max_wait: Duration::from_millis(500), weight: 100, default_priority: Priority::Normal }
    }
}

/// Who says that dimension 0 is a batch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RowsFrom {
    /// The analysis of the graph; where it says no, calls run one by one.
    #[default]
    Graph,
    /// The operator: every input and output has a row for every row of the others. Where an output proves to have not, calls run one by one.
    Operator,
}

/// How a deployment's calls are merged with others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BatchConfig {
    /// Who says that dimension 0 is a batch.
    pub rows_from: RowsFrom,
    /// Rows of one run at most; a call with more runs alone.
    pub max_rows: u64,
    /// How long a call waits for others although a worker is free.
    pub max_delay: Duration,
    /// Sizes in rows that are preferred to others, ascending. A run has the largest of them that the waiting calls fill; where they fill
    /// none, what there is.
    pub preferred: Vec<u64>,
    /// Wait and run together should take at most this long.
    pub latency_target: Option<Duration>,
    /// Whether calls are merged with calls of this deployment only.
    pub isolated: bool,
}

impl Default for BatchConfig {
    /// What the graph allows, 32 rows at most, no delay, no target, with everybody.
    fn default() -> Self {
        Self {
            rows_from: RowsFrom::Graph,
            max_rows: 32,
            max_delay: Duration::ZERO,
            preferred: Vec::new(),
            latency_target: None,
            isolated: false,
        }
    }
}

impl BatchConfig {
    /// Rows at which a batch that waits for more is run at once.
    pub(crate) fn enough(&self) -> u64 {
        self.preferred.iter().copied().find(|size| *size > 1).unwrap_or(self.max_rows).min(self.max_rows)
    }

    /// The largest preferred size up to `rows`; `rows` where there is none.
    pub(crate) fn preferred_up_to(&self, rows: u64) -> u64 {
        self.preferred.iter().copied().filter(|size| *size <= rows).max().unwrap_or(rows)
    }
}
