//! TLS of a server, as it is written on the command line.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

/// Settings of TLS at the doors.
#[derive(Clone, Debug, Default, Args)]
pub struct TlsOptions {
    /// Certificate chain as PEM, the server's own first; both doors then speak TLS only
    #[arg(long, env = "SCOREHOST_TLS_CERT", hide_env_values = true, requires = "tls_key", value_name = "FILE")]
    pub tls_cert: Option<PathBuf>,
    /// Private key of the certificate as PEM, not encrypted
    #[arg(long, env = "SCOREHOST_TLS_KEY", hide_env_values = true, requires = "tls_cert", value_name = "FILE")]
    pub tls_key: Option<PathBuf>,
    /// Speak TLS with a certificate that the server makes for itself and keeps in its data directory; for development
    #[arg(long, env = "SCOREHOST_TLS_SELF_SIGNED", hide_env_values = true, conflicts_with = "tls_cert")]
    pub tls_self_signed: bool,
    /// Authorities whose client certificates are accepted, as PEM; callers are asked for a certificate
    #[arg(long, env = "SCOREHOST_TLS_CLIENT_CA", hide_env_values = true, value_name = "FILE")]
    pub tls_client_ca: Option<PathBuf>,
    /// Whether callers need a client certificate [default: required]
    #[arg(
        long,
        env = "SCOREHOST_TLS_CLIENT_AUTH",
        hide_env_values = true,
        value_enum,
        requires = "tls_client_ca",
        value_name = "RULE"
    )]
    pub tls_client_auth: Option<ClientAuth>,
    /// Oldest version of TLS [default: 1.2]
    #[arg(long, env = "SCOREHOST_TLS_MIN", hide_env_values = true, value_enum, value_name = "VERSION")]
    pub tls_min: Option<OldestTls>,
}

/// Whether callers need a client certificate.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum ClientAuth {
    /// A caller without one is refused.
    #[default]
    Required,
    /// A caller may come without one; a wrong one is refused.
    Optional,
}

/// Oldest version of TLS that is spoken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum OldestTls {
    /// TLS 1.2 and 1.3.
    #[default]
    #[value(name = "1.2")]
    V12,
    /// TLS 1.3 only.
    #[value(name = "1.3")]
    V13,
}
