//! Where a request stands in a trace: the `traceparent` header of W3C Trace Context (<https://www.w3.org/TR/trace-context/>).

use std::fmt;
use std::str::FromStr;

/// Length of version 00's header value.
const LENGTH: usize = 55;

/// Where a request stands in a trace (W3C Trace Context). Its text form is the value of a `traceparent` header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TraceContext {
    /// The trace.
    pub trace_id: u128,
    /// The span that calls.
    pub span_id: u64,
    /// Whether it is recorded.
    pub sampled: bool,
}

/// A `traceparent` header that is not one; such a header is ignored, and the request begins a trace of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a traceparent is 00-<32 hexadecimal digits>-<16>-<2>, lower case, with ids that are not zero")]
pub struct TraceParentError;

impl FromStr for TraceContext {
    type Err = TraceParentError;

    fn from_str(text: &str) -> Result<Self, TraceParentError> {
        let bytes = text.as_bytes();
        let dashes = bytes.len() >= LENGTH && [2, 35, 52].iter().all(|place| bytes[*place] == b'-');
        if !dashes {
            return Err(TraceParentError);
        }
        let version = digits(&bytes[..2])?;
        // Later versions may append fields behind another dash; ff is no version.
        let ends = bytes.len() == LENGTH || (version > 0 && bytes[LENGTH] == b'-');
        let trace_id = digits(&bytes[3..35])?;
        let span_id = digits(&bytes[36..52])? as u64;
        let flags = digits(&bytes[53..LENGTH])?;
        if version == 0xff || !ends || trace_id == 0 || span_id == 0 {
            return Err(TraceParentError);
        }
        Ok(Self { trace_id, span_id, sampled: flags & 1 == 1 })
    }
}

/// Lower-case hexadecimal digits.
fn digits(text: &[u8]) -> Result<u128, TraceParentError> {
    text.iter().try_fold(0, |value: u128, digit| {
        let digit = match digit {
            b'0'..=b'9' => digit - b'0',
            b'a'..=b'f' => digit - b'a' + 10,
            _ => return Err(TraceParentError),
        };
        Ok(value << 4 | u128::from(digit))
    })
}

impl fmt::Display for TraceContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "00-{:032x}-{:016x}-{:02x}", self.trace_id, self.span_id, u8::from(self.sampled))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";

    #[test]
    fn headers_are_read_as_the_recommendation_says() {
        let read = |text: &str| text.parse::<TraceContext>().ok().map(|trace| (trace.span_id, trace.sampled));
        let rows = [
            (format!("00-{TRACE}-00f067aa0ba902b7-01"), Some((0x00f0_67aa_0ba9_02b7, true))),
            (format!("00-{TRACE}-00f067aa0ba902b7-00"), Some((0x00f0_67aa_0ba9_02b7, false))),
            // Unknown flags are ignored.
            (format!("00-{TRACE}-00f067aa0ba902b7-fe"), Some((0x00f0_67aa_0ba9_02b7, false))),
            // A later version, with and without more fields.
            (format!("01-{TRACE}-00f067aa0ba902b7-01"), Some((0x00f0_67aa_0ba9_02b7, true))),
            (format!("cc-{TRACE}-00f067aa0ba902b7-01-more"), Some((0x00f0_67aa_0ba9_02b7, true))),
            (format!("cc-{TRACE}-00f067aa0ba902b7-01.more"), None),
            (format!("00-{TRACE}-00f067aa0ba902b7-01-more"), None),
            (format!("ff-{TRACE}-00f067aa0ba902b7-01"), None),
            (format!("00-{}-00f067aa0ba902b7-01", "0".repeat(32)), None),
            (format!("00-{TRACE}-0000000000000000-01"), None),
            (format!("00-{}-00f067aa0ba902b7-01", TRACE.to_uppercase()), None),
            (format!("00-{TRACE}-00f067aa0ba902bg-01"), None),
            (format!("00-{TRACE}-00f067aa0ba902b7-1"), None),
            (format!("00_{TRACE}-00f067aa0ba902b7-01"), None),
            (format!("00-{TRACE}-00f067aa0ba902b7é"), None),
            (String::new(), None),
        ];
        for (text, expected) in rows {
            assert_eq!(read(&text), expected, "{text}");
        }
    }

    #[test]
    fn what_is_written_is_read_again() {
        let trace = TraceContext { trace_id: 1 << 100, span_id: 7, sampled: true };
        assert_eq!(trace.to_string(), "00-00000010000000000000000000000000-0000000000000007-01");
        assert_eq!(trace.to_string().parse(), Ok(trace));
    }
}
