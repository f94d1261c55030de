//! Write scorers for scorehost in Rust.
//!
//! A scorer is a WebAssembly component in one of two shapes. [`Scorer`] takes tensors and returns tensors;
//! [`EntryScript`] takes the body of a request and returns a response. Both are values made once per replica by
//! `init`, then called once per request; [`scorer!`] or [`entry_script!`] exports one of them:
//!
//! ```
//! use scorehost::{DType, Model, Result, Scorer, Signature, TensorSpec, Tensors};
//!
//! struct Forward {
//!     model: Model,
//! }
//!
//! impl Scorer for Forward {
//!     fn init() -> Result<Self> {
//!         Ok(Self { model: Model::open("identity")? })
//!     }
//!
//!     fn signature(&self) -> Signature {
//!         Signature::new([TensorSpec::new("x", DType::Fp32, [-1, 16])], [TensorSpec::new("y", DType::Fp32, [-1, 16])])
//!     }
//!
//!     fn run(&mut self, inputs: Tensors) -> Result<Tensors> {
//!         // Handles go in and out; the elements stay in the host.
//!         self.model.run(&inputs)
//!     }
//! }
//!
//! scorehost::scorer!(Forward);
//! ```
//!
//! **Tensors are handles.** A [`Tensor`] names elements that live in the host. Passing it to a model, reshaping it, slicing its rows
//! or returning it copies nothing. Only [`Tensor::to_vec`], [`Tensor::bytes`] and [`Tensor::from_slice`] move elements between the
//! host's memory and the scorer's, once each.
//!
//! **Operations run in the host.** Decoding and resizing pictures, arithmetic, search and the like take handles and give handles: see
//! [`operations`].
//!
//! **Failures are values.** Everything that can fail returns [`Result`]; any `std::error::Error` becomes an [`Error`] by `?`, as a
//! fault of the scorer. [`Error::invalid`] makes one that is the caller's. A panic ends the request and the
//! replica, and its message goes to the service's log.
//!
//! **Other servers** are reached with the feature `http`, and **other services** of the host with the feature `services`, as far as
//! the deployment lists them.
//!
//! Deliberately not here: files, sockets, threads and clocks. A scorer has none unless its deployment grants them, and a
//! `wasm32-unknown-unknown` build imports nothing but the host's scoring interfaces.

#![deny(missing_docs)]

#[allow(missing_docs, clippy::all, unreachable_pub, reason = "generated")]
mod bindings;
mod element;
mod entry_script;
mod error;
mod model;
mod scorer;
mod signature;
mod state;
mod tensor;
mod tensors;

pub mod collect;
pub mod context;
#[cfg(feature = "http")]
pub mod http;
pub mod log;
pub mod operations;
#[cfg(feature = "services")]
pub mod services;

pub use bindings::scorer::scorehost::scoring::tensors::Dtype as DType;
pub use element::Element;
pub use entry_script::{Description, EntryScript, Request, Response};
pub use error::{Error, ErrorKind, Result};
pub use model::{Metadata, Model};
pub use scorer::Scorer;
pub use signature::{Signature, TensorSpec};
pub use tensor::Tensor;
pub use tensors::Tensors;

/// What the export macros expand to; not for direct use.
#[doc(hidden)]
pub mod export {
    pub use crate::bindings::{entry_script, scorer};
    pub use crate::state::State;
}
