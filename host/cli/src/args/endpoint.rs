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
