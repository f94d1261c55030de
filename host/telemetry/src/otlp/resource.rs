//! Who sends: the resource attributes of every span and record.

use opentelemetry::{Key, KeyValue};
use opentelemetry_sdk::Resource;

use super::OtlpConfig;

/// The host's attributes; `OTEL_SERVICE_NAME` and `OTEL_RESOURCE_ATTRIBUTES` go before them.
pub(super) fn resource(config: &OtlpConfig) -> Resource {
    let given = Resource::builder().build();
    let own = [
        ("service.version", config.version.to_owned()),
        ("service.instance.id", instance()),
        ("host.name", host_name()),
        ("process.pid", std::process::id().to_string()),
    ];
    let missing = own.into_iter().filter(|(name, _)| given.get(&Key::from_static_str(name)).is_none());
    let builder = Resource::builder().with_attributes(missing.map(|(name, value)| KeyValue::new(name, value)));
    let named = given
        .get(&Key::from_static_str("service.name"))
        .is_some_and(|name| !name.as_str().starts_with("unknown_service"));
    if named { builder.build() } else { builder.with_service_name(config.service).build() }
}

/// Tells hosts of one name apart.
fn instance() -> String {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    format!("{}-{:x}-{:x}", host_name(), std::process::id(), since.as_millis())
}

fn host_name() -> String {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    match name.trim() {
        "" => "localhost".to_owned(),
        name => name.to_owned(),
    }
}
