use scorehost_control::client::Client;
use scorehost_control::wire::{Differences, Report, Service, ServiceVersion, Sticky, VersionFigures};
use scorehost_core::ServiceName;
use serde_json::{Map, Value, json};

mod replay;

use super::operation;
use crate::CliError;
use crate::args::{EndpointCommand, StickyArgs};
use crate::error::Doing;
use crate::screen::{Screen, sheet, table};

pub(super) fn run(client: &Client, command: EndpointCommand, screen: &mut Screen<'_>) -> Result<(), CliError> {
    match command {
        EndpointCommand::Show { service } => show(client, &service, screen),
        EndpointCommand::Traffic { service, shares } => {
            // A share of 0 is taken out, which is what null does in a merge patch.
            let share = |percent: f64| if percent == 0.0 { Value::Null } else { json!(percent) };
            let split: Map<String, Value> =
                shares.into_iter().map(|(version, percent)| (version.to_string(), share(percent))).collect();
            change(client, &service, &json!({"split": split}), screen)
        }
        EndpointCommand::Promote { service, version } => {
            let doing = || format!("promote version '{version}' of service '{service}'");
            let started = client.promote(&service, &version).doing(doing)?;
            operation::wait(client, started, screen)?;
            show(client, &service, screen)
        }
        EndpointCommand::Control { service, version, none: _ } => {
            let control = version.map(|version| version.to_string());
            change(client, &service, &json!({"control": control}), screen)
        }
        EndpointCommand::Sticky(arguments) => {
            let patch = json!({"sticky": sticky(&arguments)});
            change(client, &arguments.service, &patch, screen)
        }
        EndpointCommand::Shadow { service, version, percent, none: _ } => {
            let shadow = version.map(|version| json!({"version": version.to_string(), "percent": percent}));
            change(client, &service, &json!({"shadow": shadow}), screen)
        }
        EndpointCommand::Delete { service, version, no_wait } => {
            let doing = || format!("delete version '{version}' of service '{service}'");
            let started = client.delete_version(&service, &version).doing(doing)?;
            if operation::conclude(client, started, no_wait, screen)?.is_some() {
                screen.note(&format!("deleted version {version} of {service}"));
            }
            Ok(())
        }
        EndpointCommand::Recordings(arguments) => replay::recordings(client, &arguments, screen),
        EndpointCommand::Replay(arguments) => replay::replay(client, &arguments, screen),
        EndpointCommand::Report { service } => {
            let report = client.report(&service).doing(|| format!("report on service '{service}'"))?;
            Ok(screen.result(&report, report_of)?)
        }
    }
}

fn sticky(arguments: &StickyArgs) -> Value {
    match &arguments.header {
        Some(header) => json!({"header": header}),
        None if arguments.caller => json!("caller"),
        None => Value::Null,
    }
}

/// Changes the traffic and shows what it is then.
fn change(client: &Client, service: &ServiceName, patch: &Value, screen: &mut Screen<'_>) -> Result<(), CliError> {
    let doing = || format!("change the traffic of service '{service}'");
    let started = client.change_traffic(service, patch).doing(doing)?;
    operation::wait(client, started, screen)?;
    show(client, service, screen)
}

fn show(client: &Client, service: &ServiceName, screen: &mut Screen<'_>) -> Result<(), CliError> {
    let service = client.service(service).doing(|| format!("show the endpoint of service '{service}'"))?;
    Ok(screen.result(&service, endpoint_of)?)
}

fn endpoint_of(service: &Service) -> String {
    let traffic = &service.traffic;
    let sticky = match &traffic.sticky {
        Some(Sticky::Header(header)) => format!("by header {header}"),
        Some(Sticky::Caller) => "by caller".to_owned(),
        None => "no".to_owned(),
    };
    let shadow = traffic.shadow.as_ref();
    let facts = sheet([
        ("Service", service.name.clone()),
        ("Authentication", service.auth.name().to_owned()),
        ("Default version", traffic.default.clone().unwrap_or_default()),
        ("Sticky", sticky),
        ("Shadow", shadow.map(|shadow| format!("{} % to {}", shadow.percent, shadow.version)).unwrap_or_default()),
    ]);
    format!("{facts}\n\n{}", versions(service))
}

/// All versions of a service, one a line.
pub(super) fn versions(service: &Service) -> String {
    let shadow = service.traffic.shadow.as_ref().map(|shadow| &shadow.version);
    let rows = service.versions.iter().map(|version| {
        let shadow = shadow == Some(&version.version);
        vec![
            version.version.clone(),
            version.state.name().to_owned(),
            roles(version.is_default, version.is_control, shadow),
            format!("{} %", number(version.percent)),
            replicas(version),
            version.models.join(","),
            version.message.clone().unwrap_or_default(),
        ]
    });
    table(&["version", "state", "role", "requests", "replicas", "models", "message"], rows)
}

fn replicas(version: &ServiceVersion) -> String {
    let (min, max) = (version.settings.min_replicas, version.settings.max_replicas);
    if min == max { min.to_string() } else { format!("{min} to {max}") }
}

fn roles(default: bool, control: bool, shadow: bool) -> String {
    let roles = [(default, "default"), (control, "control"), (shadow, "shadow")];
    roles.into_iter().filter(|(is, _)| *is).map(|(_, role)| role).collect::<Vec<_>>().join(",")
}

fn report_of(report: &Report) -> String {
    let rows = report.versions.iter().map(|version| {
        vec![
            version.version.clone(),
            roles(version.is_default, version.is_control, false),
            format!("{} %", number(version.percent)),
            version.requests.to_string(),
            version.failures.to_string(),
            known(version.error_percent, "%"),
            known(version.p50_ms, "ms"),
            known(version.p95_ms, "ms"),
            against(version),
            different(&report.control, version),
        ]
    });
    table(
        &[
            "version",
            "role",
            "share",
            "requests",
            "failed",
            "errors",
            "p50",
            "p95",
            "p50 vs control",
            "differing answers",
        ],
        rows,
    )
}

fn against(version: &VersionFigures) -> String {
    let change = |percent: f64| format!("{percent:+.1} %");
    version.p50_against_control_percent.map_or_else(|| "-".to_owned(), change)
}

/// How many answers to copies differ from those of the control version, else of whichever was compared.
fn different(control: &str, version: &VersionFigures) -> String {
    let of_control = version.differences.iter().find(|pair| pair.with == control);
    let Some(pair) = of_control.or(version.differences.first()) else { return "-".to_owned() };
    let Differences { with, compared, differing, largest, .. } = pair;
    let share = known(pair.differing_percent, "%");
    let largest = largest.map(|largest| format!(", by {largest:.3e} at most")).unwrap_or_default();
    let with = if with == control { String::new() } else { format!(" (with {with})") };
    format!("{differing} of {compared}: {share}{largest}{with}")
}

fn known(value: Option<f64>, unit: &str) -> String {
    value.map_or_else(|| "-".to_owned(), |value| format!("{} {unit}", number(value)))
}

/// At most three decimals, none where they are zero.
fn number(value: f64) -> String {
    let text = format!("{value:.3}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}
