use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

/// Settings of a server's authentication.
#[derive(Clone, Debug, Args)]
pub struct AuthOptions {
    /// Issuer whose tokens are accepted beside this host's own: its URL, the audiences of which a token must name one ('{service}' is
    /// the service called, and the default), and where its keys are if it is not to be asked; may be repeated
    #[arg(
        long = "issuer",
        env = "SCOREHOST_ISSUERS",
        hide_env_values = true,
        value_delimiter = ' ',
        value_name = "URL[,AUDIENCE...][,jwks=URL]"
    )]
    pub issuers: Vec<String>,
    /// Certificates (PEM) that issuers' servers are trusted by, instead of the public ones
    #[arg(long, env = "SCOREHOST_ISSUER_CA", hide_env_values = true, value_name = "FILE")]
    pub issuer_ca: Option<PathBuf>,
    /// How long a token of this host is good, in seconds
    #[arg(
        long,
        env = "SCOREHOST_TOKEN_LIFETIME",
        hide_env_values = true,
        default_value_t = 43_200,
        value_name = "SECONDS",
        value_parser = clap::value_parser!(u64).range(300..=604_800)
    )]
    pub token_lifetime: u64,
    /// How long a key signs tokens before a new one does, in seconds
    #[arg(
        long,
        env = "SCOREHOST_SIGNING_KEY_ROTATION",
        hide_env_values = true,
        default_value_t = 2_592_000,
        value_name = "SECONDS",
        value_parser = clap::value_parser!(u64).range(3600..)
    )]
    pub signing_key_rotation: u64,
    /// Different wrong credentials from one address in a minute after which it is refused for a minute; 0 never refuses
    #[arg(long, env = "SCOREHOST_FAILED_ATTEMPTS", hide_env_values = true, default_value_t = 20, value_name = "N")]
    pub failed_attempts: u32,
    /// File with an administrator's credential, instead of one that is made and printed on the first start
    #[arg(long, env = "SCOREHOST_ADMIN_TOKEN_FILE", hide_env_values = true, value_name = "FILE")]
    pub admin_token_file: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum CredentialCommand {
    /// Make a credential and print it; it is shown this once and kept nowhere
    Create {
        /// Who or what it is for
        #[arg(long)]
        name: String,
        /// What it may do
        #[arg(long, value_enum)]
        role: RoleName,
    },
    /// List credentials, without their secrets
    List,
    /// End a credential; requests that bring it are refused from then on
    Revoke {
        /// Name of the credential
        name: String,
    },
    /// Show who this command line is to the server
    Show,
    /// Let a new key sign the tokens of services
    RotateSigningKey {
        /// End all tokens signed before; otherwise they are good until they expire
        #[arg(long)]
        revoke: bool,
    },
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum RoleName {
    /// Sees models, services, operations and logs; no secrets
    Reader,
    /// Registers, deploys, deletes, scores, and sees keys and tokens of services
    Deployer,
    /// Manages credentials and signing keys
    Admin,
}

impl RoleName {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Reader => "reader",
            Self::Deployer => "deployer",
            Self::Admin => "admin",
        }
    }
}
