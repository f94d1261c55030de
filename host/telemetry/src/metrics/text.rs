//! The two text forms: Prometheus' 0.0.4 and OpenMetrics 1.0.

use std::fmt::{Display, Write};

/// A form of `/metrics`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// Prometheus' text format, version 0.0.4.
    Text,
    /// OpenMetrics 1.0.
    OpenMetrics,
}

impl Format {
    /// The form that an `Accept` header asks for most; text where it says nothing.
    #[must_use]
    pub fn accepted(accept: Option<&str>) -> Self {
        let accept = accept.unwrap_or_default();
        let weight = |wanted: &str| {
            let offers =
                accept.split(',').map(str::trim).filter(|offer| offer.split(';').next().map(str::trim) == Some(wanted));
            offers.map(quality).fold(0.0, f64::max)
        };
        let text = weight("text/plain").max(weight("text/*")).max(weight("*/*"));
        if weight("application/openmetrics-text") > text { Self::OpenMetrics } else { Self::Text }
    }

    /// Value of the `content-type` header.
    #[must_use]
    pub const fn content_type(self) -> &'static str {
        match self {
            Self::Text => "text/plain; version=0.0.4; charset=utf-8",
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
        }
    }
}

/// The `q` of one offer of an `Accept` header; 1 where there is none.
fn quality(offer: &str) -> f64 {
    let q = offer.split(';').skip(1).find_map(|parameter| parameter.trim().strip_prefix("q="));
    q.map_or(1.0, |q| q.trim().parse().unwrap_or(0.0))
}

/// A text under way: families one after the other, each with its samples.
pub(super) struct Text {
    out: String,
    format: Format,
    /// Name of the family's samples.
    name: String,
}

impl Text {
    pub(super) fn new(format: Format) -> Self {
        Self { out: String::with_capacity(16 << 10), format, name: String::new() }
    }

    /// Begins a family of values that only rise; `name` is without `_total`, its samples are with it.
    pub(super) fn counter(&mut self, name: &str, help: &str) {
        let sample = format!("{name}_total");
        let family = if self.format == Format::OpenMetrics { name } else { &sample };
        self.family(family, "counter", help);
        self.name = sample;
    }

    /// Begins a family of values that rise and fall.
    pub(super) fn gauge(&mut self, name: &str, help: &str) {
        self.family(name, "gauge", help);
    }

    /// Begins a family of distributions.
    pub(super) fn histogram(&mut self, name: &str, help: &str) {
        self.family(name, "histogram", help);
    }

    /// Begins a family that counts under a name without `_total`, which OpenMetrics does not allow a counter.
    pub(super) fn foreign_counter(&mut self, name: &str, help: &str) {
        let kind = if self.format == Format::OpenMetrics { "unknown" } else { "counter" };
        self.family(name, kind, help);
    }

    fn family(&mut self, name: &str, kind: &str, help: &str) {
        name.clone_into(&mut self.name);
        // Writing to a string does not fail.
        let _ = writeln!(self.out, "# HELP {name} {help}\n# TYPE {name} {kind}");
    }

    /// Writes one value of the family begun last.
    pub(super) fn sample(&mut self, labels: &[(&str, &str)], value: impl Display) {
        self.suffixed("", labels, value);
    }

    /// The same under the family's name with a suffix, such as a histogram's `_bucket`.
    pub(super) fn suffixed(&mut self, suffix: &str, labels: &[(&str, &str)], value: impl Display) {
        self.out.push_str(&self.name);
        self.out.push_str(suffix);
        for (index, (name, value)) in labels.iter().enumerate() {
            let _ = write!(self.out, "{}{name}=\"", if index == 0 { '{' } else { ',' });
            escape(&mut self.out, value);
            self.out.push('"');
        }
        let close = if labels.is_empty() { "" } else { "}" };
        let _ = writeln!(self.out, "{close} {value}");
    }

    pub(super) fn end(mut self) -> String {
        if self.format == Format::OpenMetrics {
            self.out.push_str("# EOF\n");
        }
        self.out
    }
}

fn escape(out: &mut String, value: &str) {
    for character in value.chars() {
        match character {
            '\\' => out.push_str("\\\\"),
            '"' => out.push_str("\\\""),
            '\n' => out.push_str("\\n"),
            other => out.push(other),
        }
    }
}
