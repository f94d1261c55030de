//! Writes the answer to an inference request.

use std::collections::VecDeque;

use bytes::{BufMut, BytesMut};
use http::{HeaderValue, Response, header};
use scorehost_core::{Copied, Failure, NamedTensor, ServiceStatus};

use super::infer::HEADER_LENGTH;
use super::json;
use super::tensor::push_data;
use crate::Body;
use crate::json::{push_integer, push_shape, push_string};

const OCTETS: HeaderValue = HeaderValue::from_static("application/octet-stream");

/// Tensors up to this many bytes are copied behind their header, which is cheaper than a second buffer on its way to the
/// socket; larger ones are chained.
const COPY_BYTES: usize = 16 << 10;

/// How an answer is written.
pub(crate) struct Form {
    id: Option<String>,
    /// For outputs that say nothing of themselves.
    binary: bool,
    /// One per requested output, in the order of the request; empty when none was named.
    outputs: Vec<Option<bool>>,
}

impl Form {
    pub(crate) const fn new(id: Option<String>, binary: bool, outputs: Vec<Option<bool>>) -> Self {
        Self { id, binary, outputs }
    }

    fn binary(&self, place: usize) -> bool {
        self.outputs.get(place).copied().flatten().unwrap_or(self.binary)
    }

    pub(crate) fn all_binary(&self, outputs: &[NamedTensor]) -> bool {
        (0..outputs.len()).all(|place| self.binary(place))
    }
}

/// The response to an inference request.
pub(crate) fn write(status: &ServiceStatus, form: &Form, outputs: &[NamedTensor]) -> Result<Response<Body>, Failure> {
    let mut text = BytesMut::with_capacity(capacity(form, outputs));
    push_preface(&mut text, status, form);
    let mut binary = 0;
    for (place, output) in outputs.iter().enumerate() {
        if place > 0 {
            text.put_u8(b',');
        }
        push_head(&mut text, output);
        if form.binary(place) {
            let bytes = output.tensor.data().len();
            text.put_slice(b",\"parameters\":{\"binary_data_size\":");
            push_integer(&mut text, bytes);
            text.put_slice(b"}}");
            binary += 1;
        } else {
            text.put_slice(b",\"data\":");
            push_data(&mut text, output)?;
            text.put_u8(b'}');
        }
    }
    text.put_slice(b"]}");
    if binary == 0 {
        return Ok(json(Body::full(text.freeze())));
    }
    Ok(octets(text, form, outputs))
}

fn push_preface(text: &mut BytesMut, status: &ServiceStatus, form: &Form) {
    text.put_slice(b"{\"model_name\":");
    push_string(text, status.name.as_str());
    text.put_slice(b",\"model_version\":");
    push_string(text, &status.version);
    if let Some(id) = &form.id {
        text.put_slice(b",\"id\":");
        push_string(text, id);
    }
    text.put_slice(b",\"outputs\":[");
}

fn push_head(text: &mut BytesMut, output: &NamedTensor) {
    text.put_slice(b"{\"name\":");
    push_string(text, &output.name);
    text.put_slice(b",\"datatype\":\"");
    text.put_slice(output.tensor.dtype().name().as_bytes());
    text.put_slice(b"\",\"shape\":");
    push_shape(text, output.tensor.shape());
}

/// The JSON with the binary tensors behind it.
fn octets(text: BytesMut, form: &Form, outputs: &[NamedTensor]) -> Response<Body> {
    let length = text.len();
    let mut response = Response::new(gather(text, form, outputs));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, OCTETS);
    headers.insert(HEADER_LENGTH, HeaderValue::from(length));
    response
}

fn gather(mut text: BytesMut, form: &Form, outputs: &[NamedTensor]) -> Body {
    let tensors =
        || outputs.iter().enumerate().filter(|(place, _)| form.binary(*place)).map(|(_, output)| &output.tensor);
    if tensors().map(|tensor| tensor.data().len()).sum::<usize>() <= COPY_BYTES {
        for tensor in tensors() {
            text.put_slice(tensor.data());
            Copied::Response.count(tensor.data().len());
        }
        return Body::full(text.freeze());
    }
    let mut parts = VecDeque::with_capacity(1 + outputs.len());
    parts.push_back(text.freeze());
    parts.extend(tensors().map(|tensor| tensor.data().clone()).filter(|data| !data.is_empty()));
    Body::chain(parts)
}

/// Room for the usual answer, so that the buffer does not grow.
fn capacity(form: &Form, outputs: &[NamedTensor]) -> usize {
    let per_output = |(place, output): (usize, &NamedTensor)| {
        let data = output.tensor.data().len();
        let data = if form.binary(place) { data.min(COPY_BYTES) } else { data * 3 };
        128 + output.name.len() + data
    };
    192 + outputs.iter().enumerate().map(per_output).sum::<usize>()
}
