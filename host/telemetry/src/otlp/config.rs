//! What is exported, and where to: the command line's options, and the variables of OpenTelemetry where those say nothing.

use std::time::Duration;

use super::OtlpError;
use crate::outbox::OutboxConfig;
use crate::trace::Sampler;

/// Part of the requests without a caller's decision that is traced, where nothing else is said.
const DEFAULT_SAMPLE: f64 = 0.01;

/// What is exported, and where to.
#[derive(Clone, Debug, PartialEq)]
pub struct OtlpConfig {
    /// Base URL of the collector, to which `/v1/traces` and `/v1/logs` are added; `None` leaves it to the exporters' variables.
    pub endpoint: Option<String>,
    /// Whether spans are exported.
    pub traces: bool,
    /// Whether log records are exported.
    pub logs: bool,
    /// Which requests are traced.
    pub sampler: Sampler,
    /// Bounds of each of the two queues.
    pub outbox: OutboxConfig,
    /// Version of the program.
    pub version: &'static str,
    /// Name of the service where neither `OTEL_SERVICE_NAME` nor `OTEL_RESOURCE_ATTRIBUTES` gives one.
    pub service: &'static str,
}

/// Reads one variable.
type Variables<'a> = &'a dyn Fn(&str) -> Option<String>;

impl OtlpConfig {
    /// The configuration of a process: `endpoint` and `sample` are the command line's; variables decide where they are absent.
    /// Without any endpoint nothing is exported.
    ///
    /// # Errors
    /// A variable or a part that is out of its range.
    pub fn new(
        endpoint: Option<String>,
        sample: Option<f64>,
        version: &'static str,
        variables: Variables<'_>,
    ) -> Result<Self, OtlpError> {
        let set = |name: &str| variables(name).filter(|value| !value.trim().is_empty());
        let disabled = set("OTEL_SDK_DISABLED").is_some_and(|value| value.eq_ignore_ascii_case("true"));
        let wanted = |signal: &str| {
            let somewhere = endpoint.is_some()
                || set("OTEL_EXPORTER_OTLP_ENDPOINT").is_some()
                || set(&format!("OTEL_EXPORTER_OTLP_{signal}_ENDPOINT")).is_some();
            somewhere && !disabled && set(&format!("OTEL_{signal}_EXPORTER")).is_none_or(|exporter| exporter != "none")
        };
        Ok(Self {
            traces: wanted("TRACES"),
            logs: wanted("LOGS"),
            sampler: sampler(sample, &set)?,
            outbox: outbox(&set)?,
            version,
            service: "scorehost",
            endpoint,
        })
    }

    pub(super) fn validate(&self) -> Result<(), OtlpError> {
        let wrong = |endpoint: &&String| !endpoint.starts_with("http://") && !endpoint.starts_with("https://");
        self.endpoint.as_ref().filter(wrong).map_or(Ok(()), |endpoint| Err(OtlpError::Endpoint(endpoint.clone())))
    }

    /// The URL of one signal; `None` leaves it to the exporter.
    pub(super) fn url(&self, signal: &str) -> Option<String> {
        self.endpoint.as_ref().map(|endpoint| format!("{}/v1/{signal}", endpoint.trim_end_matches('/')))
    }
}

fn sampler(sample: Option<f64>, variables: Variables<'_>) -> Result<Sampler, OtlpError> {
    const PART: &str = "a part from 0 to 1";
    let part = |name, ratio: f64| match ratio {
        ratio if (0.0..=1.0).contains(&ratio) => Ok(ratio),
        ratio => Err(OtlpError::Setting { name, value: ratio.to_string(), expected: PART }),
    };
    if let Some(sample) = sample {
        return Ok(Sampler::parent_based(part("--trace-sample", sample)?));
    }
    let name = "OTEL_TRACES_SAMPLER_ARG";
    let argument = variables(name).map(|value| {
        let ratio = value.trim().parse().map_err(|_| OtlpError::Setting { name, value, expected: PART })?;
        part(name, ratio)
    });
    let argument = argument.transpose()?;
    let Some(chosen) = variables("OTEL_TRACES_SAMPLER") else {
        return Ok(Sampler::parent_based(argument.unwrap_or(DEFAULT_SAMPLE)));
    };
    Ok(match chosen.trim() {
        "always_on" => Sampler::ratio(1.0),
        "always_off" => Sampler::ratio(0.0),
        // The specification's default of the argument.
        "traceidratio" => Sampler::ratio(argument.unwrap_or(1.0)),
        "parentbased_always_on" => Sampler::parent_based(1.0),
        "parentbased_always_off" => Sampler::parent_based(0.0),
        "parentbased_traceidratio" => Sampler::parent_based(argument.unwrap_or(1.0)),
        _ => {
            let expected = "always_on, always_off, traceidratio, or one of these with parentbased_ before it";
            return Err(OtlpError::Setting { name: "OTEL_TRACES_SAMPLER", value: chosen, expected });
        }
    })
}

/// The batch processor's variables; those of spans hold for log records, too.
fn outbox(variables: Variables<'_>) -> Result<OutboxConfig, OtlpError> {
    let number = |name: &'static str, default: usize| match variables(name) {
        None => Ok(default),
        Some(value) => {
            let number = value.trim().parse().ok().filter(|number| *number > 0);
            number.ok_or(OtlpError::Setting { name, value, expected: "a whole number from 1 on" })
        }
    };
    let defaults = OutboxConfig::default();
    Ok(OutboxConfig {
        max_queued: number("OTEL_BSP_MAX_QUEUE_SIZE", defaults.max_queued)?,
        max_batch: number("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", defaults.max_batch)?,
        delay: Duration::from_millis(number("OTEL_BSP_SCHEDULE_DELAY", defaults.delay.as_millis() as usize)? as u64),
    })
}
