//! Runs the operator cases of the ONNX project against a device, for the tests of the rooms that have one, and makes random inputs for
//! whole models.
//!
//! In: the folder of cases that `deploy/setup.sh` fetches, and a function that loads a model on the device. Out: which
//! cases pass, held against a list of expected passes that only grows, a table of figures, and the reference page of
//! operators. Deliberately not here: any device, and anything that a running host needs; rooms use this crate as a
//! dev-dependency alone.
//!
//! A case is a model of one operator (or of one function expanded to operators), its inputs, and the outputs that the
//! ONNX project's own implementation gives. Numbers are compared as its tests do, relatively to 1e-3; integers,
//! booleans and strings exactly.

#![deny(missing_docs)]

mod case;
mod compare;
pub mod inputs;
mod list;
mod messages;
mod page;
mod suite;

pub use case::{Case, Class};
pub use list::Expected;
pub use page::write_or_check as check_page;
pub use suite::{Outcomes, Suite};
