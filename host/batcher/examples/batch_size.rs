//! How two rules for the size of batches do in a closed loop: the cost line of `CostCurve`, and AIMD on the time of a run as
//! Clipper (NSDI 2017) has it. Nothing is measured here: runs take `fixed + per_row * rows`, up to a tenth more or less.
//!
//!     cargo run --release -p scorehost-batcher --example batch_size

#![allow(clippy::print_stdout, reason = "an example speaks by printing")]

use std::collections::VecDeque;
use std::time::Duration;

use scorehost_batcher::{Bounds, CostCurve};

/// Callers that ask again as soon as they are answered.
const CALLERS: usize = 32;
const MAX_ROWS: u64 = 32;
const RUNS: usize = 2000;

/// A model and what is asked of it, in microseconds.
struct Case {
    name: &'static str,
    fixed: f64,
    per_row: f64,
    target: Option<f64>,
}

/// Chooses the rows of the next run.
trait Rule {
    fn limit(&self) -> u64;
    fn ran(&mut self, rows: u64, took: f64);
}

struct ByLine(CostCurve, Bounds);

impl Rule for ByLine {
    fn limit(&self) -> u64 {
        self.0.limit(&self.1)
    }

    fn ran(&mut self, rows: u64, took: f64) {
        self.0.record(rows, micros(took));
    }
}

/// One row more after every run within half the target, a tenth less after every other.
struct Aimd {
    rows: f64,
    budget: f64,
}

impl Rule for Aimd {
    fn limit(&self) -> u64 {
        (self.rows as u64).clamp(1, MAX_ROWS)
    }

    fn ran(&mut self, rows: u64, took: f64) {
        if took > self.budget {
            self.rows = (self.rows * 0.9).max(1.0);
        } else if rows >= self.limit() {
            self.rows = (self.rows + 1.0).min(MAX_ROWS as f64);
        }
    }
}

fn micros(micros: f64) -> Duration {
    Duration::from_secs_f64(micros / 1e6)
}

/// What came of a rule.
struct Outcome {
    rate: f64,
    p95: f64,
    late_runs: f64,
    rows: f64,
    settled: usize,
}

fn play(case: &Case, rule: &mut dyn Rule) -> Outcome {
    let mut seed = 1u64;
    let mut noise = move || {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        0.9 + 0.2 * ((seed >> 40) as f64 / (1u64 << 24) as f64)
    };
    let budget = case.target.map_or(f64::INFINITY, |target| target / 2.0);
    let (mut now, mut waiting): (f64, VecDeque<f64>) = (0.0, std::iter::repeat_n(0.0, CALLERS).collect());
    let (mut latencies, mut late, mut sizes) = (Vec::new(), 0, Vec::new());
    for _ in 0..RUNS {
        let rows = rule.limit().min(waiting.len() as u64);
        let took = (case.fixed + case.per_row * rows as f64) * noise();
        now += took;
        late += usize::from(took > budget);
        sizes.push(rows);
        for _ in 0..rows {
            let since = waiting.pop_front().unwrap_or(now);
            latencies.push(now - since);
            waiting.push_back(now);
        }
        rule.ran(rows, took);
    }
    latencies.sort_by(f64::total_cmp);
    let usual = sizes[RUNS / 2..].iter().sum::<u64>() as f64 / (RUNS / 2) as f64;
    let settled = sizes.iter().position(|rows| (*rows as f64) >= 0.8 * usual && (*rows as f64) <= 1.25 * usual);
    Outcome {
        rate: latencies.len() as f64 / now * 1e6,
        p95: latencies[latencies.len() * 95 / 100] / 1e3,
        late_runs: late as f64 / RUNS as f64,
        rows: usual,
        settled: settled.unwrap_or(RUNS),
    }
}

fn main() {
    let case = |name, fixed, per_row, target| Case { name, fixed, per_row, target };
    let cases = [
        case("reads its weights (2000 + 60 n)", 2000.0, 60.0, None),
        case("the same, target 5 ms", 2000.0, 60.0, Some(5000.0)),
        case("computes (1000 + 7500 n)", 1000.0, 7500.0, None),
        case("the same, target 100 ms", 1000.0, 7500.0, Some(100_000.0)),
        case("rows cost as much together (700 n)", 0.0, 700.0, None),
    ];
    println!("| model, µs | rule | answers/s | p95 ms | rows | runs above half the target | runs until settled |");
    println!("|---|---|---|---|---|---|---|");
    for case in &cases {
        let bounds = Bounds { max_rows: MAX_ROWS, target: case.target.map(micros), wanted: false };
        let budget = case.target.map_or(f64::INFINITY, |target| target / 2.0);
        let rules: [(&str, Box<dyn Rule>); 2] =
            [("line", Box::new(ByLine(CostCurve::default(), bounds))), ("AIMD", Box::new(Aimd { rows: 1.0, budget }))];
        for (name, mut rule) in rules {
            let Outcome { rate, p95, late_runs, rows, settled } = play(case, &mut *rule);
            let late = case.target.map_or("–".to_owned(), |_| format!("{:.1} %", late_runs * 100.0));
            println!("| {} | {name} | {rate:.0} | {p95:.1} | {rows:.1} | {late} | {settled} |", case.name);
        }
    }
}
