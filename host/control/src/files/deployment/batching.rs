//! `scorehost.batching`: how calls of a deployment's models are merged.

use std::time::Duration;

use scorehost_core::Batching;

use crate::files::reader::{Findings, Object};

pub(crate) const KEYS: [&str; 6] =
    ["enabled", "isolated", "maxBatchSize", "maxDelayMs", "preferredBatchSizes", "latencyTargetMs"];

/// Rows of one run at most in any setting.
pub(crate) const MOST_ROWS: u64 = 1024;
/// Longest delay and target, in milliseconds.
const MOST_MILLIS: f64 = 60_000.0;

/// Reads the opened block.
pub(super) fn read(block: &Object<'_>, found: &mut Findings) -> Batching {
    let max = block.whole("maxBatchSize", 1, MOST_ROWS, "a whole number from 1 to 1024", found);
    let batching = Batching {
        enabled: block.flag("enabled", found),
        isolated: block.flag("isolated", found).unwrap_or(false),
        max_size: max.map(|max| max as u32),
        max_delay: millis(block.between("maxDelayMs", 0.0, MOST_MILLIS, found)),
        preferred: sizes(block, max.unwrap_or(MOST_ROWS), found),
        latency_target: millis(block.between("latencyTargetMs", 0.001, MOST_MILLIS, found)),
    };
    if let (Some(delay), Some(target)) = (batching.max_delay, batching.latency_target)
        && delay >= target
    {
        found.add(block.at("maxDelayMs"), "must be below latencyTargetMs: a call that waits so long is late");
    }
    batching
}

fn millis(given: Option<f64>) -> Option<Duration> {
    given.map(|millis| Duration::from_secs_f64(millis / 1e3))
}

/// Sizes in ascending order, each once.
fn sizes(block: &Object<'_>, max: u64, found: &mut Findings) -> Vec<u32> {
    let mut sizes = Vec::new();
    for (path, item) in block.list("preferredBatchSizes", found) {
        match item.as_u64().filter(|size| (1..=max).contains(size)) {
            Some(size) => sizes.push(size as u32),
            None => found.add(path, format!("must be a whole number from 1 to {max}, which is the largest batch")),
        }
    }
    sizes.sort_unstable();
    sizes.dedup();
    sizes
}
