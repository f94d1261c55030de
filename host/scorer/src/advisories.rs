//! Known flaws of packages: a list in the OSV format, compared with what a component says it was made of.

mod cvss;
mod version;

use serde::Deserialize;
use serde_json::Value;

use crate::Dependency;
use version::{Order, order};

/// How bad a flaw is. Declared from mild to bad.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Little harm, or only a remark (unmaintained, yanked).
    Low,
    /// Some harm. A flaw whose severity the list does not say counts as this.
    Medium,
    /// Much harm.
    High,
    /// The worst.
    Critical,
}

impl Severity {
    /// Lower-case name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
            Self::Critical => "critical",
        }
    }

    /// The severity of a name as lists write it: `moderate` is [`Self::Medium`].
    #[must_use]
    pub fn of_name(name: &str) -> Option<Self> {
        Some(match name.to_ascii_lowercase().as_str() {
            "low" | "none" => Self::Low,
            "medium" | "moderate" => Self::Medium,
            "high" | "important" => Self::High,
            "critical" => Self::Critical,
            _ => return None,
        })
    }

    fn of_score(score: f64) -> Self {
        match score {
            score if score >= 9.0 => Self::Critical,
            score if score >= 7.0 => Self::High,
            score if score >= 4.0 => Self::Medium,
            _ => Self::Low,
        }
    }
}

/// The list cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("advisory {number} of the list cannot be read: {reason}")]
pub struct AdvisoryError {
    /// From 1 on.
    number: usize,
    reason: String,
}

impl From<AdvisoryError> for scorehost_core::Failure {
    fn from(error: AdvisoryError) -> Self {
        Self::invalid(error.to_string()).with_hint(
            "the list is advisories in the OSV format, one JSON object after the other; see docs/reference/scan.md",
        )
    }
}

/// A list of known flaws.
#[derive(Clone, Debug, Default)]
pub struct Advisories(Vec<Advisory>);

#[derive(Clone, Debug, Deserialize)]
struct Advisory {
    id: String,
    #[serde(default)]
    summary: String,
    #[serde(default)]
    details: String,
    #[serde(default)]
    withdrawn: Option<String>,
    #[serde(default)]
    affected: Vec<Affected>,
    /// The format's own list of vectors; a plain word is taken, too.
    #[serde(default)]
    severity: Value,
    #[serde(default)]
    database_specific: Value,
}

#[derive(Clone, Debug, Deserialize)]
struct Affected {
    package: Package,
    #[serde(default)]
    ranges: Vec<Range>,
    #[serde(default)]
    versions: Vec<String>,
    #[serde(default)]
    database_specific: Value,
}

#[derive(Clone, Debug, Deserialize)]
struct Package {
    ecosystem: String,
    name: String,
}

#[derive(Clone, Debug, Deserialize)]
struct Range {
    #[serde(rename = "type", default)]
    kind: String,
    #[serde(default)]
    events: Vec<Event>,
}

#[derive(Clone, Debug, Default, Deserialize)]
struct Event {
    introduced: Option<String>,
    fixed: Option<String>,
    last_affected: Option<String>,
}

/// A known flaw in a component.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// Id of the advisory.
    pub advisory: String,
    /// How bad it is.
    pub severity: Severity,
    /// What has it.
    pub dependency: Dependency,
    /// First version above this one without it, where there is one.
    pub fixed: Option<String>,
    /// What it is.
    pub summary: String,
}

impl Advisories {
    /// Reads a list: OSV objects one after the other (one a line, or set apart by any white space), or arrays of them. Withdrawn
    /// advisories are left out.
    ///
    /// # Errors
    /// The first object that is none.
    pub fn parse(text: &str) -> Result<Self, AdvisoryError> {
        let mut list = Vec::new();
        for document in serde_json::Deserializer::from_str(text).into_iter::<Value>() {
            let wrong = |error: serde_json::Error| AdvisoryError { number: list.len() + 1, reason: error.to_string() };
            let all = match document.map_err(wrong)? {
                Value::Array(all) => all,
                one => vec![one],
            };
            for one in all {
                let number = list.len() + 1;
                let advisory = Advisory::deserialize(one);
                list.push(advisory.map_err(|error| AdvisoryError { number, reason: error.to_string() })?);
            }
        }
        list.retain(|advisory| advisory.withdrawn.is_none());
        Ok(Self(list))
    }

    /// Advisories there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The known flaws of packages, worst first.
    #[must_use]
    pub fn find(&self, dependencies: &[Dependency]) -> Vec<Finding> {
        let mut findings = Vec::new();
        for dependency in dependencies {
            for advisory in &self.0 {
                let affected = advisory.affected.iter().find(|affected| affected.holds(dependency));
                findings.extend(affected.map(|affected| finding(advisory, affected, dependency)));
            }
        }
        findings.sort_by(|a, b| b.severity.cmp(&a.severity).then_with(|| a.dependency.cmp(&b.dependency)));
        findings
    }
}

fn finding(advisory: &Advisory, affected: &Affected, dependency: &Dependency) -> Finding {
    let summary = if advisory.summary.is_empty() { &advisory.details } else { &advisory.summary };
    Finding {
        advisory: advisory.id.clone(),
        severity: severity(advisory, affected),
        dependency: dependency.clone(),
        fixed: affected.fixed(dependency),
        summary: summary.lines().next().unwrap_or_default().chars().take(200).collect(),
    }
}

fn severity(advisory: &Advisory, affected: &Affected) -> Severity {
    if affected.database_specific.get("informational").is_some_and(Value::is_string) {
        return Severity::Low;
    }
    let named = |value: &Value| value.as_str().and_then(Severity::of_name);
    let vectors = advisory.severity.as_array().into_iter().flatten();
    let scored = vectors.filter_map(|vector| cvss::base_score(vector.get("score")?.as_str()?)).reduce(f64::max);
    let words = [&advisory.severity, &advisory.database_specific["severity"], &affected.database_specific["severity"]];
    words.into_iter().find_map(named).or(scored.map(Severity::of_score)).unwrap_or(Severity::Medium)
}

impl Affected {
    fn holds(&self, dependency: &Dependency) -> bool {
        let ecosystem = self.package.ecosystem.split(':').next().unwrap_or_default();
        if !ecosystem.eq_ignore_ascii_case(&dependency.ecosystem)
            || version::name(ecosystem, &self.package.name) != version::name(ecosystem, &dependency.name)
        {
            return false;
        }
        let order = order(ecosystem);
        self.versions.contains(&dependency.version)
            || self.ranges.iter().any(|range| range.holds(order, &dependency.version))
    }

    fn fixed(&self, dependency: &Dependency) -> Option<String> {
        let order = order(&dependency.ecosystem);
        let fixed = self.ranges.iter().flat_map(|range| &range.events).filter_map(|event| event.fixed.as_ref());
        let above = fixed.filter(|fixed| order(fixed, &dependency.version).is_gt());
        above.min_by(|a, b| order(a, b)).cloned()
    }
}

impl Range {
    /// The format's own rule: the last event at or below the version decides.
    fn holds(&self, order: Order, version: &str) -> bool {
        if self.kind.eq_ignore_ascii_case("GIT") {
            return false;
        }
        let introduced =
            |event: &Event| event.introduced.as_deref().is_some_and(|from| from == "0" || order(from, version).is_le());
        let ended = |from: &str| {
            self.events.iter().any(|event| {
                let after = |end: &str| from == "0" || order(end, from).is_gt();
                event.fixed.as_deref().is_some_and(|fixed| after(fixed) && order(fixed, version).is_le())
                    || event
                        .last_affected
                        .as_deref()
                        .is_some_and(|last| (after(last) || last == from) && order(last, version).is_lt())
            })
        };
        let begun = self.events.iter().filter(|event| introduced(event));
        begun.filter_map(|event| event.introduced.as_deref()).any(|from| !ended(from))
    }
}

#[cfg(test)]
mod tests;
