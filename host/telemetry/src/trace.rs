//! Spans of sampled requests. A request that is not sampled pays one branch; a sampled one pays for its spans with clock
//! readings and a place in a bounded queue.
//!
//! Spans go to the process's one receiver ([`install`]), because the rooms that record them (`ingress`, `router`, `batcher`)
//! know nothing of each other.

use std::borrow::Cow;
use std::sync::OnceLock;
use std::time::{Duration, SystemTime};

use scorehost_core::{ErrorKind, TraceContext};

mod random;
mod sampler;

pub use sampler::Sampler;

use crate::outbox::{Outbox, OutboxConfig, OutboxCounts};
use random::random;

/// A value of a span's attribute.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// Text.
    Text(Cow<'static, str>),
    /// A whole number.
    Number(i64),
}

impl From<&'static str> for Value {
    fn from(text: &'static str) -> Self {
        Self::Text(text.into())
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::Text(text.into())
    }
}

impl From<u64> for Value {
    fn from(number: u64) -> Self {
        Self::Number(i64::try_from(number).unwrap_or(i64::MAX))
    }
}

/// A finished span.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Span {
    /// The span itself: its trace and its id.
    pub context: TraceContext,
    /// The span that caused it.
    pub parent: Option<u64>,
    /// Whether it is a request as this host got it; its parent is then in another process.
    pub server: bool,
    /// What was done, of few different values.
    pub name: Cow<'static, str>,
    /// When it began.
    pub start: SystemTime,
    /// When it ended.
    pub end: SystemTime,
    /// What else is known.
    pub attributes: Vec<(&'static str, Value)>,
    /// Why it failed.
    pub error: Option<Cow<'static, str>>,
}

/// Which requests are traced, and where their spans go.
pub struct Spans {
    sampler: Sampler,
    outbox: Outbox<Span>,
}

impl Spans {
    /// Delivers spans in batches on a thread of its own.
    ///
    /// # Errors
    /// When the thread does not start.
    pub fn start(
        sampler: Sampler,
        config: OutboxConfig,
        deliver: impl FnMut(Vec<Span>) -> Result<(), String> + Send + 'static,
    ) -> std::io::Result<Self> {
        Ok(Self { sampler, outbox: Outbox::start("spans", config, deliver)? })
    }

    /// The place in a trace of a request that came with `parent`, a new span: `None` where there is no trace to go on with and
    /// none to begin.
    #[must_use]
    pub fn enter(&self, parent: Option<TraceContext>) -> Option<TraceContext> {
        self.sampler.enter(parent)
    }

    /// What became of the spans so far.
    #[must_use]
    pub fn counts(&self) -> OutboxCounts {
        self.outbox.counts()
    }

    /// Waits at most `longest` until the spans so far are delivered.
    pub fn flush(&self, longest: Duration) {
        self.outbox.flush(longest);
    }
}

static SPANS: OnceLock<Spans> = OnceLock::new();

/// Makes `spans` the receiver of all spans of this process, from now on and for good; false where there is one already.
pub fn install(spans: Spans) -> bool {
    SPANS.set(spans).is_ok()
}

/// The receiver, where there is one.
#[must_use]
pub fn spans() -> Option<&'static Spans> {
    SPANS.get()
}

/// A span being recorded, until it is dropped; nothing where its request is not sampled.
#[must_use = "a span ends when this is dropped"]
pub struct Recording(Option<Box<Span>>);

/// Begins a span below `trace`, which becomes the new span's place for whatever is called from here on.
pub fn begin(trace: &mut Option<TraceContext>, name: &'static str) -> Recording {
    match trace {
        Some(trace) if trace.sampled && spans().is_some() => {
            let parent = trace.span_id;
            trace.span_id = random();
            Recording::new(*trace, Some(parent), name.into(), false)
        }
        _ => Recording(None),
    }
}

impl Recording {
    /// Begins the span of a request that came in at `trace` from `parent`.
    pub fn server(trace: TraceContext, parent: Option<u64>, name: impl Into<Cow<'static, str>>) -> Self {
        if trace.sampled && spans().is_some() { Self::new(trace, parent, name.into(), true) } else { Self(None) }
    }

    fn new(context: TraceContext, parent: Option<u64>, name: Cow<'static, str>, server: bool) -> Self {
        let now = SystemTime::now();
        let attributes = Vec::new();
        Self(Some(Box::new(Span { context, parent, server, name, start: now, end: now, attributes, error: None })))
    }

    /// Whether there is a span at all; ask before making an attribute.
    #[must_use]
    pub const fn is_recording(&self) -> bool {
        self.0.is_some()
    }

    /// Adds an attribute.
    pub fn set(&mut self, name: &'static str, value: impl Into<Value>) {
        if let Some(span) = &mut self.0 {
            span.attributes.push((name, value.into()));
        }
    }

    /// Marks the span as failed.
    pub fn fail(&mut self, kind: ErrorKind) {
        if let Some(span) = &mut self.0 {
            span.attributes.push(("error.type", kind.name().into()));
            span.error = Some(kind.name().into());
        }
    }
}

impl Drop for Recording {
    fn drop(&mut self) {
        if let (Some(mut span), Some(spans)) = (self.0.take(), spans()) {
            span.end = SystemTime::now();
            spans.outbox.put(*span);
        }
    }
}

#[cfg(test)]
mod tests;
