//! Operations on boxes.

mod suppress;

pub use suppress::{BoxFormat, NonMaxSuppression};
