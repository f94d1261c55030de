//! Builds scorers: a folder of source goes in, a WebAssembly component comes out.
//!
//! [`Builder::build`] finds the language, hashes everything that decides the result, and answers from the workspace's
//! or the shared cache where it can; otherwise it runs the language's compiler and encodes a component. [`templates`] writes
//! new projects. [`read_inference_config`] reads `inferenceconfig.json` into a [`BuildRequest`]. The WIT packages, the guest
//! SDKs and the templates are embedded, so the binary needs nothing of this repository.
//!
//! Deliberately not here: running or inspecting components (`scorer`), storing them for deployment (`registry`), and printing:
//! callers pass a [`Progress`].

mod builder;
mod cache;
mod component;
mod dependencies;
mod detect;
mod embedded;
mod error;
mod fingerprint;
#[doc(hidden)]
pub mod fuzzing;
mod inference_config;
mod languages;
mod manifest;
mod places;
mod process;
mod progress;
mod request;
mod requirements;
mod source;
mod suggest;
pub mod templates;
mod tools;

pub use builder::Builder;
pub use error::BuildError;
pub use inference_config::{INFERENCE_SCHEMA, InferenceConfig, read as read_inference_config};
pub use places::BuilderConfig;
pub use progress::{Progress, Silent};
pub use request::{BuildOutcome, BuildRequest, CacheUse, Language, World};
pub use requirements::PythonPackages;
