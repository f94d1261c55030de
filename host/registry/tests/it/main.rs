//! The registry through its public interface, on real directories.
#![allow(clippy::unwrap_used, reason = "tests")]

mod blobs;
mod concurrency;
mod crash;
mod damage;
mod disk_full;
mod documents;
mod garbage;
mod models;
mod opening;
mod store;
