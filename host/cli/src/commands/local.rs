use std::path::PathBuf;
use std::time::Duration;

use scorehost_control::files::outbound_place;
use scorehost_core::{Failure, Outbound};
use serde::Serialize;

use crate::args::RunArgs;
use crate::error::Doing;
use crate::screen::Screen;
use crate::source::{body, read};
use crate::{CliError, Host, LocalModel, RunOptions, RunReport};

/// Runs a scorer once; its answer is the result, everything else goes beside it.
pub(super) fn run(host: &dyn Host, arguments: RunArgs, screen: &mut Screen<'_>) -> Result<(), CliError> {
    let doing = || format!("run '{}'", arguments.scorer.display());
    let models: Result<Vec<_>, Failure> = arguments.models.iter().map(|model| local_model(model)).collect();
    let options = RunOptions {
        component: read(&arguments.scorer)?,
        models: models.doing(doing)?,
        body: body(arguments.file.as_deref())?,
        content_type: arguments.content_type.clone(),
        variables: arguments.variables.iter().cloned().collect(),
        timeout: Duration::from_millis(arguments.timeout_ms),
        memory_bytes: arguments.memory_mib << 20,
        clock: arguments.clock,
        random: arguments.random,
        outbound: outbound(&arguments).doing(doing)?,
        onnxruntime: arguments.onnxruntime.clone(),
    };
    let report = host.run_local(options).doing(doing)?;
    for line in &report.prints {
        screen.note(line);
    }
    for (step, took) in &report.timings {
        screen.note(&format!("{:>10.3} ms  {step}", took.as_secs_f64() * 1000.0));
    }
    print(report, screen)
}

fn outbound(arguments: &RunArgs) -> Result<Vec<Outbound>, Failure> {
    let open = arguments.outbound.iter().map(|text| (text, false));
    let private = arguments.outbound_private.iter().map(|text| (text, true));
    let place = |(text, private): (&String, bool)| {
        outbound_place(text, private).ok_or_else(|| {
            Failure::invalid(format!("'{text}' is no host"))
                .with_hint("write api.example.com, localhost:8080 or *.example.com")
        })
    };
    open.chain(private).map(place).collect()
}

fn print(report: RunReport, screen: &mut Screen<'_>) -> Result<(), CliError> {
    let answer = report.outcome.map_err(|failure| CliError::Scorer { failure })?;
    if !(200..300).contains(&answer.status) {
        screen.note(&format!("the scorer answered {}", answer.status));
    }
    #[derive(Serialize)]
    struct Answer {
        status: u16,
        headers: Vec<(String, String)>,
        body: String,
        prints: Vec<String>,
        milliseconds: Vec<(String, f64)>,
    }
    // As a table the answer is the body, byte for byte; JSON has room for the rest.
    if screen.is_table() {
        return Ok(screen.raw(&answer.body)?);
    }
    let milliseconds = report.timings.into_iter().map(|(step, took)| (step, took.as_secs_f64() * 1000.0)).collect();
    let body = String::from_utf8_lossy(&answer.body).into_owned();
    let answer = Answer { status: answer.status, headers: answer.headers, body, prints: report.prints, milliseconds };
    Ok(screen.result(&answer, |_| String::new())?)
}

/// `FILE` or `NAME=FILE`.
fn local_model(text: &str) -> Result<LocalModel, Failure> {
    if let Some((name, path)) = text.split_once('=')
        && !name.contains(['/', '\\'])
    {
        return Ok(LocalModel { name: name.to_owned(), path: PathBuf::from(path) });
    }
    let path = PathBuf::from(text);
    let stem = if path.is_dir() { path.file_name() } else { path.file_stem() };
    match stem.and_then(|stem| stem.to_str()) {
        Some(stem) => Ok(LocalModel { name: stem.to_owned(), path }),
        None => Err(Failure::invalid(format!("'{text}' has no name")).with_hint("write NAME=FILE")),
    }
}
