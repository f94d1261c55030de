//! Which imports of a component are granted.

use scorehost_core::Grants;

use crate::{ScorerError, World};

/// Interfaces of `wasi:<package>@0.2.x` that every scorer may import.
const WASI: &[(&str, &[&str])] = &[
    (
        "wasi:cli",
        &[
            "environment",
            "exit",
            "stdin",
            "stdout",
            "stderr",
            "terminal-input",
            "terminal-output",
            "terminal-stdin",
            "terminal-stdout",
            "terminal-stderr",
        ],
    ),
    ("wasi:clocks", &["monotonic-clock", "wall-clock"]),
    ("wasi:filesystem", &["types", "preopens"]),
    ("wasi:http", &["types", OUTGOING]),
    ("wasi:io", &["error", "poll", "streams"]),
    ("wasi:random", &["random", "insecure", "insecure-seed"]),
    (
        "wasi:sockets",
        &["network", "instance-network", "ip-name-lookup", "tcp", "tcp-create-socket", "udp", "udp-create-socket"],
    ),
];

/// The interface of `wasi:http` that calls other servers.
const OUTGOING: &str = "outgoing-handler";

/// Something that a deployment must grant before an import works.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Need {
    /// Hosts to call.
    Outbound,
    /// Services of this host to call.
    Services,
}

impl Need {
    /// The key of the deployment configuration that grants it.
    #[must_use]
    pub const fn key(self) -> &'static str {
        match self {
            Self::Outbound => "scorehost.grants.outbound",
            Self::Services => "scorehost.grants.services",
        }
    }

    /// Whether a deployment grants it.
    #[must_use]
    pub fn met(self, grants: &Grants) -> bool {
        match self {
            Self::Outbound => !grants.outbound.is_empty(),
            Self::Services => !grants.services.is_empty(),
        }
    }
}

/// What an import needs of the deployment; `None` where every deployment has it.
pub(crate) fn need(name: &str) -> Option<Need> {
    match split(name)? {
        ("wasi:http", OUTGOING, _) => Some(Need::Outbound),
        ("scorehost:services", "services", _) => Some(Need::Services),
        _ => None,
    }
}

/// What a component of a world needs. The standard world of HTTP handlers contains the import, used or not, so a handler is not
/// refused for it: without a grant its requests are.
pub(crate) fn needs(world: World, imports: Vec<String>) -> Vec<(String, Need)> {
    if world == World::HttpHandler {
        return Vec::new();
    }
    imports.into_iter().filter_map(|name| need(&name).map(|need| (name, need))).collect()
}

/// Refuses a deployment that does not grant what the component needs.
pub(crate) fn check_needs(needs: &[(String, Need)], grants: &Grants) -> Result<(), ScorerError> {
    match needs.iter().find(|(_, need)| !need.met(grants)) {
        Some((import, need)) => Err(ScorerError::NotGranted { import: import.clone(), key: need.key() }),
        None => Ok(()),
    }
}

/// Interfaces of `scorehost:scoring@0.1.0`.
const SCORING: &[&str] = &["failures", "tensors", "models", "context", "log", "collect"];
/// Interfaces of `scorehost:operations@0.1.0`.
const OPERATIONS: &[&str] = &["arrays", "images", "detection"];
/// Interfaces of `wasi:nn@0.2.0-rc-2024-10-28`.
const NN: &[&str] = &["tensor", "graph", "inference", "errors"];

/// Refuses a component with imports that are not granted, naming all of them.
pub(crate) fn check<'a>(imports: impl IntoIterator<Item = &'a str>) -> Result<(), ScorerError> {
    let refused: Vec<String> =
        imports.into_iter().filter(|name| !granted(name)).map(|name| format!("'{name}'{}", reason(name))).collect();
    if refused.is_empty() { Ok(()) } else { Err(ScorerError::Imports(refused)) }
}

/// Whether a scorer may import it; some imports need a grant of the deployment beside, see [`need`].
pub(crate) fn granted(name: &str) -> bool {
    let Some((package, interface, version)) = split(name) else { return false };
    match package {
        "scorehost:scoring" => version == "0.1.0" && SCORING.contains(&interface),
        "scorehost:operations" => version == "0.1.0" && OPERATIONS.contains(&interface),
        "scorehost:services" => version == "0.1.0" && interface == "services",
        "wasi:nn" => version == "0.2.0-rc-2024-10-28" && NN.contains(&interface),
        _ => {
            let release = version.strip_prefix("0.2.").is_some_and(|patch| patch.parse::<u32>().is_ok());
            release && WASI.iter().any(|(known, interfaces)| *known == package && interfaces.contains(&interface))
        }
    }
}

/// Package, interface and version of `namespace:package/interface@version`.
pub(crate) fn split(name: &str) -> Option<(&str, &str, &str)> {
    let (path, version) = name.split_once('@')?;
    let (package, interface) = path.split_once('/')?;
    Some((package, interface, version))
}

fn reason(name: &str) -> &'static str {
    match name {
        name if name.starts_with("wasi:http/") => " (offered: types and outgoing-handler of wasi:http 0.2)",
        name if name.starts_with("wasi:nn/") => " (offered: wasi:nn@0.2.0-rc-2024-10-28)",
        name if name.starts_with("scorehost:scoring/") => " (offered: scorehost:scoring@0.1.0)",
        name if name.starts_with("scorehost:operations/") => " (offered: scorehost:operations@0.1.0)",
        name if name.starts_with("scorehost:services/") => " (offered: scorehost:services@0.1.0)",
        name if name.starts_with("wasi:") => {
            " (offered: cli, clocks, filesystem, http, io, random, sockets of WASI 0.2)"
        }
        _ => "",
    }
}

#[cfg(test)]
mod tests;
