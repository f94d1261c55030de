//! A server as its callers see it: reachable, trusted, willing, and its services ready.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use scorehost_control::client::Client;
use scorehost_control::wire::{Service, ServiceState};
use scorehost_core::{Failure, ServiceName};

use super::network::{Network, Place, reach};
use super::{Check, Finding, Phase, State, devices};
use crate::host::{ReadCertificate, ServerCertificate};

/// A certificate's end should be further away than this.
const SOON: Duration = Duration::from_secs(14 * 24 * 3600);

/// What the checks of a server share.
pub(crate) struct Asking {
    pub(crate) client: Client,
    pub(crate) network: Arc<dyn Network>,
    pub(crate) read_certificate: ReadCertificate,
}

/// What a service is to score.
pub(crate) struct Sample {
    pub(crate) service: ServiceName,
    pub(crate) body: Vec<u8>,
}

/// Checks for registering models with a server.
pub(crate) fn register(asking: &Arc<Asking>) -> Vec<Check> {
    vec![
        shared(Phase::Register, "server", asking, |asking| asking.way(Phase::Register)),
        credential(Phase::Register, asking),
    ]
}

/// Checks for deploying to a server.
pub(crate) fn deploy(asking: &Arc<Asking>) -> Vec<Check> {
    let on_server = |asking: &Asking| match asking.client.devices() {
        Ok(found) => devices(&found).into_iter().map(|finding| Finding { phase: Phase::Deploy, ..finding }).collect(),
        Err(failure) => vec![refused(Phase::Deploy, "devices of the server", "a list of devices", &failure)],
    };
    vec![credential(Phase::Deploy, asking), shared(Phase::Deploy, "devices of the server", asking, on_server)]
}

/// Checks for scoring.
pub(crate) fn score(asking: &Arc<Asking>, only: Option<ServiceName>, sample: Option<Sample>) -> Vec<Check> {
    let mut checks = vec![
        shared(Phase::Score, "HTTP door", asking, |asking| asking.way(Phase::Score)),
        shared(Phase::Score, "gRPC door", asking, Asking::grpc),
        shared(Phase::Score, "services", asking, move |asking| asking.services(only.as_ref())),
    ];
    if let Some(sample) = sample {
        checks.push(shared(Phase::Score, "sample", asking, move |asking| vec![asking.sample(&sample)]));
    }
    checks
}

fn shared(
    phase: Phase,
    name: &str,
    asking: &Arc<Asking>,
    run: impl FnOnce(&Asking) -> Vec<Finding> + Send + 'static,
) -> Check {
    let asking = Arc::clone(asking);
    Check::new(phase, name, move || run(&asking))
}

/// Registering and deploying need the role of a deployer.
fn credential(phase: Phase, asking: &Arc<Asking>) -> Check {
    let needs = "a credential with the role deployer or admin";
    shared(phase, "credential", asking, move |asking| {
        vec![match asking.client.whoami() {
            Ok(who) if who.role == "reader" => {
                let found = format!("{}, role {}", who.name, who.role);
                Finding::ok(phase, "credential", needs, found).failed("ask an administrator for the role deployer")
            }
            Ok(who) => Finding::ok(phase, "credential", needs, format!("{}, role {}", who.name, who.role)),
            Err(failure) => refused(phase, "credential", needs, &failure),
        }]
    })
}

fn refused(phase: Phase, check: &str, needs: &str, failure: &Failure) -> Finding {
    let fix = failure.hint.as_deref().unwrap_or("see the server's log").to_owned();
    Finding::ok(phase, check, needs, &*failure.message).failed(fix)
}

impl Asking {
    /// Name, connection, certificate and answer.
    fn way(&self, phase: Phase) -> Vec<Finding> {
        let Some(place) = Place::of(self.client.base()) else { return Vec::new() };
        let (mut findings, address) = reach(&*self.network, phase, "server", &place, true);
        let Some(address) = address else { return findings };
        if place.secure {
            findings.push(match self.network.certificate(&place.host, address) {
                Ok(der) => lasting(phase, (self.read_certificate)(&der), SystemTime::now()),
                Err(failure) => refused(phase, CERTIFICATE, NEEDS_CERTIFICATE, &failure),
            });
            if findings.iter().any(|finding| finding.state == State::Failed) {
                return findings;
            }
        }
        findings.push(match self.client.version() {
            Ok(version) => {
                Finding::ok(phase, "server: answer", "a scorehost server", format!("version {}", version.version))
            }
            Err(failure) => refused(phase, "server: answer", "a scorehost server", &failure),
        });
        findings
    }

    /// The gRPC door, at the host that the server's URL names.
    fn grpc(&self) -> Vec<Finding> {
        let Some(place) = Place::of(self.client.base()) else { return Vec::new() };
        match self.client.version().map(|version| version.grpc) {
            Ok(Some(address)) => {
                let port = address.rsplit(':').next().and_then(|port| port.parse().ok()).unwrap_or(place.port);
                reach(&*self.network, Phase::Score, "gRPC door", &Place { port, ..place }, false).0
            }
            Ok(None) => vec![Finding::ok(Phase::Score, "gRPC door", "nothing: optional", "the server has none")],
            Err(failure) => vec![refused(Phase::Score, "gRPC door", "the server's word where it is", &failure)],
        }
    }

    fn services(&self, only: Option<&ServiceName>) -> Vec<Finding> {
        let found = match only {
            Some(name) => self.client.service(name).map(|service| vec![service]),
            None => self.client.services(),
        };
        match found {
            Ok(services) if services.is_empty() => {
                let none = Finding::ok(Phase::Score, "services", "a service that is deployed", "none");
                vec![none.warning("deploy one: scorehost deploy --help")]
            }
            Ok(services) => services.iter().map(service).collect(),
            Err(failure) => vec![refused(Phase::Score, "services", "a list of services", &failure)],
        }
    }

    fn sample(&self, sample: &Sample) -> Finding {
        let (check, needs) = (format!("sample for {}", sample.service), "an answer with a status of 2xx");
        match self.client.score(&sample.service, None, "application/json", &sample.body) {
            Ok(answer) if (200..300).contains(&answer.status) => {
                Finding::ok(Phase::Score, &check, needs, format!("{}, {} bytes", answer.status, answer.body.len()))
            }
            Ok(answer) => {
                let text: String = String::from_utf8_lossy(&answer.body).chars().take(200).collect();
                let found = format!("{}: {text}", answer.status);
                Finding::ok(Phase::Score, &check, needs, found)
                    .failed(format!("scorehost service logs {}", sample.service))
            }
            Err(failure) => refused(Phase::Score, &check, needs, &failure),
        }
    }
}

const CERTIFICATE: &str = "server: certificate";
const NEEDS_CERTIFICATE: &str = "a trusted certificate for the server's name, for 14 more days";

fn lasting(phase: Phase, certificate: Result<ServerCertificate, String>, now: SystemTime) -> Finding {
    let certificate = match certificate {
        Ok(certificate) => certificate,
        Err(reason) => {
            return Finding::ok(phase, CERTIFICATE, NEEDS_CERTIFICATE, reason).failed("renew the server's certificate");
        }
    };
    let left = certificate.not_after.duration_since(now).unwrap_or_default();
    let found = format!("for {}, {} more days", certificate.names.join(", "), left.as_secs() / (24 * 3600));
    let finding = Finding::ok(phase, CERTIFICATE, NEEDS_CERTIFICATE, found);
    if left < SOON { finding.warning("renew it; the server takes it over without a restart") } else { finding }
}

fn service(service: &Service) -> Finding {
    let found = format!(
        "{}{}",
        service.state.name(),
        service.message.as_ref().map(|text| format!(": {text}")).unwrap_or_default()
    );
    let finding = Finding::ok(Phase::Score, &format!("service {}", service.name), "a healthy service", found);
    match service.state {
        ServiceState::Healthy => finding,
        ServiceState::Stopped => finding.warning("it was stopped on purpose? deploy it again where not"),
        ServiceState::Transitioning => finding.warning(format!("wait for it: scorehost service show {}", service.name)),
        _ => finding.failed(format!("scorehost service logs {}", service.name)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn certificates_are_to_be_renewed_before_their_end() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000);
        let state = |days: u64| {
            let not_after = now + Duration::from_secs(days * 24 * 3600);
            lasting(Phase::Score, Ok(ServerCertificate { names: vec!["a.test".to_owned()], not_after }), now).state
        };
        assert_eq!([state(90), state(13), state(0)], [State::Ok, State::Warning, State::Warning]);
    }
}
