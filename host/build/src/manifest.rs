//! `scorehost.toml`: what a source folder says of itself. Every key is optional.

use std::fs;
use std::path::Path;

use crate::suggest::did_you_mean;
use crate::{BuildError, Language, World};

/// The file's name.
pub(crate) const FILE: &str = "scorehost.toml";

const KEYS: [&str; 6] = ["language", "world", "entry", "environment", "target", "imports"];

/// Values of `imports`.
const HTTP: &str = "wasi:http";
const SERVICES: &str = "scorehost:services";

/// What `scorehost.toml` says.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Manifest {
    pub(crate) language: Option<Language>,
    pub(crate) world: Option<World>,
    /// The main file.
    pub(crate) entry: Option<String>,
    /// The file that lists Python packages.
    pub(crate) environment: Option<String>,
    /// The Rust target.
    pub(crate) target: Option<String>,
    /// Whether the scorer calls other servers: `imports = "wasi:http"`.
    pub(crate) http: bool,
    /// Whether the scorer calls other services: `imports = "scorehost:services"`.
    pub(crate) services: bool,
}

impl Manifest {
    /// Reads the manifest of a source folder; the default where there is none.
    pub(crate) fn read(source: &Path) -> Result<Self, BuildError> {
        let file = source.join(FILE);
        if !file.exists() {
            return Ok(Self::default());
        }
        let text = fs::read_to_string(&file).map_err(BuildError::io("read", &file))?;
        Self::parse(&text).map_err(|(problem, hint)| BuildError::Configuration { file, problem, hint })
    }

    fn parse(text: &str) -> Result<Self, (String, Option<String>)> {
        let table: toml::Table = text.parse().map_err(|error: toml::de::Error| (error.to_string(), None))?;
        let mut manifest = Self::default();
        for (key, value) in table {
            if key == "imports" {
                manifest.import(value)?;
                continue;
            }
            let Some(value) = value.as_str().map(str::to_owned) else {
                return Err((format!("'{key}' must be a string"), None));
            };
            match key.as_str() {
                "language" => {
                    manifest.language =
                        Some(value.parse().map_err(|error: BuildError| (error.to_string(), error.hint()))?)
                }
                "world" => manifest.world = Some(world(&value)?),
                "entry" => manifest.entry = Some(below(&key, value)?),
                "environment" => manifest.environment = Some(below(&key, value)?),
                "target" => manifest.target = Some(target(value)?),
                _ => {
                    return Err((
                        format!("there is no key '{key}'; there are: {}", KEYS.join(", ")),
                        did_you_mean(&key, KEYS),
                    ));
                }
            }
        }
        Ok(manifest)
    }

    /// Reads `imports`: a name, or a list of names.
    fn import(&mut self, value: toml::Value) -> Result<(), (String, Option<String>)> {
        let values = match value {
            toml::Value::Array(values) => values,
            one => vec![one],
        };
        for value in values {
            match value.as_str() {
                Some(HTTP) => self.http = true,
                Some(SERVICES) => self.services = true,
                Some(other) => {
                    let known = [HTTP, SERVICES];
                    let problem = format!("'{other}' cannot be imported; there are: {}", known.join(", "));
                    return Err((problem, did_you_mean(other, known)));
                }
                None => return Err(("'imports' must be a string or a list of strings".to_owned(), None)),
            }
        }
        Ok(())
    }
}

fn world(name: &str) -> Result<World, (String, Option<String>)> {
    let worlds = [World::Scorer, World::EntryScript];
    worlds.into_iter().find(|world| world.name() == name).ok_or_else(|| {
        (
            format!("'{name}' is not a world; there are scorer and entry-script"),
            did_you_mean(name, worlds.map(World::name)),
        )
    })
}

fn target(name: String) -> Result<String, (String, Option<String>)> {
    const TARGETS: [&str; 2] = ["wasm32-unknown-unknown", "wasm32-wasip2"];
    if TARGETS.contains(&name.as_str()) {
        return Ok(name);
    }
    Err((
        format!("'{name}' is not a target of scorers; there are {}", TARGETS.join(" and ")),
        did_you_mean(&name, TARGETS),
    ))
}

/// A path that stays below the source folder.
fn below(key: &str, path: String) -> Result<String, (String, Option<String>)> {
    use std::path::Component::{CurDir, Normal};
    let inside = Path::new(&path).components().all(|part| matches!(part, Normal(_) | CurDir));
    if inside && !path.is_empty() {
        Ok(path)
    } else {
        Err((format!("'{key}' must be a path below the source folder"), None))
    }
}

#[cfg(test)]
mod tests {
    use super::Manifest;
    use crate::{Language, World};

    #[test]
    fn every_key_is_read() {
        let text = "language = 'python'\nworld = 'scorer'\nentry = 'src/score.py'\nenvironment = 'env.yml'\ntarget = 'wasm32-wasip2'\nimports = 'wasi:http'";
        let expected = Manifest {
            language: Some(Language::Python),
            world: Some(World::Scorer),
            entry: Some("src/score.py".into()),
            environment: Some("env.yml".into()),
            target: Some("wasm32-wasip2".into()),
            http: true,
            services: false,
        };
        assert_eq!(Manifest::parse(text), Ok(expected));
        let both = Manifest::parse("imports = ['wasi:http', 'scorehost:services']").expect("a list");
        assert!(both.http && both.services);
    }

    #[test]
    fn wrong_keys_and_values_are_named_with_the_closest_right_one() {
        let check = |text: &str, named: &str, hint: Option<&str>| {
            let (problem, suggestion) = Manifest::parse(text).expect_err(text);
            assert!(problem.contains(named), "{problem}");
            assert_eq!(suggestion.as_deref(), hint);
        };
        check("langauge = 'c'", "'langauge'", Some("did you mean 'language'?"));
        check("language = 'pyton'", "'pyton'", Some("did you mean 'python'?"));
        check("world = 'entryscript'", "'entryscript'", Some("did you mean 'entry-script'?"));
        check("target = 'wasm32-wasi'", "'wasm32-wasi'", Some("did you mean 'wasm32-wasip2'?"));
        check("entry = '../score.py'", "below the source folder", None);
        check("imports = 'wasi:htpp'", "'wasi:htpp'", Some("did you mean 'wasi:http'?"));
        check("entry = 3", "must be a string", None);
    }
}
