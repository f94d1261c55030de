//! What each command does.

mod credential;
mod deploy;
mod doctor;
mod endpoint;
mod local;
mod model;
mod operation;
mod scorer;
mod service;
mod sizing;

use clap::CommandFactory;
use scorehost_control::client::{Client, ClientTls};
use scorehost_control::wire::Device;

use crate::args::{Cli, Command, Global, Trust};
use crate::error::Doing;
use crate::screen::{Screen, table};
use crate::{CliError, Host, reference};

/// Where `serve` listens unless it is told otherwise.
const DEFAULT_SERVER: &str = "http://127.0.0.1:8080";

/// Carries out a command line.
pub(crate) fn run(host: &dyn Host, cli: Cli, screen: &mut Screen<'_>) -> Result<(), CliError> {
    let client = || connect(&cli.global);
    match cli.command {
        Command::Serve(options) => host.serve(options).doing(|| "serve".to_owned()),
        Command::Model(command) => model::run(&client()?, command, screen),
        Command::Scorer(command) => scorer::run(host, command, screen),
        Command::Deploy(arguments) => deploy::run(host, &client()?, arguments, screen),
        Command::Service(command) => service::run(&client()?, command, screen),
        Command::Endpoint(command) => endpoint::run(&client()?, command, screen),
        Command::Operation(command) => operation::run(&client()?, command, screen),
        Command::Score(arguments) => service::score(&client()?, &arguments, screen),
        Command::Run(arguments) => local::run(host, arguments, screen),
        Command::Devices { onnxruntime } => {
            let devices = match &cli.global.server {
                Some(_) => client()?.devices(),
                None => host.devices(onnxruntime),
            };
            show_devices(devices.doing(|| "list devices".to_owned())?, screen)
        }
        Command::Size(arguments) => sizing::size(&arguments, screen),
        Command::Simulate(arguments) => sizing::simulate(&arguments, screen),
        Command::Doctor(arguments) => doctor::run(host, &cli.global, arguments, screen),
        Command::Login { url } => credential::login(&cli.global, &url, screen),
        Command::Logout { url } => credential::logout(&url, screen),
        Command::Credential(command) => credential::run(&client()?, command, screen),
        Command::Schema { file } => Ok(screen.raw(file.text().as_bytes())?),
        Command::Completions { shell } => {
            clap_complete::generate(shell, &mut Cli::command(), "scorehost", screen.out());
            Ok(())
        }
        Command::Version => version(&client()?, screen),
        Command::Reference => Ok(screen.raw(reference::markdown().as_bytes())?),
    }
}

fn connect(global: &Global) -> Result<Client, CliError> {
    let server = global.server.as_deref().unwrap_or(DEFAULT_SERVER);
    let client = client_of(server, &global.trust)?;
    let credential = crate::credential::find(global, server).doing(|| "use the server".to_owned())?;
    Ok(client.with_credential(credential))
}

/// A client of a server that is not told who asks.
fn client_of(server: &str, trust: &Trust) -> Result<Client, CliError> {
    Client::with_tls(server, &client_tls(trust)).doing(|| "use the server".to_owned())
}

fn client_tls(trust: &Trust) -> ClientTls {
    let identity = trust.client_cert.clone().zip(trust.client_key.clone());
    ClientTls { authorities: trust.ca.clone(), identity }
}

fn show_devices(devices: Vec<Device>, screen: &mut Screen<'_>) -> Result<(), CliError> {
    let rows = |devices: &Vec<Device>| {
        let rows = devices.iter().map(|device| {
            let available = if device.available { "yes" } else { "no" };
            vec![device.name.clone(), available.to_owned(), device.executor.clone(), device.detail.clone()]
        });
        table(&["device", "usable", "executor", "detail"], rows)
    };
    Ok(screen.result(&devices, rows)?)
}

fn version(client: &Client, screen: &mut Screen<'_>) -> Result<(), CliError> {
    #[derive(serde::Serialize)]
    struct Versions {
        client: &'static str,
        server: Option<String>,
    }
    // Without a server this program still has a version.
    let server = client.version().ok().map(|version| version.version);
    let versions = Versions { client: env!("CARGO_PKG_VERSION"), server };
    Ok(screen.result(&versions, |versions| {
        let server = versions.server.as_deref().unwrap_or("none answers");
        format!("scorehost {}\nserver {server} ({})", versions.client, client.base())
    })?)
}
