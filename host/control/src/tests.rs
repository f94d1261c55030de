//! Control over a real registry, with a reconciler that does as it is told.

#![allow(clippy::unwrap_used, reason = "tests")]

mod access;
mod deployments;
mod models;
mod repository;
mod restarts;
mod stage;
mod updates;
mod versions;
