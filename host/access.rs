//! Who may do what, as `serve` sets it up: the gatekeeper, the first administrator, and the credential of the same user's
//! command line.

use std::io::Write;
use std::sync::Arc;
use std::time::Duration;

use scorehost_auth::{AuthConfig, Gatekeeper, IssuerConfig};
use scorehost_cli::{AuthOptions, ServeOptions};
use scorehost_control::client::{CredentialStore, Lent};
use scorehost_core::{Clock, Failure, Secret};
use scorehost_ingress::{Bound, IngressConfig};

/// The gatekeeper's settings, checked.
///
/// # Errors
/// An issuer that is none, or a setting outside its range.
pub(crate) fn config(options: &ServeOptions) -> Result<AuthConfig, Failure> {
    let AuthOptions { issuers, issuer_ca, token_lifetime, signing_key_rotation, failed_attempts, admin_token_file } =
        &options.auth;
    let issuers = issuers.iter().filter(|issuer| !issuer.is_empty()).map(|issuer| issuer.parse::<IssuerConfig>());
    let config = AuthConfig {
        issuers: issuers.collect::<Result<_, _>>()?,
        issuer_ca: issuer_ca.clone(),
        token_lifetime: Duration::from_secs(*token_lifetime),
        key_rotation: Duration::from_secs(*signing_key_rotation),
        failed_attempts: *failed_attempts,
        admin_token_file: admin_token_file.clone(),
        ..AuthConfig::new(options.data_dir.join("auth"))
    };
    config.validate()?;
    Ok(config)
}

/// The gatekeeper of a server, and what its start leaves to be told.
pub(crate) struct Access {
    pub(crate) gatekeeper: Arc<Gatekeeper>,
    local: Secret,
}

impl Access {
    /// Starts the gatekeeper; the first start makes an administrator and shows the credential.
    ///
    /// # Errors
    /// Where credentials or keys in the data directory cannot be read or written.
    pub(crate) fn start(config: AuthConfig, clock: &Arc<dyn Clock>) -> Result<Self, Failure> {
        let started = Gatekeeper::start(config, Arc::clone(clock))?;
        if let Some(admin) = &started.first_admin {
            show_first(admin);
        }
        Ok(Self { gatekeeper: started.gatekeeper, local: started.local })
    }

    /// Leaves a credential where the command line of the same user finds it, as long as the server runs.
    pub(crate) fn lend(&self, bound: Bound) -> Option<Lent> {
        let Some(store) = CredentialStore::of_user() else {
            tracing::info!("HOME is not set, so the command line of this user needs a login");
            return None;
        };
        match store.lend(bound.http, &self.local) {
            Ok(lent) => {
                tracing::info!(file = %lent.path().display(), "this user's command line finds its credential");
                Some(lent)
            }
            Err(failure) => {
                tracing::warn!(%failure, "this user's command line needs a login");
                None
            }
        }
    }
}

/// Shows the administrator's credential on standard output: not in the log, which is kept and sent elsewhere.
fn show_first(admin: &Secret) {
    let mut out = std::io::stdout().lock();
    let text = format!(
        "\nThis is the first start on this data directory. The credential of its administrator 'admin', shown this once:\n\n    \
         {}\n\nKeep it. On this machine, this user's command line needs none; elsewhere: scorehost login URL\n\n",
        admin.reveal()
    );
    // Whoever closed standard output does not want it; this user's command line can make another.
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}

/// Warns of addresses where credentials can be read on the way.
pub(crate) fn warn_of_exposed(config: &IngressConfig) {
    for address in config.exposed() {
        tracing::warn!(
            %address,
            "this address is reachable by others without TLS: keys, tokens and data can be read on the way; \
             use --tls-cert and --tls-key, or a proxy that speaks TLS on the same machine"
        );
    }
}
