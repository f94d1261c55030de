//! One record, and the table that it becomes.

use std::sync::Arc;
use std::time::SystemTime;

use scorehost_core::{NamedTensor, NamedTensors, RawRequest, RawResponse};

use super::date::Moment;
use super::layout;
use super::redact::Redaction;
use super::service::Place;
use super::table::{Cell, Column, Kind, Table};

/// What was recorded. Bytes are shared with the request, not copied.
pub(super) enum Content {
    /// The tensors of a request or an answer.
    Tensors(NamedTensors),
    /// The request of an entry script.
    Request(Box<RawRequest>),
    /// Its answer.
    Answer(Box<RawResponse>),
    /// A tensor that the scorer hands over.
    Tensor(NamedTensor),
    /// A JSON document that the scorer hands over.
    Json(Box<str>),
}

/// A record on its way to a file.
pub(super) struct Record {
    /// Where it belongs.
    pub(super) place: Arc<Place>,
    /// `inputs`, `predictions`, or what the scorer says.
    pub(super) designation: Arc<str>,
    /// When it was recorded.
    pub(super) time: SystemTime,
    /// The request.
    pub(super) request_id: Arc<str>,
    /// What was recorded.
    pub(super) content: Content,
}

impl Record {
    /// Bytes that it keeps alive, roughly.
    pub(super) fn bytes(&self) -> usize {
        let tensor = |named: &NamedTensor| named.name.len() + named.tensor.data().len();
        self.request_id.len()
            + match &self.content {
                Content::Tensors(tensors) => tensors.iter().map(tensor).sum(),
                Content::Request(request) => request.body.len() + request.query.len(),
                Content::Answer(answer) => answer.body.len(),
                Content::Tensor(named) => tensor(named),
                Content::Json(document) => document.len(),
            }
    }

    /// Its rows; `None` where a document is no JSON.
    pub(super) fn table(&self) -> Option<Table> {
        let redaction = &self.place.redaction;
        let table = match &self.content {
            Content::Tensors(tensors) => {
                layout::of_tensors(tensors, |name| self.place.is_fixed(&self.designation, name), redaction)
            }
            Content::Tensor(named) => layout::of_tensors(std::slice::from_ref(named), |_| true, redaction),
            Content::Request(request) => of_request(request, redaction),
            Content::Answer(answer) => of_answer(answer, redaction),
            Content::Json(document) => Table::of_row([("document", redaction.document(document)?)]),
        };
        Some(self.with_origin(table))
    }

    /// The columns that Azure's collector writes behind the features, under its names, and the version of the service.
    fn with_origin(&self, mut table: Table) -> Table {
        let place = &self.place;
        let text = |name| Column::new(name, Kind::Text);
        let time = Moment::of(self.time).since_1970();
        table.columns.extend([
            text("$aml_dc_correlation_id"),
            Column::new("$aml_dc_scoring_timestamp", Kind::Time),
            text("$aml_service_name"),
            text("$aml_model_name"),
            text("$aml_model_version"),
            text("$aml_request_id"),
            text("$service_version"),
        ]);
        for (index, row) in table.rows.iter_mut().enumerate() {
            row.extend([
                Cell::Text(format!("{}/{index}", self.request_id)),
                Cell::Int(time),
                Cell::Text(place.service.to_string()),
                Cell::Text(place.model.clone()),
                Cell::Text(place.model_version.clone()),
                Cell::Text(self.request_id.to_string()),
                Cell::Text(place.version.to_string()),
            ]);
        }
        table
    }
}

fn of_request(request: &RawRequest, redaction: &Redaction) -> Table {
    let (encoding, body) = body(&request.body, redaction);
    Table::of_row([
        ("method", request.method.clone()),
        ("path", request.path.clone()),
        ("query", redaction.query(&request.query)),
        ("content_type", request.content_type.clone().unwrap_or_default()),
        ("encoding", encoding.to_owned()),
        ("body", body),
    ])
}

fn of_answer(answer: &RawResponse, redaction: &Redaction) -> Table {
    let (encoding, body) = body(&answer.body, redaction);
    let content_type = answer.headers.iter().find(|(name, _)| name.eq_ignore_ascii_case("content-type"));
    Table::of_row([
        ("status", answer.status.to_string()),
        ("content_type", content_type.map(|(_, value)| value.clone()).unwrap_or_default()),
        ("encoding", encoding.to_owned()),
        ("body", body),
    ])
}

/// Text as it is, other bytes in Base64.
fn body(bytes: &[u8], redaction: &Redaction) -> (&'static str, String) {
    use base64::Engine as _;
    match std::str::from_utf8(bytes) {
        Ok(_) if redaction.names("body") && !bytes.is_empty() => ("text", super::redact::REDACTED.to_owned()),
        Ok("") => ("text", String::new()),
        Ok(text) => ("text", redaction.body(text)),
        Err(_) if !redaction.is_empty() => ("text", super::redact::REDACTED.to_owned()),
        Err(_) => ("base64", base64::engine::general_purpose::STANDARD.encode(bytes)),
    }
}
