//! Keys that a file gives and this host does not act upon, each with what happens instead.

use super::apply::MOST_MEMORY;
use super::{AccessPlan, ComputeType, DeploymentConfig, Liveness};

/// Characters of a key below which it can be guessed.
const SHORT_KEY: usize = 16;

impl DeploymentConfig {
    /// Keys that the file gives and this host does not act upon, each with what happens instead. Each begins with the key.
    #[must_use]
    pub fn warnings(&self) -> Vec<String> {
        let of_place = self.of_place();
        let rows = self.of_resources().into_iter().chain(self.of_access()).chain(of_place);
        rows.filter(|(given, _)| *given).map(|(_, warning)| warning.to_owned()).chain(self.of_container()).collect()
    }

    fn of_place(&self) -> [(bool, &'static str); 5] {
        [
            (
                self.compute_type != ComputeType::Local,
                "computeType: the service runs on this host, whatever the target",
            ),
            (
                self.app_insights_enabled,
                "appInsightsEnabled: every service is counted and traced alike; traces leave this host where the server was started with --otlp-endpoint",
            ),
            (
                self.liveness != Liveness::default(),
                "livenessProbeRequirements: a replica is replaced when a call fails in it, not by probes",
            ),
            (
                self.namespace.is_some() || self.compute_target.is_some(),
                "namespace, computeTargetName: this host has neither",
            ),
            (self.port.is_some(), "port: the service answers on the server's own port"),
        ]
    }

    fn of_access(&self) -> [(bool, &'static str); 2] {
        let asked = &self.authentication;
        let mut keys = [&asked.primary_key, &asked.secondary_key].into_iter().flatten();
        let checked = matches!(self.access(), AccessPlan::Keys { .. });
        let given = keys.clone().next().is_some();
        [
            (given && !checked, "keys: not used, because this service does not check keys"),
            (
                checked && keys.any(|key| key.reveal().len() < SHORT_KEY),
                "keys: a key of fewer than 16 characters can be guessed",
            ),
        ]
    }

    fn of_resources(&self) -> [(bool, &'static str); 4] {
        let resources = &self.resources;
        let weighed = resources.cpu.is_some_and(|cpu| cpu > 1.0) && self.extension.admission.weight.is_none();
        [
            (weighed, "containerResourceRequirements.cpu: weighs as one core against other services"),
            (
                resources.cpu_limit.is_some(),
                "containerResourceRequirements.cpuLimit: not limited; cores are shared between services by their weight",
            ),
            (
                resources.memory_gb.is_some() && resources.memory_gb_limit.is_some(),
                "containerResourceRequirements.memoryInGB: only memoryInGBLimit acts, as the memory of one replica",
            ),
            (
                self.memory_gb().is_some_and(|memory| memory > MOST_MEMORY),
                "containerResourceRequirements.memoryInGB: a scorer's memory ends at 4 GiB",
            ),
        ]
    }

    fn of_container(&self) -> Option<String> {
        let keys = &self.container_instance;
        let ssl = if keys.contains(&"sslEnabled") { "; TLS is a setting of the server" } else { "" };
        (!keys.is_empty()).then(|| format!("{}: for container instances only{ssl}", keys.join(", ")))
    }
}
