//! The ONNX Runtime CPU device.
//!
//! One environment per process with one thread pool and one memory arena that all sessions share, so that a thousand
//! small models cost little more than their graphs. A model's session, and with it the weights, exists once and is run
//! by many threads at a time.

mod environment;
mod ffi;
mod graph;
mod library;
mod measure;
mod message;

pub(crate) use environment::Runtime;
pub(crate) use ffi::heap;
pub(crate) use graph::load;

/// The platform name of the Open Inference Protocol.
pub(crate) const PLATFORM: &str = "onnxruntime_onnx";
