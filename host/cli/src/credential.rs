//! Where the command line's own credential comes from. Never from its arguments: everyone on the machine can read those.

use std::io::{self, BufRead, IsTerminal, Write};
use std::path::Path;
use std::process::{Command, Stdio};

use scorehost_control::client::CredentialStore;
use scorehost_core::{ErrorKind, Failure, Secret};

use crate::args::Global;

/// Environment variable that holds a management credential.
const VARIABLE: &str = "SCOREHOST_TOKEN";

/// Environment variable that holds a service's key or token.
const KEY: &str = "SCOREHOST_KEY";

/// The credential for a server: of a file, of the environment, of an earlier login, or what a server of the same user left
/// for it; `None` where there is none.
pub(crate) fn find(global: &Global, server: &str) -> Result<Option<Secret>, Failure> {
    if let Some(given) = given(global)? {
        return Ok(Some(given));
    }
    CredentialStore::of_user().map_or(Ok(None), |store| store.find(server))
}

/// What the user gave for this command.
fn given(global: &Global) -> Result<Option<Secret>, Failure> {
    if let Some(path) = &global.token_file {
        return of_file(path).map(Some);
    }
    of_environment(VARIABLE)
}

/// The key or token of a service: of a file or of the environment.
pub(crate) fn service_key(file: Option<&Path>) -> Result<Option<Secret>, Failure> {
    match file {
        Some(path) => of_file(path).map(Some),
        None => of_environment(KEY),
    }
}

fn of_environment(variable: &str) -> Result<Option<Secret>, Failure> {
    match std::env::var(variable) {
        Ok(text) if !text.trim().is_empty() => checked(&text, variable).map(Some),
        _ => Ok(None),
    }
}

fn of_file(path: &Path) -> Result<Secret, Failure> {
    let shown = path.display().to_string();
    let text = std::fs::read_to_string(path)
        .map_err(|error| Failure::new(ErrorKind::InvalidInput, format!("could not read '{shown}': {error}")))?;
    checked(&text, &shown)
}

/// What was given to `login`, or what the user enters.
pub(crate) fn ask(global: &Global, server: &str) -> Result<Secret, Failure> {
    if let Some(given) = given(global)? {
        return Ok(given);
    }
    let terminal = io::stdin().is_terminal();
    if terminal {
        let _ = write!(io::stderr(), "Credential for {server}: ");
    }
    let echo = terminal.then(Quiet::new);
    let mut line = String::new();
    let read = io::stdin().lock().read_line(&mut line);
    drop(echo);
    read.map_err(|error| Failure::new(ErrorKind::InvalidInput, format!("could not read the credential: {error}")))?;
    checked(&line, "standard input")
}

/// One line without spaces, which fits into a header.
fn checked(text: &str, source: &str) -> Result<Secret, Failure> {
    let text = text.trim();
    if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Ok(Secret::new(text));
    }
    let what = if text.is_empty() { "is empty" } else { "is not one line of visible ASCII characters" };
    Err(Failure::invalid(format!("the credential in {source} {what}"))
        .with_hint("an administrator makes one with: scorehost credential create --name NAME --role ROLE"))
}

/// A terminal that does not show what is typed, as long as this lives.
struct Quiet;

impl Quiet {
    fn new() -> Self {
        stty("-echo");
        Self
    }
}

impl Drop for Quiet {
    fn drop(&mut self) {
        stty("echo");
        let _ = writeln!(io::stderr());
    }
}

/// Where there is no `stty`, what is typed is seen by whoever types it.
fn stty(mode: &str) {
    let _ = Command::new("stty").arg(mode).stdin(Stdio::inherit()).stderr(Stdio::null()).status();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_credential_is_one_line() {
        let row = |text: &str| checked(text, "x").ok().map(|secret| secret.reveal().to_owned());
        assert_eq!(row("  shc_abc\n"), Some("shc_abc".to_owned()));
        for text in ["", " \n", "two words", "two\nlines", "ü"] {
            assert_eq!(row(text), None, "{text}");
        }
    }
}
