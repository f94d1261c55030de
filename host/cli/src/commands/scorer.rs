use std::collections::BTreeMap;
use std::path::Path;

use scorehost_build::{BuildOutcome, BuildRequest, Builder, BuilderConfig, CacheUse, Language, templates};
use serde::Serialize;

use crate::args::ScorerCommand;
use crate::error::Doing;
use crate::progress::Bar;
use crate::screen::{Screen, sheet, size, table};
use crate::source::read;
use crate::{CliError, Host, Inspection};

mod scan;
mod sign;

pub(super) fn run(host: &dyn Host, command: ScorerCommand, screen: &mut Screen<'_>) -> Result<(), CliError> {
    match command {
        ScorerCommand::New { language, dir } => new(&language, &dir, screen),
        ScorerCommand::Build { dir, out } => {
            let request = BuildRequest { source: dir, out: Some(out.clone()), ..BuildRequest::default() };
            let built = build(&request, screen)?;
            Ok(screen.result(&Built::of(&built, &out), Built::line)?)
        }
        ScorerCommand::Inspect { component } => {
            let inspection = host.inspect(&read(&component)?);
            let inspection = inspection.doing(|| format!("inspect '{}'", component.display()))?;
            Ok(screen.result(&inspection, show)?)
        }
        ScorerCommand::Scan(arguments) => scan::run(host, &arguments, screen),
        ScorerCommand::Keygen { out } => sign::keygen(host, &out, screen),
        ScorerCommand::Sign { component, key, out } => sign::sign(host, &component, &key, out, screen),
        ScorerCommand::Verify { component, signature, public_key } => {
            sign::verify(host, &component, signature, &public_key, screen)
        }
    }
}

fn new(language: &str, dir: &Path, screen: &mut Screen<'_>) -> Result<(), CliError> {
    let made = language.parse::<Language>().and_then(|language| templates::write(language, dir));
    made.doing(|| format!("make the scorer '{}'", dir.display()))?;
    #[derive(Serialize)]
    struct New<'a> {
        language: &'a str,
        dir: &'a Path,
    }
    Ok(screen.result(&New { language, dir }, |new| {
        format!("{dir}\nnext: scorehost scorer build {dir} -o scorer.wasm", dir = new.dir.display())
    })?)
}

/// Builds with a spinner. What a compiler printed comes whole in the error, or here where it only warned.
pub(super) fn build(request: &BuildRequest, screen: &mut Screen<'_>) -> Result<BuildOutcome, CliError> {
    let bar = Bar::spinner("building the scorer");
    let built = Builder::new(BuilderConfig::default()).build(request, &bar);
    drop(bar);
    let built = built.map_err(CliError::Build)?;
    let how = built.cache.description();
    screen.note(&format!("{} scorer {how} in {} ms", built.language, built.took.as_millis()));
    Ok(built)
}

#[derive(Serialize)]
struct Built<'a> {
    out: &'a Path,
    digest: String,
    size: u64,
    language: &'static str,
    toolchain: &'a str,
    cached: bool,
    milliseconds: u128,
}

impl<'a> Built<'a> {
    fn of(built: &'a BuildOutcome, out: &'a Path) -> Self {
        Self {
            out,
            digest: built.digest.to_string(),
            size: built.component.len() as u64,
            language: built.language.name(),
            toolchain: &built.toolchain,
            cached: built.cache != CacheUse::Built,
            milliseconds: built.took.as_millis(),
        }
    }

    fn line(&self) -> String {
        format!("{} {} {}", self.out.display(), self.digest, size(self.size))
    }
}

fn show(inspection: &Inspection) -> String {
    let toolchain: Vec<String> =
        inspection.toolchain.iter().map(|tool| format!("{} {}", tool.name, tool.version).trim().to_owned()).collect();
    let facts = sheet([
        (
            "World",
            inspection.world.clone().unwrap_or_else(|| "none that this host knows; it cannot be deployed".to_owned()),
        ),
        ("Size", size(inspection.size)),
        ("Digest", inspection.digest.clone()),
        ("Made by", toolchain.join(", ")),
        ("Exports", inspection.exports.join(", ")),
        ("Packages", packages(inspection)),
    ]);
    let rows = inspection.capabilities.iter().map(|capability| {
        let granted = match (&capability.needs, capability.granted) {
            (_, false) => "NO",
            (Some(_), true) => "where listed",
            (None, true) => "yes",
        };
        vec![capability.name.clone(), granted.to_owned(), capability.meaning.clone(), capability.imports.join(" ")]
    });
    format!("{facts}\n\n{}", table(&["can reach", "granted", "meaning", "imports"], rows))
}

/// How many packages of which ecosystem.
fn packages(inspection: &Inspection) -> String {
    let Some(dependencies) = &inspection.dependencies else {
        return "unknown: it does not list them, and an advisory list cannot be compared with it".to_owned();
    };
    let mut counts = BTreeMap::new();
    for dependency in dependencies {
        *counts.entry(dependency.ecosystem.as_str()).or_insert(0_u32) += 1;
    }
    let counts: Vec<String> = counts.into_iter().map(|(ecosystem, count)| format!("{count} {ecosystem}")).collect();
    if counts.is_empty() { "none".to_owned() } else { counts.join(", ") }
}
