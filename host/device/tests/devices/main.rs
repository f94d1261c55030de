//! The CPU devices against real files. What needs the ONNX Runtime library skips with a printed reason where it is
//! absent, and fails when `REQUIRE_ONNXRUNTIME=1`.
#![allow(clippy::unwrap_used, clippy::print_stderr, reason = "tests")]

mod answers;
mod concurrent;
mod corrupt;
mod encode;
mod features;
mod fixtures;
mod library;
mod memory;
mod networks;
mod operators;
mod random;
mod rows;
mod shapes;
