//! `scorer scan`: what a component reaches, what a deployment would give it, known flaws of its parts.

use scorehost_control::files::DeploymentConfig;
use scorehost_core::{Grants, Outbound};
use serde::Serialize;

use super::packages;
use crate::args::ScanArgs;
use crate::error::Doing;
use crate::screen::{Screen, sheet, table};
use crate::source::{read, read_text};
use crate::{Capability, CliError, Flaw, Host, Inspection};

/// The result, which is also the component's manifest.
#[derive(Serialize)]
struct Scan {
    #[serde(flatten)]
    inspection: Inspection,
    /// What a deployment would give it: by the configuration that was named, or in general.
    deployment: Vec<Given>,
    /// Why a host would not take it.
    refused: Vec<String>,
    /// Known flaws, worst first; none where no list was given.
    flaws: Option<Vec<Flaw>>,
}

#[derive(Serialize)]
struct Given {
    capability: String,
    given: String,
}

pub(super) fn run(host: &dyn Host, arguments: &ScanArgs, screen: &mut Screen<'_>) -> Result<(), CliError> {
    let component = read(&arguments.component)?;
    let doing = || format!("scan '{}'", arguments.component.display());
    let inspection = host.inspect(&component).doing(doing)?;
    let grants = arguments.dc.as_deref().map(|path| {
        let config = DeploymentConfig::parse(&read_text(path)?).doing(|| format!("use '{}'", path.display()))?;
        Ok::<_, CliError>(config.grants())
    });
    let grants = grants.transpose()?;
    let flaws = match &arguments.advisories {
        Some(list) => Some(host.flaws(&component, &read_text(list)?).doing(|| format!("use '{}'", list.display()))?),
        None => None,
    };
    let scan = Scan {
        deployment: inspection.capabilities.iter().map(|one| given(one, grants.as_ref())).collect(),
        refused: refused(&inspection, grants.as_ref()),
        inspection,
        flaws,
    };
    screen.result(&scan, show)?;
    let counts = |flaw: &&Flaw| rank(flaw.severity) >= rank(arguments.fail_on.name());
    let found = scan.flaws.iter().flatten().filter(counts).count();
    if found == 0 && scan.refused.is_empty() {
        return Ok(());
    }
    screen.flush()?;
    Err(CliError::Scan { flaws: found, level: arguments.fail_on.name(), refused: scan.refused })
}

fn rank(severity: &str) -> usize {
    ["low", "medium", "high", "critical"].iter().position(|known| *known == severity).unwrap_or(1)
}

/// What a deployment gives for one capability.
fn given(capability: &Capability, grants: Option<&Grants>) -> Given {
    let by = |granted: fn(&Grants) -> bool, key: &str, without: &str| match grants {
        Some(grants) if granted(grants) => "granted".to_owned(),
        Some(_) => without.to_owned(),
        None => format!("{without}, unless {key} is true"),
    };
    let given = match capability.name.as_str() {
        _ if !capability.granted => "REFUSED".to_owned(),
        "clocks" => by(|grants| grants.clock, "scorehost.grants.clock", "a clock that stands still"),
        "random" => by(|grants| grants.random, "scorehost.grants.random", "the same numbers everywhere"),
        "outgoing http" => match grants {
            Some(grants) if !grants.outbound.is_empty() => hosts(&grants.outbound),
            Some(_) => "no host".to_owned(),
            None => "the hosts that scorehost.grants.outbound lists".to_owned(),
        },
        "files" | "network" => "nothing".to_owned(),
        _ => "granted".to_owned(),
    };
    Given { capability: capability.name.clone(), given }
}

fn hosts(places: &[Outbound]) -> String {
    let place = |place: &Outbound| {
        let port = place.port.map(|port| format!(":{port}")).unwrap_or_default();
        format!("{}{port}{}", place.host, if place.private { " (private, too)" } else { "" })
    };
    places.iter().map(place).collect::<Vec<_>>().join(", ")
}

/// Why a host would not take it.
fn refused(inspection: &Inspection, grants: Option<&Grants>) -> Vec<String> {
    let mut reasons = Vec::new();
    if inspection.world.is_none() {
        reasons.push(format!("it fits no world of this host; it exports [{}]", inspection.exports.join(", ")));
    }
    let refused = inspection.capabilities.iter().filter(|capability| !capability.granted);
    reasons.extend(refused.flat_map(|capability| &capability.imports).map(|import| format!("it imports '{import}'")));
    // The standard world of handlers contains the import, used or not.
    let handler = inspection.world.as_deref().is_some_and(|world| world.starts_with("wasi:http/"));
    let silent = grants.is_some_and(|grants| grants.outbound.is_empty()) && !handler;
    let needing = inspection.capabilities.iter().filter(|capability| silent && capability.granted);
    reasons.extend(needing.filter_map(|capability| {
        let key = capability.needs.as_ref()?;
        Some(format!("it imports '{}' and {key} is empty", capability.imports.first()?))
    }));
    reasons
}

fn show(scan: &Scan) -> String {
    let inspection = &scan.inspection;
    let verdict = match scan.refused.as_slice() {
        [] => "can be deployed".to_owned(),
        reasons => format!("REFUSED: {}", reasons.join("; ")),
    };
    let facts = sheet([
        ("Digest", inspection.digest.clone()),
        ("World", inspection.world.clone().unwrap_or_else(|| "none".to_owned())),
        ("Verdict", verdict),
        ("Packages", packages(inspection)),
    ]);
    let rows =
        inspection.capabilities.iter().zip(&scan.deployment).map(|(capability, given)| {
            vec![capability.name.clone(), given.given.clone(), capability.imports.join(" ")]
        });
    let reach = table(&["can reach", "a deployment gives", "imports"], rows);
    let flaws = match scan.flaws.as_deref() {
        None => "Known flaws: not looked for; give --advisories FILE".to_owned(),
        Some(_) if inspection.dependencies.is_none() => {
            "Known flaws: cannot be told; the component does not list its packages".to_owned()
        }
        Some([]) => "Known flaws: none".to_owned(),
        Some(flaws) => {
            table(&["severity", "advisory", "package", "version", "mended in", "what"], flaws.iter().map(flaw))
        }
    };
    format!("{facts}\n\n{reach}\n\n{flaws}")
}

fn flaw(flaw: &Flaw) -> Vec<String> {
    let Flaw { advisory, severity, dependency, fixed, summary } = flaw;
    let package = format!("{} ({})", dependency.name, dependency.ecosystem);
    let fixed = fixed.clone().unwrap_or_else(|| "nothing yet".to_owned());
    vec![(*severity).to_owned(), advisory.clone(), package, dependency.version.clone(), fixed, summary.clone()]
}
