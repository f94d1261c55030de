//! Reads an object field by field and collects what is wrong with it.

use std::fmt;

use scorehost_core::{Failure, Secret};
use serde_json::{Map, Value};

use super::suggest::nearest;

/// One thing that is wrong in a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// Where: `$.autoScaler.minReplicas`.
    pub path: String,
    /// What was expected.
    pub message: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.path, self.message)
    }
}

/// Everything that is wrong in one file.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{file} has {} {}:{}", violations.len(), if violations.len() == 1 { "error" } else { "errors" }, listed(violations))]
pub struct Violations {
    /// Kind of file: `deploymentconfig.json`.
    pub file: &'static str,
    /// At least one.
    pub violations: Vec<Violation>,
}

fn listed(violations: &[Violation]) -> String {
    violations.iter().map(|violation| format!("\n  {violation}")).collect()
}

impl From<Violations> for Failure {
    fn from(violations: Violations) -> Self {
        let file = match violations.file {
            "config.pbtxt" | "config.json" => "model-configuration",
            other => other.trim_end_matches(".json"),
        };
        Self::invalid(violations.to_string())
            .with_hint(format!("docs/reference/{file}.md lists the keys with their rules"))
    }
}

/// The root path of a file.
pub(super) const ROOT: &str = "$";

/// One object of a file.
pub(super) struct Object<'a> {
    path: String,
    fields: &'a Map<String, Value>,
}

/// What was found wrong so far.
#[derive(Default)]
pub(super) struct Findings(Vec<Violation>);

impl Findings {
    pub(super) fn add(&mut self, path: impl Into<String>, message: impl Into<String>) {
        self.0.push(Violation { path: path.into(), message: message.into() });
    }

    pub(super) fn finish<T>(self, file: &'static str, value: T) -> Result<T, Violations> {
        if self.0.is_empty() { Ok(value) } else { Err(Violations { file, violations: self.0 }) }
    }
}

/// Whether a text can be a credential in a request's head.
fn fits_header(text: &str) -> bool {
    (1..=256).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic())
}

/// A value as JSON text, shortened for a message.
pub(super) fn brief(value: &Value) -> String {
    let text = value.to_string();
    if text.chars().count() <= 40 { text } else { text.chars().take(40).chain("…".chars()).collect() }
}

impl<'a> Object<'a> {
    /// The object at `path`; reports keys that are not in `known`.
    pub(super) fn open(path: &str, value: &'a Value, known: &[&str], found: &mut Findings) -> Option<Self> {
        let Value::Object(fields) = value else {
            found.add(path, format!("must be an object, is {}", brief(value)));
            return None;
        };
        for key in fields.keys().filter(|key| !known.contains(&key.as_str())) {
            let message = match nearest(key, known) {
                Some(meant) => format!("unknown key; did you mean '{meant}'?"),
                None => format!("unknown key; known are {}", known.join(", ")),
            };
            found.add(format!("{path}.{key}"), message);
        }
        Some(Self { path: path.to_owned(), fields })
    }

    pub(super) fn at(&self, key: &str) -> String {
        format!("{}.{key}", self.path)
    }

    /// The value of a key; an explicit `null` is the same as no key.
    pub(super) fn value(&self, key: &str) -> Option<&'a Value> {
        self.fields.get(key).filter(|value| !value.is_null())
    }

    pub(super) fn object(&self, key: &str, known: &[&str], found: &mut Findings) -> Option<Object<'a>> {
        Object::open(&self.at(key), self.value(key)?, known, found)
    }

    fn typed<T>(
        &self,
        key: &str,
        expected: &str,
        found: &mut Findings,
        convert: impl FnOnce(&'a Value) -> Option<T>,
    ) -> Option<T> {
        let value = self.value(key)?;
        let converted = convert(value);
        if converted.is_none() {
            found.add(self.at(key), format!("must be {expected}, is {}", brief(value)));
        }
        converted
    }

    pub(super) fn flag(&self, key: &str, found: &mut Findings) -> Option<bool> {
        self.typed(key, "true or false", found, Value::as_bool)
    }

    pub(super) fn text(&self, key: &str, found: &mut Findings) -> Option<String> {
        self.typed(key, "text", found, Value::as_str).map(str::to_owned)
    }

    /// Text that a message must not show.
    pub(super) fn secret(&self, key: &str, found: &mut Findings) -> Option<Secret> {
        let value = self.value(key)?;
        match value.as_str().filter(|text| fits_header(text)) {
            Some(text) => Some(Secret::new(text)),
            None => {
                found.add(self.at(key), "must be text of 1-256 visible ASCII characters without spaces");
                None
            }
        }
    }

    /// The items of a list, each with its path.
    pub(super) fn list(&self, key: &str, found: &mut Findings) -> Vec<(String, &'a Value)> {
        let items = self.typed(key, "a list", found, Value::as_array);
        let path = self.at(key);
        items.into_iter().flatten().enumerate().map(|(index, item)| (format!("{path}[{index}]"), item)).collect()
    }

    /// The items of a list, or the one value that stands in place of a list, each with its path.
    pub(super) fn several(&self, key: &str, found: &mut Findings) -> Vec<(String, &'a Value)> {
        match self.value(key) {
            Some(Value::Array(_)) => self.list(key, found),
            Some(one) => vec![(self.at(key), one)],
            None => Vec::new(),
        }
    }

    /// One of a few words, in any case.
    pub(super) fn word<T: Copy>(&self, key: &str, words: &[(&str, T)], found: &mut Findings) -> Option<T> {
        let names: Vec<&str> = words.iter().map(|(name, _)| *name).collect();
        let expected = format!("one of {}", names.join(", "));
        self.typed(key, &expected, found, |value| {
            let text = value.as_str()?;
            words.iter().find(|(name, _)| name.eq_ignore_ascii_case(text)).map(|(_, meaning)| *meaning)
        })
    }

    /// A whole number from 1 on.
    pub(super) fn count(&self, key: &str, found: &mut Findings) -> Option<u32> {
        self.whole(key, 1, u64::from(u32::MAX), "a whole number above 0", found).map(|number| number as u32)
    }

    pub(super) fn whole(&self, key: &str, min: u64, max: u64, expected: &str, found: &mut Findings) -> Option<u64> {
        self.typed(key, expected, found, |value| whole(value).filter(|number| (min..=max).contains(number)))
    }

    /// A number above 0.
    pub(super) fn positive(&self, key: &str, found: &mut Findings) -> Option<f64> {
        self.typed(key, "a number above 0", found, |value| value.as_f64().filter(|number| *number > 0.0))
    }

    /// A number between two bounds, which are included.
    pub(super) fn between(&self, key: &str, min: f64, max: f64, found: &mut Findings) -> Option<f64> {
        let expected = format!("a number from {min} to {max}");
        self.typed(key, &expected, found, |value| value.as_f64().filter(|number| (min..=max).contains(number)))
    }
}

/// A whole number, also where it is written `2.0`.
fn whole(value: &Value) -> Option<u64> {
    let from_float = |number: f64| (number.fract() == 0.0 && (0.0..1e15).contains(&number)).then_some(number as u64);
    value.as_u64().or_else(|| value.as_f64().and_then(from_float))
}
