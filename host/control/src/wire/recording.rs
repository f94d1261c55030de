use serde::{Deserialize, Serialize};

/// Answer of `GET /services/{name}/recordings`, newest first.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Recordings {
    /// Requests that are kept in all.
    pub kept: usize,
    /// The newest of them.
    pub recordings: Vec<Recording>,
}

/// A recorded request without its content.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Recording {
    /// Its name in the service.
    pub id: String,
    /// The request's own id, which a replay shows to the scorer.
    pub request_id: String,
    /// Milliseconds since 1970.
    pub time_ms: u64,
    /// The version that answered.
    pub version: String,
    /// Method and path below the scoring path, or the tensors' names.
    pub request: String,
    /// Status, the outputs' names, or the kind of the failure.
    pub answer: String,
    /// Bytes of the request's body or tensors.
    pub request_bytes: u64,
    /// Bytes of the answer's.
    pub answer_bytes: u64,
    /// How long the answer took, in milliseconds.
    pub took_ms: f64,
}

/// Answer of `GET /services/{name}/recordings/{id}`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RecordingShown {
    /// What the list says of it.
    #[serde(flatten)]
    pub recording: Recording,
    /// Request headers, without those that hold credentials.
    pub headers: Vec<(String, String)>,
    /// Query and content type of a body.
    pub query: Option<String>,
    /// The same.
    pub content_type: Option<String>,
    /// Body or tensors of the request.
    pub asked: Vec<Part>,
    /// Body or tensors of the answer.
    pub answered: Vec<Part>,
}

/// A body or a tensor.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Part {
    /// Name of the tensor; `body` of a body.
    pub name: String,
    /// Of a tensor.
    pub dtype: Option<String>,
    /// Of a tensor.
    pub shape: Option<Vec<u64>>,
    /// A body that is text.
    pub text: Option<String>,
    /// Everything else: the bytes in Base64.
    pub base64: Option<String>,
}

/// Answer of a deletion.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Removed {
    /// Recorded requests that are gone.
    pub removed: usize,
}

/// Body of `POST /services/{name}/replay`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Replay {
    /// The version that is asked.
    pub version: String,
    /// Requests at most, the newest first; 100 where nothing is said.
    #[serde(default)]
    pub limit: Option<u32>,
    /// Only these requests.
    #[serde(default)]
    pub ids: Vec<String>,
    /// Difference of two numbers up to which answers count as equal; 0 where nothing is said.
    #[serde(default)]
    pub tolerance: Option<f64>,
}

/// Answer of a replay.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ReplayReport {
    /// The service.
    pub service: String,
    /// The version that was asked.
    pub version: String,
    /// Requests that were asked again.
    pub replayed: usize,
    /// Answers that are the same, or within the tolerance.
    pub equal: usize,
    /// Answers that are not.
    pub differing: usize,
    /// Requests without an answer that had one.
    pub failed: usize,
    /// Requests that were not asked again, because time was up or they are gone.
    pub skipped: usize,
    /// The largest difference of two numbers; none where no differing answer compares by numbers.
    pub largest: Option<f64>,
    /// Time of the recorded answers on average, in milliseconds.
    pub recorded_mean_ms: Option<f64>,
    /// Time of the new answers.
    pub replayed_mean_ms: Option<f64>,
    /// Why answers may differ although nothing is wrong.
    pub notes: Vec<String>,
    /// Every request.
    pub requests: Vec<Replayed>,
}

/// A request that was asked again.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Replayed {
    /// The recording.
    pub id: String,
    /// The request's own id.
    pub request_id: String,
    /// The version that answered then.
    pub recorded_version: String,
    /// `equal`, `differs` or `failed`.
    pub result: String,
    /// Values that are not the same.
    pub values: u64,
    /// The largest difference of two numbers.
    pub largest: Option<f64>,
    /// Where that is.
    pub place: Option<String>,
    /// Why there is no answer.
    pub message: Option<String>,
    /// Time of the recorded answer, in milliseconds.
    pub recorded_ms: f64,
    /// Time of the new one.
    pub replayed_ms: f64,
}
