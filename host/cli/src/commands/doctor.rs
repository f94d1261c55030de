//! `doctor`: chooses the checks, runs them, and prints what they found.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use scorehost_build::BuilderConfig;
use scorehost_control::client::ClientTls;
use scorehost_core::{ErrorKind, Failure};

use super::{client_tls, connect};
use crate::args::{DoctorArgs, Global};
use crate::doctor::{self, Asking, Check, Finding, Internet, Machine, Network, Phase, Readings, Sample, State};
use crate::error::Doing;
use crate::screen::{Screen, table};
use crate::{CliError, Host};

pub(super) fn run(
    host: &dyn Host,
    global: &Global,
    arguments: DoctorArgs,
    screen: &mut Screen<'_>,
) -> Result<(), CliError> {
    let phases = phases(global, &arguments);
    let mut findings = local(host, &phases, &arguments)?;
    let within = Duration::from_secs(arguments.within);
    findings.extend(doctor::run(remote(host, global, &phases, arguments)?, within));
    screen.result(&findings, |findings| shown(findings))?;
    match findings.iter().filter(|finding| finding.state == State::Failed).count() {
        0 => Ok(()),
        failed => Err(CliError::Failed {
            doing: "confirm that everything required works".to_owned(),
            failure: Failure::new(ErrorKind::Internal, format!("{failed} of {} checks failed", findings.len()))
                .with_hint("each failed check says above what to do"),
        }),
    }
}

/// Those asked for; otherwise those that the options give something to check in.
fn phases(global: &Global, arguments: &DoctorArgs) -> Vec<Phase> {
    if !arguments.phases.is_empty() {
        return arguments.phases.clone();
    }
    let mut phases = vec![Phase::Host, Phase::Devices, Phase::Build];
    if global.server.is_some() {
        phases.extend([Phase::Register, Phase::Deploy, Phase::Score]);
    } else if arguments.data_dir.is_some() {
        phases.push(Phase::Register);
    }
    if !arguments.issuers.is_empty() {
        phases.push(Phase::Issuers);
    }
    if arguments.collection.is_some() {
        phases.push(Phase::Collection);
    }
    phases
}

/// What only looks at this machine.
fn local(host: &dyn Host, phases: &[Phase], arguments: &DoctorArgs) -> Result<Vec<Finding>, CliError> {
    let mut findings = Vec::new();
    if phases.contains(&Phase::Host) {
        findings.extend(Machine(&Readings::take()).findings());
        let folder = arguments.data_dir.as_deref().unwrap_or(Path::new("."));
        let name = if arguments.data_dir.is_some() { "data directory" } else { "current folder" };
        findings.extend(doctor::data_dir(Phase::Host, name, folder));
    }
    if phases.contains(&Phase::Devices) {
        let devices = host.devices(arguments.onnxruntime.clone()).doing(|| "list devices".to_owned())?;
        findings.extend(doctor::devices(&devices));
    }
    if let Some(dir) = arguments.data_dir.as_deref().filter(|_| phases.contains(&Phase::Register)) {
        findings.extend(doctor::data_dir(Phase::Register, "data directory", dir));
    }
    Ok(findings)
}

/// What may have to wait for others.
fn remote(host: &dyn Host, global: &Global, phases: &[Phase], arguments: DoctorArgs) -> Result<Vec<Check>, CliError> {
    let trusting = |authorities| Internet(ClientTls { authorities, ..ClientTls::default() });
    // --ca is for the server alone: others are trusted as this machine trusts them.
    let outside: Arc<dyn Network> = Arc::new(trusting(None));
    let mut checks = Vec::new();
    if phases.contains(&Phase::Build) {
        checks.extend(doctor::build(&BuilderConfig::default(), &outside));
    }
    // A data directory without a server can be looked at before the first start.
    let server = global.server.is_some() || arguments.data_dir.is_none();
    if phases.iter().any(|phase| matches!(phase, Phase::Deploy | Phase::Score))
        || (phases.contains(&Phase::Register) && server)
    {
        let read_certificate = host.certificate_reader();
        let network = Arc::new(Internet(client_tls(&global.trust)));
        let asking = Arc::new(Asking { client: connect(global)?, network, read_certificate });
        let sample = sample(&arguments)?;
        for phase in phases {
            checks.extend(match phase {
                Phase::Register if server => doctor::register(&asking),
                Phase::Deploy => doctor::deploy(&asking),
                _ => Vec::new(),
            });
        }
        if phases.contains(&Phase::Score) {
            checks.extend(doctor::score(&asking, arguments.service.clone(), sample));
        }
    }
    if phases.contains(&Phase::Issuers) {
        let network: Arc<dyn Network> = Arc::new(trusting(arguments.issuer_ca.clone()));
        checks.extend(doctor::issuers(&arguments.issuers, &network));
    }
    checks.extend(arguments.collection.iter().map(|target| doctor::collection(target, &outside)));
    Ok(checks)
}

fn sample(arguments: &DoctorArgs) -> Result<Option<Sample>, CliError> {
    let Some((service, path)) = arguments.service.clone().zip(arguments.sample.clone()) else { return Ok(None) };
    let body = std::fs::read(&path).map_err(|source| CliError::File { action: "read", path, source })?;
    Ok(Some(Sample { service, body }))
}

/// A table, and below it what is to be done.
fn shown(findings: &[Finding]) -> String {
    let word = |state: State| match state {
        State::Ok => "ok",
        State::Warning => "warning",
        State::Failed => "FAILED",
    };
    let phase = |phase: Phase| format!("{phase:?}").to_lowercase();
    let rows = findings.iter().map(|finding| {
        vec![phase(finding.phase), finding.check.clone(), word(finding.state).to_owned(), finding.found.clone()]
    });
    let mut text = table(&["phase", "check", "state", "found"], rows);
    for finding in findings {
        if let Some(fix) = &finding.fix {
            let (state, phase) = (word(finding.state), phase(finding.phase));
            text += &format!(
                "\n\n{state} {phase}: {}\n  needs: {}\n  found: {}\n  fix:   {fix}",
                finding.check, finding.needs, finding.found
            );
        }
    }
    text
}
