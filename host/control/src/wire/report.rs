use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Answer of `GET /services/{name}/report`: what the versions did since the server started.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// The service.
    pub service: String,
    /// The version that the others are compared with.
    pub control: String,
    /// All versions, oldest first.
    pub versions: Vec<VersionFigures>,
}

/// What one version did.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct VersionFigures {
    /// The version.
    pub version: String,
    /// Whether it is the default.
    pub is_default: bool,
    /// Whether the others are compared with it.
    pub is_control: bool,
    /// Percent of the requests that it is to get.
    pub percent: f64,
    /// Requests that ended, copies included.
    pub requests: u64,
    /// Those that failed.
    pub failures: u64,
    /// Failures in percent of the requests; none without requests.
    pub error_percent: Option<f64>,
    /// Failures by kind.
    pub failures_by_kind: BTreeMap<String, u64>,
    /// Requests whose callers went away; they are in no other number.
    pub cancelled: u64,
    /// Time of a successful request on average, in milliseconds.
    pub mean_ms: Option<f64>,
    /// Time within which half of them were answered.
    pub p50_ms: Option<f64>,
    /// Time within which 95 in 100 were.
    pub p95_ms: Option<f64>,
    /// Time within which 99 in 100 were.
    pub p99_ms: Option<f64>,
    /// How much longer than the control's, in percent; negative where it is shorter.
    pub p50_against_control_percent: Option<f64>,
    /// The same of `p95_ms`.
    pub p95_against_control_percent: Option<f64>,
    /// How its answers to copies differ, by the version that answered the callers.
    pub differences: Vec<Differences>,
}

/// How answers to copies of requests differ from those that the callers got.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Differences {
    /// The version that answered the callers.
    pub with: String,
    /// Copies sent.
    pub copied: u64,
    /// Copies not sent because too many were under way.
    pub dropped: u64,
    /// Pairs of answers.
    pub compared: u64,
    /// Pairs that are not the same.
    pub differing: u64,
    /// The same in percent of the pairs.
    pub differing_percent: Option<f64>,
    /// Copies that failed where the caller got an answer.
    pub failed: u64,
    /// The largest absolute difference of two numbers.
    pub largest: Option<f64>,
    /// The largest absolute difference within an answer, on average.
    pub mean: Option<f64>,
}
