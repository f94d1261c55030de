//! What loaded models may use, as it is written on the command line.

use clap::Args;

use super::scaling::bytes;

/// Settings of what the models of all services share.
#[derive(Clone, Debug, Default, Args)]
pub struct ModelOptions {
    /// Memory that all loaded models may hold together, such as 4GiB, or 'unlimited'; models that do not fit are evicted and
    /// loaded again when they are called [default: half of the memory of the machine or its control group]
    #[arg(long, env = "SCOREHOST_MODEL_MEMORY", hide_env_values = true, value_parser = limit, value_name = "SIZE")]
    pub model_memory: Option<Limit>,
    /// Memory that all running models may use beside their weights, such as 2GiB, or 'unlimited'; a run that needs more fails
    /// [default: a quarter of the memory of the machine or its control group]
    #[arg(long, env = "SCOREHOST_MODEL_SCRATCH", hide_env_values = true, value_parser = limit, value_name = "SIZE")]
    pub model_scratch: Option<Limit>,
}

/// A number of bytes, or none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Limit {
    /// At most so many.
    Bytes(u64),
    /// As many as there are.
    Unlimited,
}

impl Limit {
    /// The bytes; `None` without a limit.
    #[must_use]
    pub const fn bytes(self) -> Option<u64> {
        match self {
            Self::Bytes(bytes) => Some(bytes),
            Self::Unlimited => None,
        }
    }
}

fn limit(text: &str) -> Result<Limit, String> {
    if text == "unlimited" {
        return Ok(Limit::Unlimited);
    }
    bytes(text).map(Limit::Bytes).map_err(|error| format!("{error}, or 'unlimited'"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_is_a_size_or_none() {
        assert_eq!(limit("4GiB"), Ok(Limit::Bytes(4 << 30)));
        assert_eq!(limit("unlimited").map(Limit::bytes), Ok(None));
        assert!(limit("much").is_err_and(|error| error.ends_with("or 'unlimited'")));
    }
}
