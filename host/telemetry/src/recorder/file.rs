//! The file of a recorded request: a line that says what it is, a description in JSON, and the bytes of bodies and tensors.
//!
//! `scorehost-recording 1 <bytes of the description>\n<description><bytes>`; the description says how long each part is, so that
//! a file that was cut off is found out.

use std::time::Duration;

use bytes::Bytes;
use scorehost_core::{
    DType, InferRequest, NamedTensor, NamedTensors, RawRequest, RawResponse, ServiceName, Shape, Tensor,
};
use serde_json::{Value, json};

const MAGIC: &str = "scorehost-recording 1 ";

/// What a service was asked.
#[derive(Clone, Debug)]
pub enum Asked {
    /// A body, of an entry script.
    Body(RawRequest),
    /// Tensors.
    Tensors(InferRequest),
}

/// What it answered.
#[derive(Clone, Debug)]
pub enum Answered {
    /// A response of an entry script.
    Body(RawResponse),
    /// Tensors.
    Tensors(NamedTensors),
    /// Nothing; the kind of the failure.
    Failed(String),
}

impl Asked {
    /// Bytes of body or tensors.
    #[must_use]
    pub fn bytes(&self) -> usize {
        match self {
            Self::Body(request) => request.body.len(),
            Self::Tensors(request) => size(&request.inputs),
        }
    }
}

impl Answered {
    /// Bytes of body or tensors.
    #[must_use]
    pub fn bytes(&self) -> usize {
        match self {
            Self::Body(answer) => answer.body.len(),
            Self::Tensors(outputs) => size(outputs),
            Self::Failed(_) => 0,
        }
    }
}

fn size(tensors: &NamedTensors) -> usize {
    tensors.iter().map(|named| named.tensor.data().len()).sum()
}

/// A recorded request.
#[derive(Clone, Debug)]
pub struct Recorded {
    /// Its name in the service; later requests have larger ones.
    pub id: String,
    /// The service.
    pub service: ServiceName,
    /// The version that answered.
    pub version: String,
    /// The request's own id.
    pub request_id: String,
    /// When it was answered, since 1970.
    pub time: Duration,
    /// How long the answer took.
    pub took: Duration,
    /// Request headers, without those that hold credentials.
    pub headers: Vec<(String, String)>,
    /// What was asked.
    pub asked: Asked,
    /// What was answered.
    pub answered: Answered,
}

/// Why bytes are no recorded request.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Flaw {
    /// The first line is another one.
    #[error("it is no recording of format 1")]
    Format,
    /// Fewer bytes than the description says.
    #[error("it is cut off: {expected} bytes expected, {actual} found")]
    Length {
        /// Bytes that there must be.
        expected: usize,
        /// Bytes that there are.
        actual: usize,
    },
    /// The description is no JSON, or lacks something.
    #[error("its description cannot be read: {0}")]
    Description(String),
}

impl Recorded {
    /// The bytes of the file.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let description = json!({
            "id": self.id,
            "service": self.service.as_str(),
            "version": self.version,
            "request_id": self.request_id,
            "time_ms": self.time.as_millis() as u64,
            "took_us": self.took.as_micros() as u64,
            "headers": self.headers,
            "asked": self.asked.describe(),
            "answered": self.answered.describe(),
        });
        let description = description.to_string();
        let mut file = format!("{MAGIC}{}\n{description}", description.len()).into_bytes();
        self.asked.parts().chain(self.answered.parts()).for_each(|part| file.extend_from_slice(part));
        file
    }

    /// The request of a file's bytes, which it shares.
    ///
    /// # Errors
    /// What is wrong with them.
    pub fn decode(file: &Bytes) -> Result<Self, Flaw> {
        let line = file.iter().take(64).position(|byte| *byte == b'\n').ok_or(Flaw::Format)?;
        let first = std::str::from_utf8(&file[..line]).ok().and_then(|line| line.strip_prefix(MAGIC));
        let length: usize = first.and_then(|length| length.parse().ok()).ok_or(Flaw::Format)?;
        let mut rest = Rest(file.slice(line + 1..));
        let description = rest.take(length)?;
        let description: Value =
            serde_json::from_slice(&description).map_err(|error| Flaw::Description(error.to_string()))?;
        let described = Described(&description);
        let recorded = Self {
            id: described.text("id")?,
            service: described.text("service")?.parse().map_err(|_| lacks("service"))?,
            version: described.text("version")?,
            request_id: described.text("request_id")?,
            time: Duration::from_millis(described.number("time_ms")?),
            took: Duration::from_micros(described.number("took_us")?),
            headers: described.pairs("headers")?,
            asked: Asked::read(&described.part("asked")?, &mut rest)?,
            answered: Answered::read(&described.part("answered")?, &mut rest)?,
        };
        rest.end()?;
        Ok(recorded)
    }
}

impl Asked {
    fn describe(&self) -> Value {
        match self {
            Self::Body(request) => json!({
                "method": request.method, "path": request.path, "query": request.query,
                "content_type": request.content_type, "body": request.body.len(),
            }),
            Self::Tensors(request) => json!({
                "tensors": tensors(&request.inputs),
                "outputs": request.outputs.iter().map(|name| &**name).collect::<Vec<_>>(),
            }),
        }
    }

    fn parts(&self) -> Box<dyn Iterator<Item = &Bytes> + '_> {
        match self {
            Self::Body(request) => Box::new(std::iter::once(&request.body)),
            Self::Tensors(request) => Box::new(request.inputs.iter().map(|named| named.tensor.data())),
        }
    }

    fn read(described: &Described<'_>, rest: &mut Rest) -> Result<Self, Flaw> {
        if described.0.get("tensors").is_some() {
            let outputs = described.list("outputs")?.iter().filter_map(Value::as_str).map(Into::into).collect();
            return Ok(Self::Tensors(InferRequest { inputs: described.tensors(rest)?, outputs }));
        }
        Ok(Self::Body(RawRequest {
            method: described.text("method")?,
            path: described.text("path")?,
            query: described.text("query")?,
            content_type: described.text("content_type").ok(),
            body: rest.take(described.length("body")?)?,
        }))
    }
}

impl Answered {
    fn describe(&self) -> Value {
        match self {
            Self::Body(answer) => {
                json!({"status": answer.status, "headers": answer.headers, "body": answer.body.len()})
            }
            Self::Tensors(outputs) => json!({"tensors": tensors(outputs)}),
            Self::Failed(kind) => json!({"failed": kind}),
        }
    }

    fn parts(&self) -> Box<dyn Iterator<Item = &Bytes> + '_> {
        match self {
            Self::Body(answer) => Box::new(std::iter::once(&answer.body)),
            Self::Tensors(outputs) => Box::new(outputs.iter().map(|named| named.tensor.data())),
            Self::Failed(_) => Box::new(std::iter::empty()),
        }
    }

    fn read(described: &Described<'_>, rest: &mut Rest) -> Result<Self, Flaw> {
        if let Ok(kind) = described.text("failed") {
            return Ok(Self::Failed(kind));
        }
        if described.0.get("tensors").is_some() {
            return described.tensors(rest).map(Self::Tensors);
        }
        Ok(Self::Body(RawResponse {
            status: u16::try_from(described.number("status")?).map_err(|_| lacks("status"))?,
            headers: described.pairs("headers")?,
            body: rest.take(described.length("body")?)?,
        }))
    }
}

fn tensors(tensors: &NamedTensors) -> Vec<Value> {
    let describe = |named: &NamedTensor| {
        let tensor = &named.tensor;
        json!({"name": &*named.name, "dtype": tensor.dtype().name(), "shape": tensor.shape(), "bytes": tensor.data().len()})
    };
    tensors.iter().map(describe).collect()
}

fn lacks(what: &str) -> Flaw {
    Flaw::Description(format!("no valid {what}"))
}

/// Bytes behind the description that are not read yet.
struct Rest(Bytes);

impl Rest {
    fn take(&mut self, length: usize) -> Result<Bytes, Flaw> {
        if length > self.0.len() {
            return Err(Flaw::Length { expected: length, actual: self.0.len() });
        }
        Ok(self.0.split_to(length))
    }

    fn end(&self) -> Result<(), Flaw> {
        if self.0.is_empty() { Ok(()) } else { Err(Flaw::Length { expected: 0, actual: self.0.len() }) }
    }
}

/// An object of the description.
struct Described<'a>(&'a Value);

impl Described<'_> {
    fn text(&self, name: &str) -> Result<String, Flaw> {
        self.0[name].as_str().map(str::to_owned).ok_or_else(|| lacks(name))
    }

    fn number(&self, name: &str) -> Result<u64, Flaw> {
        self.0[name].as_u64().ok_or_else(|| lacks(name))
    }

    fn length(&self, name: &str) -> Result<usize, Flaw> {
        usize::try_from(self.number(name)?).map_err(|_| lacks(name))
    }

    fn part(&self, name: &str) -> Result<Described<'_>, Flaw> {
        self.0.get(name).filter(|part| part.is_object()).map(Described).ok_or_else(|| lacks(name))
    }

    fn list(&self, name: &str) -> Result<&Vec<Value>, Flaw> {
        self.0[name].as_array().ok_or_else(|| lacks(name))
    }

    fn pairs(&self, name: &str) -> Result<Vec<(String, String)>, Flaw> {
        let pair = |pair: &Value| Some((pair.get(0)?.as_str()?.to_owned(), pair.get(1)?.as_str()?.to_owned()));
        self.list(name)?.iter().map(|value| pair(value).ok_or_else(|| lacks(name))).collect()
    }

    fn tensors(&self, rest: &mut Rest) -> Result<NamedTensors, Flaw> {
        self.list("tensors")?.iter().map(|tensor| Described(tensor).tensor(rest)).collect()
    }

    fn tensor(&self, rest: &mut Rest) -> Result<NamedTensor, Flaw> {
        let dtype = DType::from_name(&self.text("dtype")?).ok_or_else(|| lacks("dtype"))?;
        let shape = self.list("shape")?.iter().map(|size| size.as_u64().ok_or_else(|| lacks("shape")));
        let shape: Shape = shape.collect::<Result<_, _>>()?;
        let data = rest.take(self.length("bytes")?)?;
        let tensor = Tensor::new(dtype, shape, data).map_err(|error| Flaw::Description(error.to_string()))?;
        Ok(NamedTensor::new(self.text("name")?, tensor))
    }
}
