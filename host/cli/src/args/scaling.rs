//! What replicas may use, how many a load needs, and how policies compare, as they are written on the command line.

use std::num::NonZeroU32;

use clap::{Args, ValueEnum};

/// Settings of what the replicas of all services share.
#[derive(Clone, Debug, Default, Args)]
pub struct ScalingOptions {
    /// Memory that the replicas of all services may hold together, such as 2GiB [default: what the machine or its control group
    /// has to spare, but for a tenth of it]
    #[arg(long, env = "SCOREHOST_MAX_REPLICA_MEMORY", hide_env_values = true, value_parser = bytes, value_name = "SIZE")]
    pub max_replica_memory: Option<u64>,
    /// Cores that replicas beyond the services' minimums may count for, by containerResourceRequirements.cpu [default: cores of
    /// the machine]
    #[arg(long, env = "SCOREHOST_MAX_REPLICA_CORES", hide_env_values = true, value_parser = positive, value_name = "N")]
    pub max_replica_cores: Option<f64>,
}

/// A load to size a service for.
#[derive(Debug, Args)]
pub(crate) struct SizeArgs {
    /// Requests per second
    #[arg(long, value_parser = positive, value_name = "N")]
    pub(crate) rps: f64,
    /// Time that one request takes in a replica, in milliseconds
    #[arg(long, value_parser = positive, value_name = "MS")]
    pub(crate) latency_ms: f64,
    /// Busy replicas in percent that are aimed at
    #[arg(long, default_value_t = 70, value_parser = clap::value_parser!(u8).range(1..=100), value_name = "PERCENT")]
    pub(crate) target_utilization: u8,
    /// Requests that one replica handles at a time (maxConcurrentRequestsPerContainer)
    #[arg(long, default_value = "1", value_name = "N")]
    pub(crate) concurrent: NonZeroU32,
    /// Cores of one replica, to add them up
    #[arg(long, value_parser = positive, value_name = "CORES")]
    pub(crate) cpu: Option<f64>,
    /// Memory of one replica, such as 512MiB, to add it up
    #[arg(long, value_parser = bytes, value_name = "SIZE")]
    pub(crate) memory: Option<u64>,
}

/// A service, its traffic, and the policies to compare.
#[derive(Debug, Args)]
pub(crate) struct SimulateArgs {
    /// step, spike, diurnal, poisson (bursts), or a file of lines SECONDS,RPS: the rate from each moment on
    #[arg(long, default_value = "step", value_name = "TRACE")]
    pub(crate) trace: String,
    /// Whose rule decides
    #[arg(long, value_enum, default_value_t, value_name = "POLICY")]
    pub(crate) policy: Policy,
    /// Highest rate, in requests per second; a file says its own [default: 200]
    #[arg(long, value_parser = positive, value_name = "N")]
    pub(crate) rps: Option<f64>,
    /// Length of the traffic; a file says its own [default: 600]
    #[arg(long, value_parser = positive, value_name = "N")]
    pub(crate) seconds: Option<f64>,
    /// Time that one request takes in a replica, in milliseconds; it varies by a fifth
    #[arg(long, default_value = "100", value_parser = positive, value_name = "MS")]
    pub(crate) latency_ms: f64,
    /// Time that a replica takes to start, in milliseconds, whoever decides
    #[arg(long, default_value = "1", value_parser = positive, value_name = "MS")]
    pub(crate) start_ms: f64,
    /// Replicas at least
    #[arg(long, default_value_t = 1, value_name = "N")]
    pub(crate) min: u32,
    /// Replicas at most
    #[arg(long, default_value = "100", value_name = "N")]
    pub(crate) max: NonZeroU32,
    /// Busy replicas in percent that are aimed at
    #[arg(long, default_value_t = 70, value_parser = clap::value_parser!(u8).range(1..=100), value_name = "PERCENT")]
    pub(crate) target_utilization: u8,
    /// Time between two decisions, in seconds; Knative has its own
    #[arg(long, default_value = "1", value_parser = positive, value_name = "N")]
    pub(crate) refresh_seconds: f64,
    /// Requests that one replica handles at a time
    #[arg(long, default_value = "1", value_name = "N")]
    pub(crate) concurrent: NonZeroU32,
    /// Requests that may wait at once
    #[arg(long, default_value_t = 1000, value_name = "N")]
    pub(crate) max_queue: usize,
    /// Longest wait for a replica, in milliseconds
    #[arg(long, default_value = "500", value_parser = positive, value_name = "MS")]
    pub(crate) max_queue_wait_ms: f64,
    /// Seconds without a request after which the last replica goes, where --min is 0
    #[arg(long, default_value = "60", value_parser = positive, value_name = "N")]
    pub(crate) idle_after_seconds: f64,
    /// Decides about everything that is left to chance
    #[arg(long, default_value_t = 1, value_name = "N")]
    pub(crate) seed: u64,
}

/// Whose rule decides.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Policy {
    /// All three, one after the other.
    #[default]
    All,
    /// This host's.
    Ours,
    /// Azure's, as its documents describe it.
    Azure,
    /// Knative's pod autoscaler with its defaults.
    Kpa,
}

/// A number above 0.
fn positive(text: &str) -> Result<f64, String> {
    let number = text.parse::<f64>().ok().filter(|number| *number > 0.0 && *number <= 1e9);
    number.ok_or_else(|| "expected a number above 0".to_owned())
}

/// A number of bytes: `1073741824`, `512MiB`, `1.5GiB`, `2GB`.
pub(super) fn bytes(text: &str) -> Result<u64, String> {
    const UNITS: [(&str, f64); 9] = [
        ("KiB", 1024.0),
        ("MiB", 1_048_576.0),
        ("GiB", 1_073_741_824.0),
        ("TiB", 1_099_511_627_776.0),
        ("kB", 1e3),
        ("MB", 1e6),
        ("GB", 1e9),
        ("TB", 1e12),
        ("B", 1.0),
    ];
    let unit = UNITS.iter().find_map(|(unit, bytes)| Some((text.strip_suffix(unit)?, *bytes)));
    let (number, unit) = unit.unwrap_or((text, 1.0));
    let bytes = number.trim().parse::<f64>().ok().map(|number| number * unit);
    let bytes = bytes.filter(|bytes| *bytes >= 1.0 && *bytes < 1e18).map(|bytes| bytes as u64);
    bytes.ok_or_else(|| "expected a size above 0, such as 512MiB or 2GiB".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_have_binary_and_decimal_units() {
        for (text, expected) in [
            ("1", Some(1)),
            ("65536", Some(65_536)),
            ("512MiB", Some(512 << 20)),
            ("1.5 GiB", Some(3 << 29)),
            ("2GB", Some(2_000_000_000)),
            ("7kB", Some(7_000)),
            ("9B", Some(9)),
            ("0", None),
            ("-1GiB", None),
            ("lots", None),
            ("NaN", None),
            ("1e30", None),
        ] {
            assert_eq!(bytes(text).ok(), expected, "{text}");
        }
    }
}
