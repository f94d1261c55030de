//! An entry script that does what the body of a request names, before it what the variable `FAULT_RUN` names, and in `init` what
//! `FAULT_INIT` names: each a way to go wrong that the host must survive.

use std::hint::black_box;

use scorehost::{EntryScript, Error, Request, Response, Result, context, info};

struct Faulty;

impl EntryScript for Faulty {
    fn init() -> Result<Self> {
        match context::variable("FAULT_INIT") {
            Some(fault) => act(&fault).map(|()| Self),
            None => Ok(Self),
        }
    }

    fn run(&mut self, request: Request) -> Result<Response> {
        if let Some(fault) = context::variable("FAULT_RUN") {
            act(&fault)?;
        }
        let text = request.text()?;
        // `echo 5 <anything>`: computes, and gives back what came, so that a caller sees whether the answer is its own.
        if let Some((millions, own)) = text.strip_prefix("echo ").and_then(|rest| rest.split_once(' ')) {
            work(millions);
            return Ok(Response::new(own));
        }
        act(text)?;
        Ok(Response::new("\"well\""))
    }
}

scorehost::entry_script!(Faulty);

/// Commits one fault; `ok` commits none.
fn act(fault: &str) -> Result<()> {
    match fault {
        "ok" => {}
        "trap" => trap(),
        "loop" => spin(),
        "memory" => eat_memory(),
        "stack" => {
            black_box(overflow(0));
        }
        "panic" => panic!("asked to panic"),
        "fail" => return Err(Error::internal("asked to fail")),
        "flood" => flood(),
        work_of if work_of.starts_with("work ") => work(work_of),
        _ => return Err(Error::invalid(format!("there is no fault '{fault}'"))),
    }
    Ok(())
}

fn trap() {
    #[cfg(target_arch = "wasm32")]
    std::arch::wasm32::unreachable();
}

fn spin() {
    let mut turns = 0_u64;
    while black_box(true) {
        turns = black_box(turns.wrapping_add(1));
    }
}

/// No fault: computes for as many million turns as the request says, `work 5`.
fn work(request: &str) {
    let millions: u64 = request.trim_start_matches("work ").trim().parse().unwrap_or(1);
    let mut turns = 0_u64;
    while black_box(turns) < millions * 1_000_000 {
        turns = black_box(turns.wrapping_add(1));
    }
}

/// Allocates and touches memory without end.
fn eat_memory() {
    let mut blocks = Vec::new();
    while black_box(true) {
        blocks.push(black_box(vec![1_u8; 1 << 20]));
    }
}

#[expect(unconditional_recursion, reason = "the point of it")]
fn overflow(depth: u64) -> u64 {
    let frame = black_box([depth; 64]);
    overflow(depth + 1) + frame[0]
}

/// Writes 1 GB of log lines.
fn flood() {
    let line = "x".repeat(1000);
    for number in 0..1_000_000 {
        info!("{number:07} {line}");
    }
}
