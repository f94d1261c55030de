//! The doors over real loopback connections, with fakes behind them.
#![allow(clippy::unwrap_used, reason = "tests")]

mod access;
mod auth;
mod client;
mod connections;
mod direct;
mod fakes;
mod grpc;
mod inference;
mod limits;
mod metrics;
mod protocol;
mod scoring;
mod terms;
mod tls;
mod traces;
mod versions;
