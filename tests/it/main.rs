//! The whole product from outside: the real binary, real models, real components, HTTP over loopback.

#![allow(
    clippy::unwrap_used,
    clippy::print_stderr,
    unreachable_pub,
    reason = "tests: a panic is a failed test, and stderr is how a test speaks"
)]

mod admission;
mod auth;
mod bad_inputs;
mod batching;
mod capabilities;
mod collection;
mod devices;
mod doctor;
mod drain;
mod durability;
mod endpoints;
mod faults;
mod first_light;
mod fuzz;
mod guests;
mod host;
mod limits;
mod load;
mod local_run;
mod lost_device;
mod memory;
mod observe;
mod operations;
mod pictures;
mod pipelines;
mod replay;
mod rollout;
mod scaling;
mod scorers;
mod tls;
