//! The command line: every command, what it prints, and how it fails.
//!
//! In: arguments, files, a server's answers, and the assembly behind [`Host`]. Out: results on standard output, progress
//! and errors (`error:`, cause, `hint:`) on standard error, and an exit code ([`CliError::exit_code`]).
//!
//! Deliberately not here: the management API's calls (`control::client`), builds (`build`), and everything that runs a
//! scorer or a model (behind [`Host`]).

mod args;
mod commands;
mod credential;
mod doctor;
mod error;
mod host;
mod progress;
mod reference;
mod screen;
mod source;

use std::io::{self, Write};
use std::process::ExitCode;

use clap::Parser;

pub use args::{
    AdvisoryPolicy, AuthOptions, ClientAuth, DeviceOptions, GateOptions, Level, Limit, ModelDevice, ModelOptions,
    ModelPrecision, ObserveOptions, OldestTls, ScalingOptions, ServeOptions, TlsOptions,
};
pub use error::CliError;
pub use host::{
    Capability, Dependency, Flaw, Host, Inspection, KeyPair, LocalModel, LogFormat, ReadCertificate, RunOptions,
    RunReport, ServerCertificate, SmallModels, Tool,
};

use screen::Screen;

/// Runs the command that this process was started with.
pub fn main(host: &dyn Host) -> ExitCode {
    let (mut out, mut err) = (io::stdout(), io::stderr());
    ExitCode::from(run(host, std::env::args_os(), &mut out, &mut err))
}

/// Runs one command line and returns its exit code.
fn run(
    host: &dyn Host,
    arguments: impl IntoIterator<Item = std::ffi::OsString>,
    out: &mut dyn Write,
    err: &mut dyn Write,
) -> u8 {
    let cli = match args::Cli::try_parse_from(arguments) {
        Ok(cli) => cli,
        Err(error) => return usage(&error, out, err),
    };
    let mut screen = Screen::new(out, err, cli.global.output);
    let result = commands::run(host, cli, &mut screen);
    let result = result.and_then(|()| Ok(screen.flush()?));
    match result {
        Ok(()) => 0,
        Err(error) => {
            // Nobody reads a result that is cut off on purpose: `scorehost model list | head`.
            if !error.is_broken_pipe() {
                let _ = err.write_all(error.render().as_bytes());
            }
            error.exit_code()
        }
    }
}

/// Help and version go where results go; a wrong command line is an error.
fn usage(error: &clap::Error, out: &mut dyn Write, err: &mut dyn Write) -> u8 {
    let text = error.render().to_string();
    // Without a reader there is nobody left to tell.
    let _ = if error.use_stderr() { err.write_all(text.as_bytes()) } else { out.write_all(text.as_bytes()) };
    u8::try_from(error.exit_code()).unwrap_or(2)
}

#[cfg(test)]
mod tests;
