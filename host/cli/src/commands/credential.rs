use scorehost_control::client::{Client, CredentialStore};
use scorehost_control::wire::{Credential, NewCredential};
use scorehost_core::{ErrorKind, Failure};

use crate::CliError;
use crate::args::{CredentialCommand, Global};
use crate::credential::ask;
use crate::error::Doing;
use crate::screen::{Screen, sheet, table, time};

pub(super) fn run(client: &Client, command: CredentialCommand, screen: &mut Screen<'_>) -> Result<(), CliError> {
    match command {
        CredentialCommand::Create { name, role } => create(client, name, role.name(), screen),
        CredentialCommand::List => {
            let credentials = client.credentials().doing(|| "list credentials".to_owned())?;
            Ok(screen.result(&credentials, |credentials| list(credentials))?)
        }
        CredentialCommand::Revoke { name } => {
            client.revoke_credential(&name).doing(|| format!("revoke credential '{name}'"))?;
            screen.note(&format!("revoked {name}"));
            Ok(())
        }
        CredentialCommand::Show => {
            let who = client.whoami().doing(|| "ask the server who this is".to_owned())?;
            let server = client.base().to_owned();
            Ok(screen.result(&who, |who| {
                sheet([("Server", server), ("Name", who.name.clone()), ("Role", who.role.clone())])
            })?)
        }
        CredentialCommand::RotateSigningKey { revoke } => {
            let signing = client.rotate_signing_key(revoke).doing(|| "rotate the signing key".to_owned())?;
            let before = if revoke { "are refused from now on" } else { "are good until they expire" };
            screen.note(&format!("key {} signs from now on; tokens signed before {before}", signing.key));
            Ok(())
        }
    }
}

fn create(client: &Client, name: String, role: &str, screen: &mut Screen<'_>) -> Result<(), CliError> {
    let new = NewCredential { name, role: role.to_owned() };
    let made = client.create_credential(&new).doing(|| format!("make credential '{}'", new.name))?;
    screen.note(&format!(
        "credential '{}' with role {}; it is shown this once. Use it with SCOREHOST_TOKEN, --token-file or scorehost login",
        made.name, made.role
    ));
    Ok(screen.result(&made, |made| made.credential.clone())?)
}

fn list(credentials: &[Credential]) -> String {
    let rows = credentials.iter().map(|credential| {
        let bound = credential.bound_to.clone().unwrap_or_default();
        vec![credential.name.clone(), credential.role.clone(), time(credential.created), bound]
    });
    table(&["credential", "role", "made", "note"], rows)
}

/// Checks a credential against the server and keeps it for later commands.
pub(super) fn login(global: &Global, url: &str, screen: &mut Screen<'_>) -> Result<(), CliError> {
    let doing = || format!("log in to {url}");
    let credential = ask(global, url).doing(doing)?;
    let client = super::client_of(url, &global.trust)?.with_credential(Some(credential.clone()));
    let who = client.whoami().doing(doing)?;
    let path = store().and_then(|store| store.keep(url, &credential)).doing(doing)?;
    screen.note(&format!(
        "logged in to {} as {} with role {}; kept in {}",
        client.base(),
        who.name,
        who.role,
        path.display()
    ));
    Ok(())
}

/// Forgets what `login` kept.
pub(super) fn logout(url: &str, screen: &mut Screen<'_>) -> Result<(), CliError> {
    let known = store().and_then(|store| store.forget(url)).doing(|| format!("log out of {url}"))?;
    screen.note(if known { "logged out" } else { "there was no login to forget" });
    Ok(())
}

fn store() -> Result<CredentialStore, Failure> {
    CredentialStore::of_user().ok_or_else(|| {
        Failure::new(ErrorKind::Unavailable, "there is no folder to keep credentials in: HOME is not set")
            .with_hint("set SCOREHOST_CONFIG_DIR, or use SCOREHOST_TOKEN instead")
    })
}
