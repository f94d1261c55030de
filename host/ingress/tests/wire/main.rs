//! The doors over real loopback connections, with fakes behind them.
#![allow(clippy::unwrap_used, reason = "tests")]

mod access;
mod client;
mod connections;
mod direct;
mod fakes;
mod grpc;
mod inference;
mod limits;
mod protocol;
mod scoring;
