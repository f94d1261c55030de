//! Recorded requests, and asking a version the same again.

use scorehost_control::client::Client;
use scorehost_control::wire::{Recordings, Replay, ReplayReport, Replayed};
use scorehost_core::ServiceName;

use super::{known, number};
use crate::CliError;
use crate::args::{RecordingsArgs, ReplayArgs};
use crate::error::Doing;
use crate::screen::{Screen, sheet, size, table, time};

pub(super) fn recordings(client: &Client, arguments: &RecordingsArgs, screen: &mut Screen<'_>) -> Result<(), CliError> {
    let service = &arguments.service;
    if arguments.delete {
        let doing = || format!("delete recorded requests of service '{service}'");
        let removed = client.remove_recordings(service, arguments.id.as_deref()).doing(doing)?.removed;
        screen.note(&format!("deleted {removed} recorded requests of {service}"));
        return Ok(());
    }
    if let Some(id) = &arguments.id {
        let shown = client.recording(service, id).doing(|| format!("show recorded request '{id}'"))?;
        return Ok(screen.result(&shown, |shown| serde_json::to_string_pretty(shown).unwrap_or_default())?);
    }
    let doing = || format!("list recorded requests of service '{service}'");
    let listed = client.recordings(service, arguments.limit).doing(doing)?;
    Ok(screen.result(&listed, |listed| list(service, listed))?)
}

fn list(service: &ServiceName, listed: &Recordings) -> String {
    if listed.recordings.is_empty() {
        return format!(
            "{service} has no recorded requests; scorehost.recording in its deployment configuration turns them on"
        );
    }
    let rows = listed.recordings.iter().map(|recording| {
        vec![
            recording.id.clone(),
            time(recording.time_ms / 1000),
            recording.version.clone(),
            recording.request_id.clone(),
            recording.request.clone(),
            size(recording.request_bytes),
            recording.answer.clone(),
            format!("{} ms", number(recording.took_ms)),
        ]
    });
    let listed = table(&["id", "time", "version", "request id", "request", "size", "answer", "took"], rows);
    listed.to_string()
}

pub(super) fn replay(client: &Client, arguments: &ReplayArgs, screen: &mut Screen<'_>) -> Result<(), CliError> {
    let replay = Replay {
        version: arguments.version.to_string(),
        limit: Some(arguments.limit),
        ids: arguments.ids.clone(),
        tolerance: Some(arguments.tolerance),
    };
    let doing = || format!("replay requests of service '{}'", arguments.service);
    let report = client.replay(&arguments.service, &replay).doing(doing)?;
    screen.result(&report, report_of)?;
    Ok(())
}

fn report_of(report: &ReplayReport) -> String {
    let differ = |request: &&Replayed| request.result != "equal";
    let rows: Vec<Vec<String>> = report.requests.iter().filter(differ).map(row).collect();
    let facts = sheet([
        ("Service", report.service.clone()),
        ("Version", report.version.clone()),
        ("Replayed", report.replayed.to_string()),
        ("Equal", report.equal.to_string()),
        ("Differing", report.differing.to_string()),
        ("Failed", report.failed.to_string()),
        ("Skipped", if report.skipped == 0 { String::new() } else { report.skipped.to_string() }),
        ("Largest difference", report.largest.map(|largest| format!("{largest:.3e}")).unwrap_or_default()),
        ("Mean time recorded", known(report.recorded_mean_ms, "ms")),
        ("Mean time replayed", known(report.replayed_mean_ms, "ms")),
        ("Note", report.notes.join("; ")),
    ]);
    if rows.is_empty() {
        return facts;
    }
    let header = ["id", "request id", "answered by", "result", "values", "largest", "where", "recorded", "replayed"];
    format!("{facts}\n\n{}", table(&header, rows))
}

fn row(request: &Replayed) -> Vec<String> {
    let place = request.message.clone().or_else(|| request.place.clone());
    vec![
        request.id.clone(),
        request.request_id.clone(),
        request.recorded_version.clone(),
        request.result.clone(),
        request.values.to_string(),
        request.largest.map_or_else(|| "-".to_owned(), |largest| format!("{largest:.3e}")),
        place.unwrap_or_else(|| "-".to_owned()),
        format!("{} ms", number(request.recorded_ms)),
        format!("{} ms", number(request.replayed_ms)),
    ]
}
