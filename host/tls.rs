//! TLS of the doors: from the command line's words to the door's, and the certificate for development.

use std::path::Path;
use std::time::SystemTime;

use scorehost_cli::{ClientAuth, OldestTls, ServerCertificate, TlsOptions};
use scorehost_core::Failure;
use scorehost_ingress::{Certificate, Certificates, ClientCertificates, TlsConfig, TlsVersion, self_signed};
use tokio::signal::unix::{SignalKind, signal};

/// Where this machine's name stands.
const HOST_NAME: &str = "/proc/sys/kernel/hostname";

/// TLS with the files that the options name; `None` where they name none.
///
/// # Errors
/// Options that only make sense with a certificate.
pub(crate) fn given(options: &TlsOptions) -> Result<Option<TlsConfig>, Failure> {
    match (&options.tls_cert, &options.tls_key) {
        (Some(certificate), Some(key)) => {
            Ok(Some(completed(TlsConfig::new(certificate.clone(), key.clone()), options)))
        }
        _ if options.tls_self_signed => Ok(None),
        _ => plain(options).map(|()| None),
    }
}

/// TLS with the certificate that the data directory keeps; makes it where there is none.
///
/// # Errors
/// Where it cannot be written.
pub(crate) fn development(options: &TlsOptions, data_dir: &Path) -> Result<TlsConfig, Failure> {
    let name = std::fs::read_to_string(HOST_NAME).unwrap_or_default();
    let made = self_signed(&data_dir.join("tls"), &[name.trim().to_owned()], SystemTime::now())?;
    let certificate = made.certificate.display().to_string();
    tracing::warn!(
        certificate,
        sha256 = made.described.fingerprint,
        "self-signed certificate, for development: callers trust it by --ca FILE, SCOREHOST_CA or curl --cacert FILE"
    );
    Ok(completed(TlsConfig::new(made.certificate, made.key), options))
}

/// From here on SIGHUP does not end the process, which is its meaning until someone listens: a renewing program may send it
/// to a host that is still starting, and the files are read after this.
pub(crate) fn outlive_hangups(runtime: &tokio::runtime::Handle) {
    let _entered = runtime.enter();
    // The handler stays when the stream goes.
    drop(signal(SignalKind::hangup()));
}

/// Looks at the certificates' files at once when the process gets SIGHUP, as renewing programs send it.
pub(crate) async fn reload_on_hangup(certificates: Certificates) {
    let Ok(mut hangups) = signal(SignalKind::hangup()) else { return };
    while hangups.recv().await.is_some() {
        match certificates.reload() {
            Ok(true) => tracing::info!("SIGHUP: new TLS files are in use"),
            Ok(false) => tracing::info!("SIGHUP: the TLS files did not change"),
            Err(error) => {
                tracing::error!(reason = %error, "SIGHUP: new TLS files are not used; the former certificate stays")
            }
        }
    }
}

/// What a server's certificate says, for the preflight.
pub(crate) fn read_certificate(der: &[u8]) -> Result<ServerCertificate, String> {
    let Certificate { names, not_after, .. } = Certificate::read(der)?;
    Ok(ServerCertificate { names, not_after })
}

fn completed(config: TlsConfig, options: &TlsOptions) -> TlsConfig {
    let required = options.tls_client_auth.unwrap_or_default() == ClientAuth::Required;
    let clients = options.tls_client_ca.clone().map(|authorities| ClientCertificates { authorities, required });
    let minimum = match options.tls_min.unwrap_or_default() {
        OldestTls::V12 => TlsVersion::V12,
        OldestTls::V13 => TlsVersion::V13,
    };
    TlsConfig { clients, minimum, ..config }
}

/// A rule for TLS without TLS would be a rule that silently does not hold.
fn plain(options: &TlsOptions) -> Result<(), Failure> {
    let idle = [("--tls-client-ca", options.tls_client_ca.is_some()), ("--tls-min", options.tls_min.is_some())];
    match idle.iter().find(|(_, given)| *given) {
        Some((name, _)) => Err(Failure::invalid(format!("{name} has no effect without a certificate"))
            .with_hint("give --tls-cert and --tls-key, or --tls-self-signed")),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_without_a_certificate_are_refused() {
        let options = TlsOptions { tls_min: Some(OldestTls::V13), ..TlsOptions::default() };
        assert_eq!(
            given(&options).err().map(|error| error.message.to_string()).as_deref(),
            Some("--tls-min has no effect without a certificate")
        );
        assert!(matches!(given(&TlsOptions::default()), Ok(None)));
    }

    #[test]
    fn client_certificates_are_required_unless_the_options_say_otherwise() {
        let options = |tls_client_auth| TlsOptions {
            tls_cert: Some("cert.pem".into()),
            tls_key: Some("key.pem".into()),
            tls_client_ca: Some("ca.pem".into()),
            tls_client_auth,
            ..TlsOptions::default()
        };
        let required = |auth| {
            given(&options(auth)).ok().flatten().and_then(|config| config.clients).map(|clients| clients.required)
        };
        assert_eq!(required(None), Some(true));
        assert_eq!(required(Some(ClientAuth::Optional)), Some(false));
    }
}
