use std::path::PathBuf;

use clap::{Args, ValueEnum};

/// Which components a server takes.
#[derive(Clone, Debug, Default, Args)]
pub struct GateOptions {
    /// Public key whose signature a component must have, as PEM; may be repeated. Without one, signatures are not asked for
    #[arg(
        long = "trusted-key",
        env = "SCOREHOST_TRUSTED_KEYS",
        hide_env_values = true,
        value_delimiter = ',',
        value_name = "FILE"
    )]
    pub trusted_keys: Vec<PathBuf>,
    /// Known flaws of packages, in the OSV format; read again at every deployment
    #[arg(long, env = "SCOREHOST_ADVISORIES", hide_env_values = true, value_name = "FILE")]
    pub advisories: Option<PathBuf>,
    /// What happens to a component with a known flaw
    #[arg(
        long,
        env = "SCOREHOST_ADVISORY_POLICY",
        hide_env_values = true,
        value_enum,
        default_value_t,
        requires = "advisories",
        value_name = "POLICY"
    )]
    pub advisory_policy: AdvisoryPolicy,
    /// Flaws from this severity on count
    #[arg(
        long,
        env = "SCOREHOST_ADVISORY_LEVEL",
        hide_env_values = true,
        value_enum,
        default_value_t,
        requires = "advisories",
        value_name = "SEVERITY"
    )]
    pub advisory_level: Level,
}

/// What happens to a component with a known flaw.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum AdvisoryPolicy {
    /// It is deployed, with a warning
    #[default]
    Warn,
    /// It is refused
    Refuse,
}

/// How bad a flaw is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub enum Level {
    /// All
    Low,
    /// Medium and above
    Medium,
    /// High and critical
    #[default]
    High,
    /// The worst only
    Critical,
}

impl Level {
    /// Lower-case name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
            Self::Critical => "critical",
        }
    }
}
