//! `ModelStreamInfer`: requests of one stream, answered one after the other in their order.
//!
//! The next message is read while no answer is under way, so that a caller who sends faster than the service answers is
//! held back by HTTP/2's flow control instead of a queue here.

use std::collections::VecDeque;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, Response, header};
use http_body::Frame;
use hyper::body::Incoming;
use prost::Message;
use scorehost_core::{CallContext, Copied, Failure};

use super::encode::{Pieces, stream_response};
use super::frame::{self, PREFIX};
use super::{GRPC, infer, named, status_failed, status_ok};
use crate::body::Reply;
use crate::handler::{Shared, log};
use crate::server::Activity;
use crate::terms::Terms;
use crate::{auth, call, oip, read};

/// Starts the stream's response.
pub(crate) fn answer(
    shared: Rc<Shared>,
    activity: Rc<Activity>,
    headers: HeaderMap,
    body: Incoming,
) -> Response<Reply> {
    let context = call::bare(headers.clone());
    let stream = Box::new(Stream { shared, activity, context, headers, body, buffer: BytesMut::new() });
    let answers = Answers { state: Some(State::Idle(stream)), ready: VecDeque::new() };
    let mut response = Response::new(Reply::Stream(answers));
    response.headers_mut().insert(header::CONTENT_TYPE, GRPC);
    response
}

/// The reading half.
struct Stream {
    shared: Rc<Shared>,
    activity: Rc<Activity>,
    context: CallContext,
    headers: HeaderMap,
    body: Incoming,
    /// Received and not yet a whole message.
    buffer: BytesMut,
}

type Step = Pin<Box<dyn Future<Output = (Box<Stream>, Result<Option<Pieces>, Failure>)>>>;

enum State {
    Idle(Box<Stream>),
    Working(Step),
}

/// The response's body. It lives and dies on its acceptor thread.
pub(crate) struct Answers {
    state: Option<State>,
    ready: VecDeque<Bytes>,
}

impl http_body::Body for Answers {
    type Data = Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        loop {
            if let Some(piece) = self.ready.pop_front() {
                return Poll::Ready(Some(Ok(Frame::data(piece))));
            }
            let mut step = match self.state.take() {
                None => return Poll::Ready(None),
                Some(State::Idle(stream)) => Box::pin(stream.step()) as Step,
                Some(State::Working(step)) => step,
            };
            let Poll::Ready((stream, outcome)) = step.as_mut().poll(cx) else {
                self.state = Some(State::Working(step));
                return Poll::Pending;
            };
            let trailers = match outcome {
                Ok(Some(pieces)) => {
                    self.ready.push_back(pieces.first);
                    self.ready.extend(pieces.rest);
                    self.state = Some(State::Idle(stream));
                    continue;
                }
                Ok(None) => status_ok(),
                Err(failure) => status_failed(&failure),
            };
            return Poll::Ready(Some(Ok(Frame::trailers(trailers))));
        }
    }
}

impl Stream {
    /// Reads one message and answers it; `None` at the end of the requests. A failed request is an answer; an error ends
    /// the stream.
    async fn step(mut self: Box<Self>) -> (Box<Self>, Result<Option<Pieces>, Failure>) {
        let outcome = match self.message().await {
            Ok(Some(message)) => {
                let _in_flight = self.activity.request();
                self.infer(message).await.map(Some)
            }
            Ok(None) => Ok(None),
            Err(failure) => Err(failure),
        };
        (self, outcome)
    }

    async fn message(&mut self) -> Result<Option<Bytes>, Failure> {
        let limit = self.shared.config.limits.body_bytes;
        loop {
            if let Some((compressed, length)) = frame::split_prefix(&self.buffer) {
                if length > limit {
                    return Err(read::too_large(limit));
                }
                let whole = PREFIX + length as usize;
                if self.buffer.len() >= whole {
                    let message = self.buffer.split_to(whole).freeze().slice(PREFIX..);
                    let plain =
                        if compressed { frame::decompress(&self.headers, message, limit).await? } else { message };
                    return Ok(Some(plain));
                }
                self.buffer.reserve(whole - self.buffer.len());
            }
            // Between messages a stream may rest: its silence is not a body that is late.
            let piece = if self.buffer.is_empty() {
                read::next_piece(&mut self.body).await?
            } else {
                self.activity.reading(read::next_piece(&mut self.body)).await?
            };
            match piece {
                Some(piece) => {
                    Copied::Body.count(piece.len());
                    self.buffer.extend_from_slice(&piece);
                }
                None if self.buffer.is_empty() => return Ok(None),
                None => return Err(Failure::invalid("the stream ended within a message")),
            }
        }
    }

    async fn infer(&self, message: Bytes) -> Result<Pieces, Failure> {
        let request = infer::decode(message)?;
        match self.run(request).await {
            Ok(pieces) => Ok(pieces),
            Err(failure) => {
                log(&failure, &self.context.request_id);
                error_message(&oip::public_text(&failure))
            }
        }
    }

    async fn run(&self, request: super::message::ModelInferRequest) -> Result<Pieces, Failure> {
        let (name, version) = (&request.model_name, named(&request.model_version));
        let caller = auth::scoring(&self.shared, &self.activity, name, &self.headers).await?;
        let routed = self.shared.route(name, version, &self.headers, caller.as_deref())?;
        let service = routed.service;
        let terms = Terms::of(&self.headers)?.called_by(caller);
        let asked = infer::Asked { request, call: self.context.clone(), terms };
        let (response, id) = infer::run(&*service, &self.shared.config.limits, asked).await?;
        stream_response(service.status(), &id, &response.outputs)
    }
}

/// `ModelStreamInferResponse` with an error.
fn error_message(text: &str) -> Result<Pieces, Failure> {
    #[derive(Clone, PartialEq, Message)]
    struct StreamError {
        #[prost(string, tag = "1")]
        error_message: String,
    }
    let first = frame::framed(&StreamError { error_message: text.to_owned() })?;
    Ok(Pieces { first, rest: VecDeque::new() })
}
