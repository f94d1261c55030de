//! On which terms a request is made: until when, how urgent, and for whom.

use std::sync::Arc;
use std::time::{Duration, Instant};

use http::{HeaderMap, HeaderName, HeaderValue};
use scorehost_core::{CallContext, Deadline, Failure, Priority};

mod grpc;

/// Milliseconds that the caller waits for the answer.
pub(crate) const X_SCOREHOST_TIMEOUT_MS: HeaderName = HeaderName::from_static("x-scorehost-timeout-ms");
/// `high`, `normal` or `low`.
pub(crate) const X_SCOREHOST_PRIORITY: HeaderName = HeaderName::from_static("x-scorehost-priority");

/// The terms of one request. Its time runs from the moment at which its head was read, not its body.
#[derive(Clone, Debug)]
pub(crate) struct Terms {
    arrived: Instant,
    deadline: Option<Deadline>,
    priority: Priority,
    caller: Option<Arc<str>>,
}

impl Terms {
    /// The terms that a request's headers name.
    ///
    /// # Errors
    /// `InvalidInput` where a header says something that is no timeout or priority.
    pub(crate) fn of(headers: &HeaderMap) -> Result<Self, Failure> {
        let mut terms = Self { arrived: Instant::now(), deadline: None, priority: Priority::default(), caller: None };
        if let Some(value) = headers.get(X_SCOREHOST_TIMEOUT_MS) {
            terms.within(milliseconds(value).ok_or_else(no_timeout)?);
        }
        if let Some(value) = headers.get(grpc::GRPC_TIMEOUT) {
            terms.within(grpc::timeout(value).ok_or_else(grpc::no_timeout)?);
        }
        if let Some(value) = headers.get(X_SCOREHOST_PRIORITY) {
            terms.priority = priority(value).ok_or_else(no_priority)?;
        }
        Ok(terms)
    }

    /// Adds the parameters of an Open Inference Protocol request: `timeout` in microseconds, `priority` from 1 on; 0 says
    /// nothing. The earlier of several deadlines holds; a priority in the parameters overrides the header's.
    pub(crate) fn parameters(&mut self, timeout: u64, priority: u64) {
        if timeout > 0 {
            self.within(Duration::from_micros(timeout));
        }
        match priority {
            0 => {}
            1 => self.priority = Priority::High,
            2 => self.priority = Priority::Normal,
            _ => self.priority = Priority::Low,
        }
    }

    /// Adds who calls.
    #[must_use]
    pub(crate) fn called_by(self, caller: Option<Arc<str>>) -> Self {
        Self { caller, ..self }
    }

    /// Moves the terms into a context.
    pub(crate) fn set(self, call: &mut CallContext) {
        (call.deadline, call.priority, call.caller) = (self.deadline, self.priority, self.caller);
    }

    fn within(&mut self, timeout: Duration) {
        let deadline = Deadline::after(self.arrived, timeout);
        self.deadline = Some(self.deadline.map_or(deadline, |other| other.earlier(deadline)));
    }
}

fn milliseconds(value: &HeaderValue) -> Option<Duration> {
    let digits = value.to_str().ok().filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()))?;
    digits.parse().ok().filter(|millis| *millis > 0).map(Duration::from_millis)
}

fn priority(value: &HeaderValue) -> Option<Priority> {
    let known = [("high", Priority::High), ("normal", Priority::Normal), ("low", Priority::Low)];
    let said = |(name, _): &(&str, Priority)| value.as_bytes().eq_ignore_ascii_case(name.as_bytes());
    known.into_iter().find(said).map(|(_, priority)| priority)
}

#[cold]
fn no_timeout() -> Failure {
    Failure::invalid("the header x-scorehost-timeout-ms must be a whole number of milliseconds from 1 on")
}

#[cold]
fn no_priority() -> Failure {
    Failure::invalid("the header x-scorehost-priority must be high, normal or low")
}

#[cfg(test)]
mod tests {
    use super::*;

    type Pairs = &'static [(&'static str, &'static str)];

    /// Deadline in milliseconds from arrival, and priority.
    fn of(headers: &[(&'static str, &'static str)], parameters: (u64, u64)) -> Option<(Option<u128>, Priority)> {
        let pair = |(name, value): &(&'static str, &'static str)| {
            (HeaderName::from_static(name), HeaderValue::from_static(value))
        };
        let mut terms = Terms::of(&headers.iter().map(pair).collect()).ok()?;
        terms.parameters(parameters.0, parameters.1);
        let left = terms.deadline.map(|deadline| deadline.remaining(terms.arrived).as_millis());
        Some((left, terms.priority))
    }

    #[test]
    fn headers_and_parameters_are_read() {
        let (high, normal, low) = (Priority::High, Priority::Normal, Priority::Low);
        let rows: [(Pairs, (u64, u64), _); 10] = [
            (&[], (0, 0), (None, normal)),
            (&[("x-scorehost-timeout-ms", "250")], (0, 0), (Some(250), normal)),
            (&[("x-scorehost-priority", "high")], (0, 0), (None, high)),
            (&[("x-scorehost-priority", "LOW")], (0, 0), (None, low)),
            (&[("x-scorehost-priority", "low")], (0, 1), (None, high)),
            (&[], (0, 2), (None, normal)),
            (&[], (7_000, 9), (Some(7), low)),
            (&[("grpc-timeout", "3S")], (0, 0), (Some(3000), normal)),
            (&[("grpc-timeout", "3S"), ("x-scorehost-timeout-ms", "20")], (0, 0), (Some(20), normal)),
            (&[("grpc-timeout", "30m"), ("x-scorehost-timeout-ms", "40")], (10_000, 0), (Some(10), normal)),
        ];
        for (headers, parameters, expected) in rows {
            assert_eq!(of(headers, parameters), Some(expected), "{headers:?} {parameters:?}");
        }
    }

    #[test]
    fn nonsense_is_refused() {
        for value in ["0", "", "-1", "1.5", "ten", "99999999999999999999"] {
            assert_eq!(of(&[("x-scorehost-timeout-ms", value)], (0, 0)), None, "{value}");
        }
        for value in ["", "1", "urgent"] {
            assert_eq!(of(&[("x-scorehost-priority", value)], (0, 0)), None, "{value}");
        }
        assert_eq!(of(&[("grpc-timeout", "1x")], (0, 0)), None);
    }
}
