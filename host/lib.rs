//! The assembly: the only place that knows all rooms, and what the command line calls.
//!
//! In: the options of `serve`, `run`, `devices` and `inspect`. Out: a running server, or one answer. It nests the rooms'
//! configurations, hands each room the traits of its neighbours, and realises desired services (`reconciler` and
//! `realiser`). Deliberately not here: anything that could be a room's own job.

mod accelerators;
mod access;
mod batching;
mod calls;
mod device_memory;
mod doors;
mod gate;
mod guest_graphs;
mod local;
mod machine;
mod metrics;
mod model_facts;
mod models;
mod observe;
mod realiser;
mod reconciler;
mod replay;
mod scaling;
mod server;
mod tls;
mod warm_up;

use std::path::PathBuf;

use scorehost_cli::{
    Capability, Dependency, Flaw, Host, Inspection, KeyPair, ReadCertificate, RunOptions, RunReport, ServeOptions, Tool,
};
use scorehost_control::wire::Device;
use scorehost_core::Failure;
use scorehost_scorer::{Advisories, Finding, PrivateKey, PublicKey};

use crate::doors::wire_device;
use crate::observe::Observers;
use crate::server::{Server, cores, device_config};

/// Everything the command line needs, made of the rooms.
pub struct Assembly;

impl Host for Assembly {
    fn serve(&self, options: ServeOptions) -> Result<(), Failure> {
        let observers = Observers::start(&options)?;
        let server = Server::start(&options, observers)?;
        let bound = server.bound();
        tracing::info!(http = %bound.http, grpc = bound.grpc.map(tracing::field::display), "listening");
        server.run()
    }

    fn run_local(&self, options: RunOptions) -> Result<RunReport, Failure> {
        local::run(options)
    }

    fn devices(&self, onnxruntime: Option<PathBuf>) -> Result<Vec<Device>, Failure> {
        let devices = accelerators::list(device_config(onnxruntime, None, cores()));
        Ok(devices.reports().iter().map(wire_device).collect())
    }

    fn inspect(&self, component: &[u8]) -> Result<Inspection, Failure> {
        Ok(shown(scorehost_scorer::inspect(component)?))
    }

    fn certificate_reader(&self) -> ReadCertificate {
        tls::read_certificate
    }

    fn flaws(&self, component: &[u8], advisories: &str) -> Result<Vec<Flaw>, Failure> {
        let advisories = Advisories::parse(advisories)?;
        let dependencies = scorehost_scorer::inspect(component)?.dependencies.unwrap_or_default();
        let flaw = |finding: Finding| Flaw {
            advisory: finding.advisory,
            severity: finding.severity.name(),
            dependency: dependency(finding.dependency),
            fixed: finding.fixed,
            summary: finding.summary,
        };
        Ok(advisories.find(&dependencies).into_iter().map(flaw).collect())
    }

    fn keygen(&self) -> KeyPair {
        let key = PrivateKey::generate();
        let public = key.public();
        KeyPair { private_key: key.to_pem(), public_key: public.to_pem(), id: public.id() }
    }

    fn sign(&self, component: &[u8], private_key: &str) -> Result<String, Failure> {
        scorehost_scorer::inspect(component)?;
        Ok(PrivateKey::from_pem(private_key)?.sign(component).to_string())
    }

    fn verify(&self, component: &[u8], signature: &str, public_key: &str) -> Result<String, Failure> {
        let digest = scorehost_scorer::inspect(component)?.digest;
        let key = PublicKey::from_pem(public_key)?;
        key.verify(&digest, &signature.parse()?)?;
        Ok(key.id())
    }
}

fn shown(inspection: scorehost_scorer::Inspection) -> Inspection {
    let capability = |capability: scorehost_scorer::Capability| Capability {
        name: capability.name.to_string(),
        meaning: capability.meaning.to_string(),
        granted: capability.granted,
        needs: capability.needs.map(|need| need.key().to_owned()),
        imports: capability.imports,
    };
    let tool = |tool: scorehost_scorer::Tool| Tool { role: tool.role, name: tool.name, version: tool.version };
    Inspection {
        world: inspection.world.map(|world| world.name().to_owned()),
        digest: inspection.digest.to_string(),
        size: inspection.size,
        capabilities: inspection.capabilities.into_iter().map(capability).collect(),
        exports: inspection.exports,
        toolchain: inspection.toolchain.into_iter().map(tool).collect(),
        dependencies: inspection.dependencies.map(|all| all.into_iter().map(dependency).collect()),
    }
}

fn dependency(dependency: scorehost_scorer::Dependency) -> Dependency {
    let scorehost_scorer::Dependency { ecosystem, name, version } = dependency;
    Dependency { ecosystem, name, version }
}
