//! Which requests are traced.

use scorehost_core::TraceContext;

use super::random::random;

/// Decides whether a request is traced, by its caller's decision or by a part of all requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sampler {
    /// Traces whose last 63 bits are below this are sampled; 2^63 samples all.
    bound: u64,
    /// Whether the caller's decision is taken over where there is one.
    parent_based: bool,
}

impl Sampler {
    /// Takes over the caller's decision, and samples a part `ratio` (0-1) of the requests that come with none.
    #[must_use]
    pub fn parent_based(ratio: f64) -> Self {
        Self { bound: bound(ratio), parent_based: true }
    }

    /// Samples a part `ratio` (0-1) of all traces, whatever the caller decided.
    #[must_use]
    pub fn ratio(ratio: f64) -> Self {
        Self { bound: bound(ratio), parent_based: false }
    }

    pub(super) fn enter(&self, parent: Option<TraceContext>) -> Option<TraceContext> {
        let Some(TraceContext { trace_id, sampled, .. }) = parent else { return self.begin() };
        let sampled = if self.parent_based { sampled } else { self.includes(trace_id as u64) };
        Some(TraceContext { trace_id, span_id: random(), sampled })
    }

    /// A trace of its own, where this request is among those that get one.
    fn begin(&self) -> Option<TraceContext> {
        let low = random();
        self.includes(low).then(|| {
            let trace_id = u128::from(random()) << 64 | u128::from(low);
            TraceContext { trace_id, span_id: random(), sampled: true }
        })
    }

    const fn includes(&self, low: u64) -> bool {
        low >> 1 < self.bound
    }
}

fn bound(ratio: f64) -> u64 {
    (ratio.clamp(0.0, 1.0) * (1u64 << 63) as f64) as u64
}
