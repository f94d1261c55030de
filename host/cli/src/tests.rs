//! Command lines against a real management API in this process, and a host that does as it is told.

#![allow(clippy::unwrap_used, reason = "tests")]

mod errors;
mod flows;
mod parsing;
mod sizing;
mod stage;
