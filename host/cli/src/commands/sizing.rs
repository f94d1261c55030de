//! How many replicas a load needs, and what policies would do with a traffic.

use std::path::Path;
use std::time::Duration;

use scorehost_autoscaler::simulator::{Azure, Knative, Ours, Report, Rule, Setting, Shape, Traffic, simulate as play};
use scorehost_autoscaler::{Policy as Bounds, Sizing, size as replicas_for};
use scorehost_core::Failure;
use serde::Serialize;

use crate::CliError;
use crate::args::{Policy, SimulateArgs, SizeArgs};
use crate::error::Doing;
use crate::screen::{self, Screen, sheet, table};
use crate::source::read_text;

/// Requests that a simulation plays at most: it keeps the wait of each.
const MOST_REQUESTS: f64 = 1e7;

/// What a load needs.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Sized {
    concurrent_requests: f64,
    replicas: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    cores: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    memory_bytes: Option<u64>,
}

pub(super) fn size(arguments: &SizeArgs, screen: &mut Screen<'_>) -> Result<(), CliError> {
    let (concurrent_requests, replicas) = replicas_for(&Sizing {
        rps: arguments.rps,
        latency: arguments.latency_ms / 1e3,
        concurrency: arguments.concurrent.get(),
        target: f64::from(arguments.target_utilization) / 100.0,
    });
    let sized = Sized {
        concurrent_requests,
        replicas,
        cores: arguments.cpu.map(|cores| cores * f64::from(replicas)),
        memory_bytes: arguments.memory.map(|bytes| bytes.saturating_mul(replicas.into())),
    };
    Ok(screen.result(&sized, |sized| sized_sheet(arguments, sized))?)
}

fn sized_sheet(arguments: &SizeArgs, sized: &Sized) -> String {
    let SizeArgs { rps, latency_ms, target_utilization, concurrent, .. } = arguments;
    let share = f64::from(*target_utilization) / 100.0;
    let concurrent_requests = &sized.concurrent_requests;
    sheet([
        ("Requests at a time", format!("{concurrent_requests:.1} = {rps} /s × {} s ÷ {share}", latency_ms / 1e3)),
        ("Replicas", format!("{} = {concurrent_requests:.1} ÷ {concurrent} each, rounded up", sized.replicas)),
        ("Cores", sized.cores.map(|cores| format!("{cores:.1}")).unwrap_or_default()),
        ("Memory", sized.memory_bytes.map(screen::size).unwrap_or_default()),
    ])
}

/// How one policy did.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Played {
    policy: &'static str,
    requests: u64,
    answered: u64,
    violations: u64,
    violation_percent: f64,
    goodput: f64,
    p99_wait_ms: f64,
    replica_seconds: f64,
    most_replicas: u32,
    changes: u64,
}

impl From<Report> for Played {
    fn from(report: Report) -> Self {
        Self {
            policy: report.rule,
            requests: report.requests,
            answered: report.answered,
            violations: report.refused,
            violation_percent: 100.0 * report.refused as f64 / report.requests.max(1) as f64,
            goodput: report.goodput,
            p99_wait_ms: report.p99_wait.as_secs_f64() * 1e3,
            replica_seconds: report.replica_seconds,
            most_replicas: report.most,
            changes: report.changes,
        }
    }
}

pub(super) fn simulate(arguments: &SimulateArgs, screen: &mut Screen<'_>) -> Result<(), CliError> {
    let traffic = traffic(arguments)?;
    let setting = setting(arguments).doing(|| "simulate".to_owned())?;
    bounded(&traffic).doing(|| "simulate".to_owned())?;
    let mut rules: Vec<Box<dyn Rule>> = match arguments.policy {
        Policy::All => vec![Box::<Ours>::default(), Box::<Azure>::default(), Box::<Knative>::default()],
        Policy::Ours => vec![Box::<Ours>::default()],
        Policy::Azure => vec![Box::<Azure>::default()],
        Policy::Kpa => vec![Box::<Knative>::default()],
    };
    let played: Vec<Played> = rules.iter_mut().map(|rule| play(&traffic, &mut **rule, &setting).into()).collect();
    Ok(screen.result(&played, |played| compared(played))?)
}

fn compared(played: &[Played]) -> String {
    let rows = played.iter().map(|played| {
        vec![
            played.policy.to_owned(),
            format!("{:.1}", played.goodput),
            played.requests.to_string(),
            format!("{} ({:.2} %)", played.violations, played.violation_percent),
            format!("{:.1}", played.p99_wait_ms),
            format!("{:.0}", played.replica_seconds),
            played.most_replicas.to_string(),
            played.changes.to_string(),
        ]
    });
    let header = [
        "policy",
        "goodput /s",
        "requests",
        "violations",
        "p99 wait ms",
        "replica-seconds",
        "most replicas",
        "changes",
    ];
    table(&header, rows)
}

fn setting(arguments: &SimulateArgs) -> Result<Setting, Failure> {
    if arguments.min > arguments.max.get() {
        let message = format!("--min {} is above --max {}", arguments.min, arguments.max);
        return Err(Failure::invalid(message).with_hint("give a --max that is at least --min"));
    }
    let seconds = Duration::from_secs_f64;
    Ok(Setting {
        policy: Bounds {
            min: arguments.min,
            max: arguments.max.get(),
            target: f64::from(arguments.target_utilization) / 100.0,
            requests_per_replica: arguments.concurrent.get(),
            stable: Duration::from_secs(60),
            idle_after: seconds(arguments.idle_after_seconds),
        },
        refresh: seconds(arguments.refresh_seconds.max(1e-3)),
        latency: seconds(arguments.latency_ms / 1e3),
        start: seconds(arguments.start_ms / 1e3),
        max_queue: arguments.max_queue,
        max_wait: seconds(arguments.max_queue_wait_ms / 1e3),
        seed: arguments.seed,
    })
}

fn bounded(traffic: &Traffic) -> Result<(), Failure> {
    let requests = traffic.highest() * traffic.length().as_secs_f64();
    if requests <= MOST_REQUESTS {
        return Ok(());
    }
    Err(Failure::invalid(format!(
        "the traffic has up to {requests:.0} requests; a simulation plays {MOST_REQUESTS:.0}"
    ))
    .with_hint("give a lower --rps or fewer --seconds"))
}

fn traffic(arguments: &SimulateArgs) -> Result<Traffic, CliError> {
    let shape = match arguments.trace.as_str() {
        "step" => Shape::Step,
        "spike" => Shape::Spike,
        "diurnal" => Shape::Diurnal,
        "poisson" => Shape::Poisson,
        file => return recorded(arguments, Path::new(file)),
    };
    let length = Duration::from_secs_f64(arguments.seconds.unwrap_or(600.0));
    Ok(Traffic::shaped(shape, arguments.rps.unwrap_or(200.0), length))
}

fn recorded(arguments: &SimulateArgs, file: &Path) -> Result<Traffic, CliError> {
    let doing = || format!("play the traffic '{}'", file.display());
    if !file.exists() {
        return Err(Failure::invalid(format!("'{}' is neither a trace nor a file", file.display()))
            .with_hint("write step, spike, diurnal, poisson, or the path of a file of lines SECONDS,RPS"))
        .doing(doing);
    }
    if arguments.rps.is_some() || arguments.seconds.is_some() {
        return Err(Failure::invalid("--rps and --seconds are for made-up traffic")
            .with_hint("leave them out: the file says both"))
        .doing(doing);
    }
    let text = read_text(file)?;
    rates(&text).and_then(ordered).doing(doing)
}

fn ordered(rates: Vec<(Duration, f64)>) -> Result<Traffic, Failure> {
    Traffic::recorded(rates).ok_or_else(|| {
        Failure::invalid("the moments are not in order, or there are fewer than two")
            .with_hint("write lines SECONDS,RPS with rising seconds")
    })
}

/// `SECONDS,RPS` a line; a header, comments (`#`) and empty lines are passed over.
fn rates(text: &str) -> Result<Vec<(Duration, f64)>, Failure> {
    let mut rates = Vec::new();
    for (number, line) in text.lines().enumerate() {
        let line = line.trim();
        let is_header = rates.is_empty() && line.starts_with(|c: char| c.is_ascii_alphabetic());
        if line.is_empty() || line.starts_with('#') || is_header {
            continue;
        }
        let rate = rate(line).ok_or_else(|| {
            Failure::invalid(format!("line {} is '{line}'; expected SECONDS,RPS", number + 1))
                .with_hint("two numbers from 0 on, such as 60,250.5")
        })?;
        rates.push(rate);
    }
    Ok(rates)
}

fn rate(line: &str) -> Option<(Duration, f64)> {
    let (at, rate) = line.split_once(',')?;
    let at = at.trim().parse::<f64>().ok().and_then(|at| Duration::try_from_secs_f64(at).ok())?;
    let rate = rate.trim().parse::<f64>().ok().filter(|rate| rate.is_finite() && *rate >= 0.0)?;
    Some((at, rate))
}
