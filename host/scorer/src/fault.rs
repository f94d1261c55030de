//! What a guest's fall means for the caller.

use std::fmt::Write;

use scorehost_core::{ErrorKind, Failure, LogLevel};
use wasmtime::{PoolConcurrencyLimitError, Trap, WasmBacktrace};
use wasmtime_wasi::I32Exit;

use crate::state::State;

/// The running call's deadline passed.
#[derive(Debug, thiserror::Error)]
#[error("the call's time is up")]
pub(crate) struct TimeUp;

/// Characters of the guest's own words in a public message.
const MAX_WORDS: usize = 400;

/// Turns an error that ended `phase` (`init` or `run`) into a failure, and writes its detail to the service's log.
pub(crate) fn fault(error: &wasmtime::Error, phase: &str, state: &mut State) -> Failure {
    let failure = classify(error, phase, state);
    let detail = detail(error);
    state.journal.remark(LogLevel::Error, &format!("{failure}\n{detail}"));
    failure.with_detail(detail)
}

fn classify(error: &wasmtime::Error, phase: &str, state: &mut State) -> Failure {
    if error.is::<TimeUp>() {
        let message = format!("the scorer did not finish {phase} in time and was stopped");
        return Failure::new(ErrorKind::Deadline, message);
    }
    if let Some(failure) = error.downcast_ref::<Failure>() {
        return failure.clone();
    }
    if error.is::<PoolConcurrencyLimitError>() {
        let message = "this host holds as many replicas as it can";
        return Failure::new(ErrorKind::Unavailable, message)
            .with_hint("remove services, or start the host with more replicas");
    }
    let mut message = format!("the scorer {} in {phase}", cause(error));
    if let Some(words) = words(&state.journal.last_words()) {
        let _ = write!(message, ": {words}");
    }
    if let Some(wanted) = state.limits.take_refused() {
        let cap = state.limits.cap();
        let _ = write!(message, " (it asked for {wanted} bytes of memory; its cap is {cap} bytes)");
    }
    Failure::new(ErrorKind::ScorerFault, message)
}

fn cause(error: &wasmtime::Error) -> String {
    if let Some(I32Exit(status)) = error.downcast_ref() {
        return format!("exited with status {status}");
    }
    match error.downcast_ref::<Trap>() {
        Some(Trap::UnreachableCodeReached) => "panicked or aborted (wasm trap: unreachable)".into(),
        Some(Trap::StackOverflow) => "overflowed its stack".into(),
        Some(trap) => format!("trapped ({trap})"),
        None => format!("failed ({})", error.root_cause()),
    }
}

/// What the guest said before it fell: from the line that names the panic on, else its last error line.
fn words(lines: &[String]) -> Option<String> {
    let said = |line: &&String| !line.trim().is_empty() && !line.starts_with("note: run with `RUST_BACKTRACE");
    let panic = lines.iter().rposition(|line| line.contains("panicked at"));
    let text = match panic {
        Some(first) => lines[first..].iter().filter(said).map(|line| line.trim()).collect::<Vec<_>>().join(" "),
        None => lines.iter().rev().find(said)?.trim().to_owned(),
    };
    Some(text.chars().take(MAX_WORDS).collect())
}

fn detail(error: &wasmtime::Error) -> String {
    let mut text = String::new();
    for cause in error.chain() {
        let _ = writeln!(text, "caused by: {cause}");
    }
    if let Some(trace) = error.downcast_ref::<WasmBacktrace>() {
        let _ = writeln!(text, "{trace}");
    }
    text
}

#[cfg(test)]
mod tests;
