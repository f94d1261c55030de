//! Runs what a worker has taken: one call, or several as one.

use std::sync::Arc;
use std::time::Duration;

use scorehost_core::{Deadline, Failure, NamedValue, NamedValues, OutputIndices, OutputSet, Value};
use scorehost_telemetry::{Apart, Mixed};

use crate::call::{Answer, QueuedCall, Wanted};
use crate::lane::Lane;
use crate::rows;

/// Calls that a worker has started, all of one graph; the first one's turn it was.
pub(crate) struct Turn {
    pub(crate) calls: Vec<QueuedCall>,
    /// Whether nothing else waited for a worker.
    pub(crate) alone: bool,
}

/// A call with the time that it waited for a worker.
type Served = (QueuedCall, Duration);

impl Turn {
    /// Runs and answers the calls, those aside whose answers would come too late.
    pub(crate) fn serve(self) {
        let Some(lane) = self.calls.first().map(|call| Arc::clone(&call.lane)) else { return };
        let now = lane.clock().now();
        let mut calls = Vec::with_capacity(self.calls.len());
        for call in self.calls {
            let waited = now.saturating_duration_since(call.arrived);
            call.customer.moved_on(now.saturating_duration_since(call.since), call.ahead);
            lane.statistics().waited(waited);
            match call.too_late(now, self.alone) {
                Some(error) => call.answer(Err(error.into()), waited),
                None => calls.push((call, waited)),
            }
        }
        if calls.len() > 1 {
            together(&lane, calls);
        } else if let Some(call) = calls.pop() {
            alone(&lane, call);
        }
    }
}

/// Runs one call.
fn alone(lane: &Lane, (call, waited): Served) {
    let (answer, took) = lane.run_rows(&[&call.inputs], &call.wanted, call.rows(), call.call.deadline);
    lane.took(took);
    lane.statistics().ran(1, call.rows(), None);
    call.customer.charge(took);
    call.customer.occupied(lane.graph().device(), took);
    call.answer(answer, waited);
}

/// Runs several calls as one. Where that fails, every call is run for itself, so that one of them cannot fail the others.
fn together(lane: &Lane, calls: Vec<Served>) {
    let rows: Vec<u64> = calls.iter().map(|(call, _)| call.rows()).collect();
    let all = rows.iter().sum();
    let wanted = wanted(&calls);
    let inputs: Vec<_> = calls.iter().map(|(call, _)| &*call.inputs).collect();
    let (answer, took) = lane.run_rows(&inputs, &wanted, all, last(&calls));
    let Ok(answer) = answer else { return one_by_one(lane, calls, Apart::Failed, took) };
    let Some(pieces) = divided(&answer, &rows) else { return one_by_one(lane, calls, Apart::Rows, took) };
    lane.statistics().ran(calls.len() as u64, all, Some(mixture(&calls)));
    count(&calls, took);
    let device = lane.graph().device();
    for ((call, waited), (index, rows)) in calls.into_iter().zip(rows.into_iter().enumerate()) {
        call.customer.charge(share(took, rows, all));
        call.customer.occupied(device, share(took, rows, all));
        let answer = chosen(&call, &wanted.outputs, &answer, &pieces, index);
        call.answer(answer, waited);
    }
}

/// When the last of the calls has no use for an answer any more: a worker that computes for nobody is missed by the others.
fn last(calls: &[Served]) -> Option<Deadline> {
    calls.iter().map(|(call, _)| call.call.deadline).reduce(|one, other| Some(one?.max(other?))).flatten()
}

/// The outputs that any of the calls wants, in the signature's order. What one of them reads in the host's memory stays on the device for
/// none of them.
fn wanted(calls: &[Served]) -> Wanted {
    let mut outputs: OutputIndices = calls.iter().flat_map(|(call, _)| call.wanted.outputs.iter().copied()).collect();
    outputs.sort_unstable();
    outputs.dedup();
    let keep = calls.iter().map(|(call, _)| call.wanted.keep).reduce(OutputSet::and).unwrap_or_default();
    Wanted { outputs, keep }
}

/// Every output in pieces for the calls; `None` where an output has not a row for each row of the inputs.
fn divided(outputs: &NamedValues, rows: &[u64]) -> Option<Vec<Vec<Value>>> {
    let all = rows.iter().sum();
    let divide =
        |output: &NamedValue| rows::has(&output.value, all).then(|| rows::split(&output.value, rows).ok()).flatten();
    outputs.iter().map(divide).collect()
}

/// What one call wanted of the outputs that were made.
fn chosen(
    call: &QueuedCall,
    made: &OutputIndices,
    outputs: &NamedValues,
    pieces: &[Vec<Value>],
    index: usize,
) -> Answer {
    let output = |wanted: &usize| {
        let place = made.binary_search(wanted).ok()?;
        let name = Arc::clone(&outputs.get(place)?.name);
        Some(NamedValue { name, value: pieces.get(place)?.get(index)?.clone() })
    };
    let missing = || Failure::internal("a batch has fewer outputs than it was asked for");
    call.wanted.outputs.iter().map(output).collect::<Option<_>>().ok_or_else(missing)
}

/// Tells every version whose model's runs are counted as its executions.
fn count(calls: &[Served], took: Duration) {
    let mut counted: Vec<&Arc<_>> = Vec::new();
    for (call, _) in calls {
        let Some(statistics) = call.customer.statistics() else { continue };
        if counted.iter().any(|known| Arc::ptr_eq(known, statistics)) {
            continue;
        }
        let own =
            calls.iter().filter(|(other, _)| other.customer.statistics().is_some_and(|of| Arc::ptr_eq(of, statistics)));
        statistics.ran_together(own.count() as u64, calls.len() as u64, took);
        counted.push(statistics);
    }
}

/// The widest thing that any two of the calls have apart.
fn mixture(calls: &[Served]) -> Mixed {
    let Some(((first, _), others)) = calls.split_first() else { return Mixed::Requests };
    others.iter().map(|(other, _)| first.customer.mixed_with(&other.customer)).max().unwrap_or(Mixed::Requests)
}

/// The part of a run's time that so many of all its rows account for.
fn share(took: Duration, rows: u64, all: u64) -> Duration {
    took.mul_f64(rows as f64 / all.max(1) as f64)
}

/// Runs calls for themselves that failed as a batch after `spent`, and keeps batches smaller where it was the size that failed.
fn one_by_one(lane: &Lane, calls: Vec<Served>, why: Apart, spent: Duration) {
    lane.statistics().taken_apart(why);
    let rows: u64 = calls.iter().map(|(call, _)| call.rows()).sum();
    if why == Apart::Rows {
        lane.restrict(1);
        let model = calls.first().map(|(call, _)| call.model.to_string()).unwrap_or_default();
        tracing::warn!(
            model,
            "an output has not a row for each row of the inputs: calls of this model are no longer merged"
        );
    }
    let mut all_ran = true;
    for call in calls {
        all_ran &= retry(lane, call, spent);
    }
    if all_ran && why == Apart::Failed {
        lane.restrict(rows / 2);
    }
}

/// Runs one call of a batch that failed; tells whether it ran well. Who fails for himself pays for the batch that failed with him.
fn retry(lane: &Lane, (call, waited): Served, spent: Duration) -> bool {
    if call.is_left() {
        return false;
    }
    if let Some(error) = call.too_late(lane.clock().now(), false) {
        call.answer(Err(error.into()), waited);
        return false;
    }
    let (answer, took) = lane.run_rows(&[&call.inputs], &call.wanted, call.rows(), call.call.deadline);
    lane.statistics().ran(1, call.rows(), None);
    call.customer.occupied(lane.graph().device(), took);
    call.customer.charge(if answer.is_err() { took + spent } else { took });
    let ran = answer.is_ok();
    call.answer(answer, waited);
    ran
}
