//! Which imports of a component are granted.

use crate::ScorerError;

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
    ("wasi:io", &["error", "poll", "streams"]),
    ("wasi:random", &["random", "insecure", "insecure-seed"]),
    (
        "wasi:sockets",
        &["network", "instance-network", "ip-name-lookup", "tcp", "tcp-create-socket", "udp", "udp-create-socket"],
    ),
];

/// Interfaces of `scorehost:scoring@0.1.0`.
const SCORING: &[&str] = &["failures", "tensors", "models", "context", "log", "collect"];
/// Interfaces of `wasi:nn@0.2.0-rc-2024-10-28`.
const NN: &[&str] = &["tensor", "graph", "inference", "errors"];

/// Refuses a component with imports that are not granted, naming all of them.
pub(crate) fn check<'a>(imports: impl IntoIterator<Item = &'a str>) -> Result<(), ScorerError> {
    let refused: Vec<String> =
        imports.into_iter().filter(|name| !granted(name)).map(|name| format!("'{name}'{}", reason(name))).collect();
    if refused.is_empty() { Ok(()) } else { Err(ScorerError::Imports(refused)) }
}

/// Whether an import is granted to every scorer.
pub(crate) fn granted(name: &str) -> bool {
    let Some((package, interface, version)) = split(name) else { return false };
    match package {
        "scorehost:scoring" => version == "0.1.0" && SCORING.contains(&interface),
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
        name if name.starts_with("wasi:http/") => " (outgoing HTTP is not granted)",
        name if name.starts_with("wasi:nn/") => " (offered: wasi:nn@0.2.0-rc-2024-10-28)",
        name if name.starts_with("scorehost:scoring/") => " (offered: scorehost:scoring@0.1.0)",
        name if name.starts_with("wasi:") => " (offered: cli, clocks, filesystem, io, random, sockets of WASI 0.2)",
        _ => "",
    }
}

#[cfg(test)]
mod tests;
