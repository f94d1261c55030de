use std::io::Read;

use scorehost_control::client::Client;
use scorehost_control::wire::{LogLine, Operation, OperationState};
use scorehost_core::ServiceName;

use crate::CliError;
use crate::args::OperationCommand;
use crate::error::Doing;
use crate::progress::Bar;
use crate::screen::{Screen, sheet, table, time};

/// Lines of a service's log that an operation's failure shows.
const LOG_LINES: u64 = 20;

pub(super) fn run(client: &Client, command: OperationCommand, screen: &mut Screen<'_>) -> Result<(), CliError> {
    match command {
        OperationCommand::List => {
            let operations = client.operations().doing(|| "list operations".to_owned())?;
            Ok(screen.result(&operations, |operations| list(operations))?)
        }
        OperationCommand::Show { id, wait } => {
            let operation = client.operation(&id).doing(|| format!("show operation '{id}'"))?;
            let operation = if wait { until_end(client, operation, screen)? } else { operation };
            print(&operation, screen)
        }
        OperationCommand::Cancel { id } => {
            let operation = client.cancel(&id).doing(|| format!("cancel operation '{id}'"))?;
            let ended = until_end(client, operation, screen)?;
            print(&ended, screen)
        }
    }
}

/// Prints the operation and returns, or waits for its success; another end is the error.
pub(super) fn conclude(
    client: &Client,
    operation: Operation,
    no_wait: bool,
    screen: &mut Screen<'_>,
) -> Result<Option<Operation>, CliError> {
    for warning in &operation.warnings {
        screen.note(&format!("warning: {warning}"));
    }
    if no_wait {
        print(&operation, screen)?;
        return Ok(None);
    }
    wait(client, operation, screen).map(Some)
}

/// Waits for success; another end is the error.
pub(super) fn wait(client: &Client, operation: Operation, screen: &mut Screen<'_>) -> Result<Operation, CliError> {
    let operation = until_end(client, operation, screen)?;
    if operation.state == OperationState::Succeeded {
        return Ok(operation);
    }
    let log = log(client, &operation).unwrap_or_default();
    Err(CliError::Operation { operation: Box::new(operation), log })
}

/// Shows every step of an operation as it comes.
fn until_end(client: &Client, operation: Operation, screen: &mut Screen<'_>) -> Result<Operation, CliError> {
    let bar = Bar::spinner(operation.phase.clone());
    let (id, began) = (operation.id.clone(), operation.started_ms);
    let mut shown: Option<LogLine> = None;
    let ended = client.wait(operation, &mut |operation| {
        bar.say(format!("{}: {}", operation.service, operation.phase));
        bar.aside(|| fresh(&operation.log, shown.as_ref()).for_each(|line| screen.note(&step(line, began))));
        shown = operation.log.last().cloned();
    });
    ended.doing(|| format!("wait for operation '{id}'"))
}

/// Lines after the last one that was shown; a long log drops lines of its middle, never of its end.
fn fresh<'a>(log: &'a [LogLine], shown: Option<&LogLine>) -> impl Iterator<Item = &'a LogLine> {
    let seen = shown.and_then(|shown| log.iter().rposition(|line| line == shown)).map_or(0, |last| last + 1);
    log[seen..].iter()
}

fn step(line: &LogLine, began: u64) -> String {
    format!("{:>8.3} s  {}", line.time_ms.saturating_sub(began) as f64 / 1000.0, line.text)
}

/// What the service printed, where it can be had; a failure's own message does not depend on it.
fn log(client: &Client, operation: &Operation) -> Option<Vec<String>> {
    let service: ServiceName = operation.service.parse().ok()?;
    let mut text = String::new();
    client.logs(&service, None, LOG_LINES, false).ok()?.read_to_string(&mut text).ok()?;
    Some(text.lines().map(str::to_owned).collect())
}

pub(super) fn print(operation: &Operation, screen: &mut Screen<'_>) -> Result<(), CliError> {
    Ok(screen.result(operation, show)?)
}

fn show(operation: &Operation) -> String {
    let log: Vec<String> = operation.log.iter().map(|line| step(line, operation.started_ms)).collect();
    [facts(operation), log.join("\n")].join("\n\n").trim_end().to_owned()
}

fn facts(operation: &Operation) -> String {
    let error = operation.error.clone();
    let hint = error.as_ref().and_then(|error| error.hint.clone()).unwrap_or_default();
    sheet([
        ("Operation", operation.id.clone()),
        ("Action", operation.action.clone()),
        ("Service", operation.service.clone()),
        ("Version", operation.version.clone().unwrap_or_default()),
        ("State", operation.state.name().to_owned()),
        ("Phase", operation.phase.clone()),
        ("Warnings", operation.warnings.join("\n")),
        ("Error", error.map(|error| error.message).unwrap_or_default()),
        ("Remains", operation.remains.clone().unwrap_or_default()),
        ("Hint", hint),
        ("Started", time(operation.started_ms / 1000)),
        ("Updated", time(operation.updated_ms / 1000)),
    ])
}

pub(super) fn list(operations: &[Operation]) -> String {
    let rows = operations.iter().map(|operation| {
        vec![
            operation.id.clone(),
            operation.action.clone(),
            operation.service.clone(),
            operation.version.clone().unwrap_or_default(),
            operation.state.name().to_owned(),
            time(operation.started_ms / 1000),
        ]
    });
    table(&["operation", "action", "service", "version", "state", "started"], rows)
}
