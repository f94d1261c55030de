use std::io::Read;

use scorehost_control::client::Client;
use scorehost_control::wire::{Auth, KeyType, Keys, Reach, Regenerate, Service};
use scorehost_core::{ErrorKind, Failure, ServiceName};
use serde::Serialize;
use serde_json::Value;

use super::{endpoint, operation};
use crate::CliError;
use crate::args::{Key, KeysArgs, LogsArgs, ScoreArgs, ServiceCommand};
use crate::credential::service_key;
use crate::error::Doing;
use crate::screen::{Screen, sheet, size, table, time};
use crate::source::{body, read_text};

mod change;

pub(super) fn run(client: &Client, command: ServiceCommand, screen: &mut Screen<'_>) -> Result<(), CliError> {
    match command {
        ServiceCommand::List => {
            let services = client.services().doing(|| "list services".to_owned())?;
            Ok(screen.result(&services, |services| list(services, client.base()))?)
        }
        ServiceCommand::Show { service } => show(client, &service, screen),
        ServiceCommand::Logs(arguments) => logs(client, &arguments, screen),
        ServiceCommand::Update(arguments) => change::update(client, arguments, screen),
        ServiceCommand::Scale(arguments) => change::scale(client, &arguments, screen),
        ServiceCommand::Keys(arguments) => keys(client, &arguments, screen),
        ServiceCommand::Token { service } => {
            let token = client.token(&service).doing(|| format!("get a token for service '{service}'"))?;
            Ok(screen.result(&token, |token| token.access_token.clone())?)
        }
        ServiceCommand::Operations { service } => {
            let operations = match &service {
                Some(service) => client.operations_of(service),
                None => client.operations(),
            };
            let operations = operations.doing(|| "list operations".to_owned())?;
            Ok(screen.result(&operations, |operations| operation::list(operations))?)
        }
        ServiceCommand::Delete { service, no_wait } => {
            let started = client.delete_service(&service).doing(|| format!("delete service '{service}'"))?;
            if operation::conclude(client, started, no_wait, screen)?.is_some() {
                screen.note(&format!("deleted {service}"));
            }
            Ok(())
        }
    }
}

/// Shows the keys, after one was replaced where that is asked.
fn keys(client: &Client, arguments: &KeysArgs, screen: &mut Screen<'_>) -> Result<(), CliError> {
    let service = &arguments.service;
    let keys = match arguments.regenerate {
        Some(which) => {
            let text = arguments.key_file.as_deref().map(read_text).transpose()?;
            let key_type = match which {
                Key::Primary => KeyType::Primary,
                Key::Secondary => KeyType::Secondary,
            };
            let regenerate = Regenerate { key_type, key_value: text.map(|text| text.trim().to_owned()) };
            client.regenerate_key(service, &regenerate).doing(|| format!("replace a key of service '{service}'"))?
        }
        None => client.keys(service).doing(|| format!("show the keys of service '{service}'"))?,
    };
    let rows =
        |keys: &Keys| sheet([("Primary key", keys.primary_key.clone()), ("Secondary key", keys.secondary_key.clone())]);
    Ok(screen.result(&keys, rows)?)
}

/// A service with the addresses it is reached at.
#[derive(Serialize)]
struct Shown {
    #[serde(flatten)]
    service: Service,
    scoring_uri: String,
    swagger_uri: String,
    inference_uri: String,
    grpc: Option<String>,
}

pub(super) fn show(client: &Client, name: &ServiceName, screen: &mut Screen<'_>) -> Result<(), CliError> {
    let doing = || format!("show service '{name}'");
    let service = client.service(name).doing(doing)?;
    let grpc = client.version().doing(doing)?.grpc;
    let base = client.base();
    let shown = Shown {
        scoring_uri: format!("{base}{}", service.scoring_path),
        swagger_uri: format!("{base}/api/v1/service/{}/swagger.json", service.name),
        inference_uri: format!("{base}{}", service.inference_path),
        grpc,
        service,
    };
    Ok(screen.result(&shown, sheet_of)?)
}

fn sheet_of(shown: &Shown) -> String {
    let service = &shown.service;
    match service.versions.as_slice() {
        [] | [_] => facts(shown),
        _ => format!("{}\n\n{}", facts(shown), endpoint::versions(service)),
    }
}

fn facts(shown: &Shown) -> String {
    let service = &shown.service;
    let settings = &service.settings;
    let grpc = shown.grpc.as_ref().map(|grpc| format!("{grpc} (model name {})", service.name)).unwrap_or_default();
    sheet([
        ("Service", service.name.clone()),
        ("State", service.state.name().to_owned()),
        ("Message", service.message.clone().unwrap_or_default()),
        ("Authentication", authentication(service)),
        ("Models", service.models.join(", ")),
        ("Scorer", service.scorer.clone().unwrap_or_else(|| "none; the model answers".to_owned())),
        ("Can reach", reach(service)),
        ("Signed by", signed(service)),
        ("Variables", service.variables.join(", ")),
        ("Replicas", replicas(service)),
        ("Memory", format!("{} per replica", size(settings.memory_bytes))),
        (
            "Time limits",
            format!("{} ms in the queue, {} ms scoring", settings.max_queue_wait_ms, settings.scoring_timeout_ms),
        ),
        ("Updated", time(service.updated)),
        ("Scoring URI", shown.scoring_uri.clone()),
        ("Swagger", shown.swagger_uri.clone()),
        ("Inference (OIP v2)", format!("{}/infer", shown.inference_uri)),
        ("gRPC (OIP v2)", grpc),
        ("Try it", format!("scorehost score {} --file BODY", service.name)),
        ("or", curl(shown)),
    ])
}

/// The bounds, and what there is at this moment.
fn replicas(service: &Service) -> String {
    let settings = &service.settings;
    let each = settings.max_concurrent_requests_per_container;
    let mut text = format!("{} to {}", settings.min_replicas, settings.max_replicas);
    if each > 1 {
        text += &format!(" of {each} instances");
    }
    if let Some(live) = &service.replicas {
        text += &format!(": {} ready, {} busy, {} wanted", live.ready, live.busy, live.wanted);
        if live.creating > 0 {
            text += &format!(", {} being made", live.creating);
        }
        if live.allowed < live.wanted {
            text += &format!("; this host has room for {}", live.allowed);
        }
    }
    text
}

fn authentication(service: &Service) -> String {
    match service.auth {
        Auth::None => "none; everyone may call".to_owned(),
        Auth::Key => format!("key: scorehost service keys {}", service.name),
        Auth::Token => format!("token: scorehost service token {}", service.name),
    }
}

fn curl(shown: &Shown) -> String {
    let credential = if shown.service.auth == Auth::None { "" } else { "-H \"Authorization: Bearer $SCOREHOST_KEY\" " };
    format!("curl {credential}-H 'Content-Type: application/json' --data-binary @BODY {}", shown.scoring_uri)
}

/// What the component can reach, with what the deployment gives it where that is not all.
fn reach(service: &Service) -> String {
    let Some(manifest) = &service.manifest else { return String::new() };
    let one = |reach: &Reach| match reach.given.as_str() {
        "granted" => reach.name.clone(),
        given => format!("{} ({given})", reach.name),
    };
    manifest.capabilities.iter().map(one).collect::<Vec<_>>().join(", ")
}

fn signed(service: &Service) -> String {
    let Some(manifest) = &service.manifest else { return String::new() };
    match &manifest.signed_by {
        Some(key) if manifest.trusted => format!("key {key}"),
        Some(key) => format!("key {key}, which this host was not told to trust"),
        None => "nobody".to_owned(),
    }
}

fn list(services: &[Service], base: &str) -> String {
    let rows = services.iter().map(|service| {
        vec![
            service.name.clone(),
            service.state.name().to_owned(),
            service.auth.name().to_owned(),
            service.versions.len().to_string(),
            service.replicas.map(|live| format!("{}/{}", live.ready, live.wanted)).unwrap_or_default(),
            service.kind.clone(),
            service.models.join(","),
            format!("{base}{}", service.scoring_path),
        ]
    });
    table(&["service", "state", "auth", "versions", "replicas", "kind", "models", "scoring uri"], rows)
}

/// Copies the log as it comes, line by line where it is followed.
fn logs(client: &Client, arguments: &LogsArgs, screen: &mut Screen<'_>) -> Result<(), CliError> {
    let doing = || format!("read the log of service '{}'", arguments.service);
    let mut log =
        client.logs(&arguments.service, arguments.version.as_ref(), arguments.tail, arguments.follow).doing(doing)?;
    let mut buffer = [0; 16 << 10];
    loop {
        let count = log.read(&mut buffer).map_err(|error| Failure::new(ErrorKind::Unavailable, error.to_string()));
        match count.doing(doing)? {
            0 => return Ok(()),
            count => {
                screen.out().write_all(&buffer[..count])?;
                screen.flush()?;
            }
        }
    }
}

/// Scores a body; only a successful answer is a result.
pub(super) fn score(client: &Client, arguments: &ScoreArgs, screen: &mut Screen<'_>) -> Result<(), CliError> {
    let service = &arguments.service;
    let body = body(arguments.file.as_deref())?;
    let key = service_key(arguments.key_file.as_deref()).doing(|| "read the service's key".to_owned())?;
    let answer = client.score(service, key.as_ref(), &arguments.content_type, &body);
    let answer = answer.doing(|| format!("score with service '{service}'"))?;
    if (200..300).contains(&answer.status) {
        return Ok(screen.raw(&answer.body)?);
    }
    let message = message(&answer.body);
    Err(CliError::Answer { service: service.to_string(), status: answer.status, message })
}

/// The message of an error body: `{"message": …}`, `{"error": …}`, or the text itself, shortened.
fn message(body: &[u8]) -> String {
    let known = |value: Value| ["message", "error"].iter().find_map(|key| value.get(key)?.as_str().map(str::to_owned));
    let parsed = serde_json::from_slice(body).ok().and_then(known);
    parsed.unwrap_or_else(|| String::from_utf8_lossy(body).chars().take(2000).collect())
}
