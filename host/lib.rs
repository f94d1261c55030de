//! The assembly: the only place that knows all rooms, and what the command line calls.
//!
//! In: the options of `serve`, `run`, `devices` and `inspect`. Out: a running server, or one answer. It nests the rooms'
//! configurations, hands each room the traits of its neighbours, and realises desired services (`reconciler` and
//! `realiser`). Deliberately not here: anything that could be a room's own job.

mod doors;
mod local;
mod models;
mod realiser;
mod reconciler;
mod server;

use std::path::PathBuf;

use scorehost_cli::{Capability, Host, Inspection, LogFormat, RunOptions, RunReport, ServeOptions, Tool};
use scorehost_control::wire::Device;
use scorehost_core::Failure;
use scorehost_device::Devices;
use tracing_subscriber::EnvFilter;

use crate::server::{Server, cores, device_config, wire_device};

/// Everything the command line needs, made of the rooms.
pub struct Assembly;

impl Host for Assembly {
    fn serve(&self, options: ServeOptions) -> Result<(), Failure> {
        start_logging(&options)?;
        let server = Server::start(&options)?;
        let bound = server.bound();
        tracing::info!(http = %bound.http, grpc = bound.grpc.map(tracing::field::display), "listening");
        server.run()
    }

    fn run_local(&self, options: RunOptions) -> Result<RunReport, Failure> {
        local::run(options)
    }

    fn devices(&self, onnxruntime: Option<PathBuf>) -> Result<Vec<Device>, Failure> {
        let devices = Devices::discover(device_config(onnxruntime, None, cores()));
        Ok(devices.reports().iter().map(wire_device).collect())
    }

    fn inspect(&self, component: &[u8]) -> Result<Inspection, Failure> {
        Ok(shown(scorehost_scorer::inspect(component)?))
    }
}

fn start_logging(options: &ServeOptions) -> Result<(), Failure> {
    let filter = EnvFilter::try_new(&options.log).map_err(|error| {
        Failure::invalid(format!("log filter '{}': {error}", options.log))
            .with_hint("use a level such as info, or target=level pairs such as scorehost_ingress=debug")
    })?;
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    let started = match options.log_format {
        LogFormat::Text => builder.with_ansi(false).try_init(),
        LogFormat::Json => builder.json().try_init(),
    };
    started.map_err(Failure::internal)
}

fn shown(inspection: scorehost_scorer::Inspection) -> Inspection {
    let capability = |capability: scorehost_scorer::Capability| Capability {
        name: capability.name.to_string(),
        meaning: capability.meaning.to_string(),
        granted: capability.granted,
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
    }
}
