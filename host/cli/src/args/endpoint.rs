use clap::{Args, Subcommand};
use scorehost_core::{ServiceName, VersionName};

use super::{percent, share};

#[derive(Debug, Subcommand)]
pub(crate) enum EndpointCommand {
    /// Show a service's versions and how its requests are divided
    Show {
        /// Name of the service
        service: ServiceName,
    },
    /// Give versions their percentage of the requests; versions not named keep theirs, the default gets the rest
    Traffic {
        /// Name of the service
        service: ServiceName,
        /// Version and percentage, such as v2=10; 0 takes a version out
        #[arg(value_name = "VERSION=PERCENT", value_parser = share, required = true)]
        shares: Vec<(VersionName, f64)>,
    },
    /// Make a version the default; it gets what the others leave
    Promote {
        /// Name of the service
        service: ServiceName,
        /// The version
        version: VersionName,
    },
    /// Choose the version that the others are compared with
    Control {
        /// Name of the service
        service: ServiceName,
        /// The version
        #[arg(required_unless_present = "none", conflicts_with = "none")]
        version: Option<VersionName>,
        /// The default version, whichever it is
        #[arg(long)]
        none: bool,
    },
    /// Keep each caller on one version
    Sticky(StickyArgs),
    /// Send copies of requests to a version; nobody waits for its answers
    Shadow {
        /// Name of the service
        service: ServiceName,
        /// The version that gets copies
        #[arg(required_unless_present = "none", conflicts_with = "none")]
        version: Option<VersionName>,
        /// Percent of the requests that are copied
        #[arg(long, value_name = "PERCENT", value_parser = percent, default_value = "100")]
        percent: f64,
        /// Send no copies
        #[arg(long)]
        none: bool,
    },
    /// Delete a version; the default only when it is the last, and the service with it
    Delete {
        /// Name of the service
        service: ServiceName,
        /// The version
        version: VersionName,
        /// Print the operation and return at once
        #[arg(long)]
        no_wait: bool,
    },
    /// Compare what the versions did since the server started: requests, errors, latency, differing answers
    Report {
        /// Name of the service
        service: ServiceName,
    },
    /// List the requests that a service recorded, show one, or delete them
    Recordings(RecordingsArgs),
    /// Ask a version recorded requests again, and say which answers differ from those recorded, where and by how much
    Replay(ReplayArgs),
}

#[derive(Debug, Args)]
pub(crate) struct RecordingsArgs {
    /// Name of the service
    pub(crate) service: ServiceName,
    /// Show this request with its content
    #[arg(value_name = "ID")]
    pub(crate) id: Option<String>,
    /// Requests at most, newest first
    #[arg(long, value_name = "N", default_value = "100", value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub(crate) limit: u32,
    /// Delete the request that is named, or all
    #[arg(long)]
    pub(crate) delete: bool,
}

#[derive(Debug, Args)]
pub(crate) struct ReplayArgs {
    /// Name of the service
    pub(crate) service: ServiceName,
    /// The version to ask
    #[arg(long, value_name = "VERSION")]
    pub(crate) version: VersionName,
    /// Requests at most, newest first
    #[arg(long, value_name = "N", default_value = "100", value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub(crate) limit: u32,
    /// Ask only this recorded request; may be repeated
    #[arg(long = "id", value_name = "ID", conflicts_with = "limit")]
    pub(crate) ids: Vec<String>,
    /// Difference of two numbers up to which answers count as equal
    #[arg(long, value_name = "NUMBER", default_value = "0", value_parser = tolerance)]
    pub(crate) tolerance: f64,
}

/// A number from 0 on.
fn tolerance(text: &str) -> Result<f64, String> {
    let number = text.parse::<f64>().ok().filter(|number| number.is_finite() && *number >= 0.0);
    number.ok_or_else(|| "expected a number from 0 on, such as 1e-6".to_owned())
}

#[derive(Debug, Args)]
pub(crate) struct StickyArgs {
    /// Name of the service
    pub(crate) service: ServiceName,
    /// By the value of this request header
    #[arg(long, value_name = "HEADER", conflicts_with_all = ["caller", "none"], required_unless_present_any = ["caller", "none"])]
    pub(crate) header: Option<String>,
    /// By the key or token used
    #[arg(long, conflicts_with = "none")]
    pub(crate) caller: bool,
    /// Choose anew for every request
    #[arg(long)]
    pub(crate) none: bool,
}
