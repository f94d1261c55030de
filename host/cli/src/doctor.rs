//! The preflight: what each phase of a model's way needs, what there is, and what to do about the difference.
//!
//! Checks only look. Those that wait for others run at the same time, each within the same bound.

mod build;
mod machine;
mod network;
mod outside;
mod server;

use std::sync::mpsc::channel;
use std::thread;
use std::time::{Duration, Instant};

use clap::ValueEnum;
use serde::Serialize;

pub(crate) use build::build;
pub(crate) use machine::{Machine, Readings, data_dir, devices};
pub(crate) use network::{Internet, Network};
pub(crate) use outside::{collection, issuers};
pub(crate) use server::{Asking, Sample, deploy, register, score};

/// A part of the way from source to answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ValueEnum)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Phase {
    /// Cores, memory, file descriptors, disk, clock
    Host,
    /// What models can run on
    Devices,
    /// Compilers of scorers, the indexes of their packages, the build cache
    Build,
    /// A server that takes models, and its data directory
    Register,
    /// Devices of the server, and the right to deploy
    Deploy,
    /// The doors, the server's certificate, each service
    Score,
    /// Issuers of tokens
    Issuers,
    /// Where collected data goes
    Collection,
}

/// How a check ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum State {
    Ok,
    /// Something works less well, or is not needed by everybody.
    Warning,
    /// Something required does not work.
    Failed,
}

/// What one check found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Finding {
    pub(crate) phase: Phase,
    pub(crate) check: String,
    pub(crate) state: State,
    /// What the phase needs.
    pub(crate) needs: String,
    /// What there is.
    pub(crate) found: String,
    /// What to do, where something is to be done.
    pub(crate) fix: Option<String>,
}

impl Finding {
    pub(crate) fn ok(phase: Phase, check: &str, needs: &str, found: impl Into<String>) -> Self {
        let (check, needs) = (check.to_owned(), needs.to_owned());
        Self { phase, check, state: State::Ok, needs, found: found.into(), fix: None }
    }

    /// Marks it as less than it should be.
    pub(crate) fn warning(self, fix: impl Into<String>) -> Self {
        Self { state: State::Warning, fix: Some(fix.into()), ..self }
    }

    /// Marks it as a requirement that does not hold.
    pub(crate) fn failed(self, fix: impl Into<String>) -> Self {
        Self { state: State::Failed, fix: Some(fix.into()), ..self }
    }
}

/// A check that may wait for others.
pub(crate) struct Check {
    pub(crate) phase: Phase,
    pub(crate) name: String,
    pub(crate) run: Box<dyn FnOnce() -> Vec<Finding> + Send>,
}

impl Check {
    pub(crate) fn new(
        phase: Phase,
        name: impl Into<String>,
        run: impl FnOnce() -> Vec<Finding> + Send + 'static,
    ) -> Self {
        Self { phase, name: name.into(), run: Box::new(run) }
    }
}

/// Runs all checks at the same time; one that does not end within the bound is a finding itself. In the order given.
pub(crate) fn run(checks: Vec<Check>, within: Duration) -> Vec<Finding> {
    let (send, receive) = channel();
    let mut found: Vec<Result<Vec<Finding>, (Phase, String)>> = Vec::new();
    for (index, check) in checks.into_iter().enumerate() {
        found.push(Err((check.phase, check.name)));
        let send = send.clone();
        // A thread that waits for ever ends with the process.
        thread::spawn(move || send.send((index, (check.run)())));
    }
    drop(send);
    let end = Instant::now() + within;
    while let Ok((index, findings)) = receive.recv_timeout(end.saturating_duration_since(Instant::now())) {
        found[index] = Ok(findings);
    }
    found.into_iter().flat_map(|found| found.unwrap_or_else(|(phase, name)| vec![late(phase, &name, within)])).collect()
}

fn late(phase: Phase, name: &str, within: Duration) -> Finding {
    let found = format!("no answer within {} s", within.as_secs());
    Finding::ok(phase, name, "an answer", found)
        .failed("look for a firewall or a proxy on the way, or give more time with --within")
}

#[cfg(test)]
mod tests;
