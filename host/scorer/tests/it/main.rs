//! The room against real components: small hand-written guests, encoded to components here, called through the seams.

#![allow(clippy::unwrap_used, reason = "tests")]

mod calls;
mod compile;
mod faults;
mod guests;
mod handler;
mod http_guests;
mod neural;
mod operations;
mod outbound;
mod residency;
mod support;
mod wasi;
