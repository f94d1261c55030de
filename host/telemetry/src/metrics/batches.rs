//! `scorehost_batch*` per loaded model.

use std::collections::BTreeMap;

use super::seconds;
use super::text::Text;
use crate::{Apart, BatchesSnapshot, Mixed};

/// Upper ends of the waits' buckets: 2^4 to 2^26 µs, that is 16 µs to 67 s, every second power.
const EXPONENTS: std::ops::RangeInclusive<u32> = 4..=26;

pub(super) fn write(text: &mut Text, snapshots: &[BatchesSnapshot]) {
    let mut models: BTreeMap<&str, BatchesSnapshot> = BTreeMap::new();
    for snapshot in snapshots {
        models.entry(&snapshot.model).or_default().merge(snapshot);
    }
    models.retain(|_, batches| batches.runs() > 0);
    sizes(text, &models);
    text.counter("scorehost_batch_rows", "Rows of these runs; a call that cannot be merged counts as one.");
    for (&model, batches) in &models {
        text.sample(&[("model", model)], batches.rows);
    }
    text.counter(
        "scorehost_batches_mixed",
        "Runs of several calls by the widest thing that these had apart: requests, replicas, versions or services.",
    );
    for (&model, batches) in &models {
        for mixed in Mixed::ALL {
            text.sample(&[("model", model), ("mixed", mixed.name())], batches.mixed[mixed as usize]);
        }
    }
    text.counter(
        "scorehost_batches_apart",
        "Batches whose calls were run one by one after all: the run failed, or an output had other rows.",
    );
    for (&model, batches) in &models {
        for apart in Apart::ALL {
            text.sample(&[("model", model), ("reason", apart.name())], batches.apart[apart as usize]);
        }
    }
    waits(text, &models);
    text.gauge("scorehost_batch_limit_rows", "Rows that one run of several calls may have at the moment.");
    for (&model, batches) in &models {
        text.sample(&[("model", model)], batches.limit);
    }
}

fn sizes(text: &mut Text, models: &BTreeMap<&str, BatchesSnapshot>) {
    text.histogram("scorehost_batch_calls", "Runs of a model on a worker thread by the calls that they answered.");
    for (&model, batches) in models {
        let mut runs = 0;
        for (exponent, count) in batches.sizes.iter().enumerate() {
            runs += count;
            let last = exponent + 1 == batches.sizes.len();
            let end = if last { "+Inf".to_owned() } else { (1u64 << exponent).to_string() };
            text.suffixed("_bucket", &[("model", model), ("le", &end)], runs);
        }
        text.suffixed("_sum", &[("model", model)], batches.calls);
        text.suffixed("_count", &[("model", model)], runs);
    }
}

fn waits(text: &mut Text, models: &BTreeMap<&str, BatchesSnapshot>) {
    text.histogram("scorehost_batch_queue_seconds", "Calls of a model by their wait for a worker thread.");
    for (&model, batches) in models {
        for exponent in EXPONENTS.step_by(2) {
            let micros = 1 << exponent;
            let end = (micros as f64 / 1e6).to_string();
            text.suffixed("_bucket", &[("model", model), ("le", &end)], batches.waits.below(micros));
        }
        let count = batches.waits.count();
        text.suffixed("_bucket", &[("model", model), ("le", "+Inf")], count);
        text.suffixed("_sum", &[("model", model)], seconds(batches.waits.sum()));
        text.suffixed("_count", &[("model", model)], count);
    }
}
