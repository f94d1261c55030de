//! Reads text in photographs: everything around the two neural networks.
//!
//! In go the bytes of a JPEG or PNG; out come lines of text with their corners and scores. The steps between
//! are plain functions over slices: decode the picture ([`Photo`]), prepare the detector's input and turn its
//! probability map into regions ([`detection`]), cut the regions out, prepare the recogniser's input and decode its
//! answer ([`recognition`]). [`read_text`] chains them through a [`TextModels`] that the caller provides.
//!
//! Deliberately not here: running the networks, any file, clock, thread or network access, and the formats in which a
//! service answers. So the crate compiles for `wasm32-unknown-unknown` and is tested natively.
//!
//! The steps and their defaults follow the published PP-OCR pipeline (Differentiable Binarization for detection,
//! connectionist temporal classification for recognition).

#![deny(missing_docs)]

pub mod detection;
mod error;
mod geometry;
mod photo;
mod reader;
pub mod recognition;
mod resample;
mod tensor;

pub use error::OcrError;
pub use geometry::{Point, Quad};
pub use photo::Photo;
pub use reader::{Line, Options, TextModels, read_text};
pub use tensor::Tensor;
