//! Encodes `ModelInferResponse` straight from core's tensors: one buffer for a small answer, and large tensors behind it
//! without a copy.

use std::collections::VecDeque;

use bytes::{BufMut, Bytes, BytesMut};
use prost::encoding::{encode_varint, encoded_len_varint};
use scorehost_core::{Copied, Failure, NamedTensor, ServiceStatus};

use super::frame::{PREFIX, put_prefix};

/// Tensors up to this many bytes are copied into the message's buffer.
const COPY_BYTES: usize = 16 << 10;

/// Keys of length-delimited fields.
const MODEL_NAME: u8 = 1 << 3 | 2;
const MODEL_VERSION: u8 = 2 << 3 | 2;
const ID: u8 = 3 << 3 | 2;
const OUTPUTS: u8 = 5 << 3 | 2;
const RAW_OUTPUT_CONTENTS: u8 = 6 << 3 | 2;
const TENSOR_NAME: u8 = 1 << 3 | 2;
const TENSOR_DATATYPE: u8 = 2 << 3 | 2;
const TENSOR_SHAPE: u8 = 3 << 3 | 2;

/// An encoded message in pieces.
#[derive(Debug)]
pub(crate) struct Pieces {
    pub(crate) first: Bytes,
    pub(crate) rest: VecDeque<Bytes>,
}

/// The framed message.
pub(crate) fn infer_response(status: &ServiceStatus, id: &str, outputs: &[NamedTensor]) -> Result<Pieces, Failure> {
    let length = response_length(status, id, outputs);
    let mut out = BytesMut::with_capacity(PREFIX + length.min(COPY_BYTES * 2));
    put_prefix(&mut out, length)?;
    Ok(fields(out, status, id, outputs))
}

/// The message without a frame, in one buffer, for embedding in `ModelStreamInferResponse`.
pub(crate) fn stream_response(status: &ServiceStatus, id: &str, outputs: &[NamedTensor]) -> Result<Pieces, Failure> {
    const INFER_RESPONSE: u8 = 2 << 3 | 2;
    let inner = response_length(status, id, outputs);
    let length = 1 + encoded_len_varint(inner as u64) + inner;
    let mut out = BytesMut::with_capacity(PREFIX + length.min(COPY_BYTES * 2));
    put_prefix(&mut out, length)?;
    out.put_u8(INFER_RESPONSE);
    encode_varint(inner as u64, &mut out);
    Ok(fields(out, status, id, outputs))
}

fn fields(mut out: BytesMut, status: &ServiceStatus, id: &str, outputs: &[NamedTensor]) -> Pieces {
    put_text(&mut out, MODEL_NAME, status.name.as_str());
    put_text(&mut out, MODEL_VERSION, &status.version);
    put_text(&mut out, ID, id);
    for output in outputs {
        put_output(&mut out, output);
    }
    put_contents(out, outputs)
}

fn put_contents(mut out: BytesMut, outputs: &[NamedTensor]) -> Pieces {
    let mut pieces = VecDeque::new();
    for output in outputs {
        let data = output.tensor.data();
        out.put_u8(RAW_OUTPUT_CONTENTS);
        encode_varint(data.len() as u64, &mut out);
        if data.len() <= COPY_BYTES {
            out.put_slice(data);
            Copied::Response.count(data.len());
        } else {
            pieces.push_back(out.split().freeze());
            pieces.push_back(data.clone());
        }
    }
    if !out.is_empty() {
        pieces.push_back(out.freeze());
    }
    Pieces { first: pieces.pop_front().unwrap_or_default(), rest: pieces }
}

fn put_text(out: &mut BytesMut, key: u8, text: &str) {
    if text.is_empty() {
        return;
    }
    out.put_u8(key);
    encode_varint(text.len() as u64, out);
    out.put_slice(text.as_bytes());
}

fn put_output(out: &mut BytesMut, output: &NamedTensor) {
    out.put_u8(OUTPUTS);
    encode_varint(output_length(output) as u64, out);
    put_text(out, TENSOR_NAME, &output.name);
    put_text(out, TENSOR_DATATYPE, output.tensor.dtype().name());
    let shape = output.tensor.shape();
    if !shape.is_empty() {
        out.put_u8(TENSOR_SHAPE);
        encode_varint(shape_length(shape) as u64, out);
        shape.iter().for_each(|dim| encode_varint(*dim, out));
    }
}

const fn delimited(length: usize) -> usize {
    1 + encoded_len_varint(length as u64) + length
}

const fn text_length(text: &str) -> usize {
    if text.is_empty() { 0 } else { delimited(text.len()) }
}

fn shape_length(shape: &[u64]) -> usize {
    shape.iter().map(|dim| encoded_len_varint(*dim)).sum()
}

fn output_length(output: &NamedTensor) -> usize {
    let shape = output.tensor.shape();
    let shape = if shape.is_empty() { 0 } else { delimited(shape_length(shape)) };
    text_length(&output.name) + text_length(output.tensor.dtype().name()) + shape
}

fn response_length(status: &ServiceStatus, id: &str, outputs: &[NamedTensor]) -> usize {
    let output = |output: &NamedTensor| delimited(output_length(output)) + delimited(output.tensor.data().len());
    text_length(status.name.as_str())
        + text_length(&status.version)
        + text_length(id)
        + outputs.iter().map(output).sum::<usize>()
}

#[cfg(test)]
mod tests {
    use prost::Message;
    use scorehost_core::{Interface, Signature, Tensor};

    use super::*;
    use crate::grpc::message::TensorMetadata;

    /// The message by its field numbers, as a client's generated code reads it.
    #[derive(Clone, PartialEq, Message)]
    struct ModelInferResponse {
        #[prost(string, tag = "1")]
        model_name: String,
        #[prost(string, tag = "2")]
        model_version: String,
        #[prost(string, tag = "3")]
        id: String,
        #[prost(message, repeated, tag = "5")]
        outputs: Vec<TensorMetadata>,
        #[prost(bytes = "bytes", repeated, tag = "6")]
        raw_output_contents: Vec<Bytes>,
    }

    fn check(outputs: &[NamedTensor], id: &str) {
        let status = ServiceStatus {
            name: "identity".parse().unwrap(),
            version: "3".into(),
            interface: Interface::Tensors(Signature::default()),
            platform: "test",
            models: Vec::new(),
            batching: Default::default(),
        };
        let pieces = infer_response(&status, id, outputs).unwrap();
        let wire: Vec<u8> = std::iter::once(pieces.first).chain(pieces.rest).flatten().collect();
        assert_eq!(wire[..PREFIX], [&[0][..], &((wire.len() - PREFIX) as u32).to_be_bytes()].concat());
        let decoded = ModelInferResponse::decode(&wire[PREFIX..]).unwrap();
        assert_eq!((&*decoded.model_name, &*decoded.model_version, &*decoded.id), ("identity", "3", id));
        assert_eq!(decoded.outputs.len(), outputs.len());
        for (read, output) in decoded.outputs.iter().zip(outputs) {
            assert_eq!((&*read.name, &*read.datatype), (&*output.name, output.tensor.dtype().name()));
            assert!(read.shape.iter().map(|dim| *dim as u64).eq(output.tensor.shape().iter().copied()));
        }
        assert!(decoded.raw_output_contents.iter().eq(outputs.iter().map(|output| output.tensor.data())));
    }

    #[test]
    fn messages_of_every_size_decode() {
        let tensor = |elements: usize| Tensor::from_f32([1, elements as u64].as_slice(), &vec![1.5; elements]).unwrap();
        check(&[], "");
        check(&[NamedTensor::new("OUTPUT0", tensor(16))], "id");
        check(&[NamedTensor::new("a", tensor(0)), NamedTensor::new("b", tensor(1))], "");
        check(
            &[
                NamedTensor::new("a", tensor(8192)),
                NamedTensor::new("b", tensor(3)),
                NamedTensor::new("c", tensor(9000)),
            ],
            "x",
        );
        let scalar = Tensor::from_f32([].as_slice(), &[1.0]).unwrap();
        check(&[NamedTensor::new("scalar", scalar)], "");
    }
}
