//! Reads an object field by field and collects what is wrong with it.

use serde_json::{Map, Value};

/// Findings at most; a file with more is not worth a longer list.
const MAX_FINDINGS: usize = 20;

/// One object of a file.
pub(super) struct Object<'a> {
    path: String,
    fields: &'a Map<String, Value>,
}

/// What was found wrong so far, each as `path: message`.
#[derive(Default)]
pub(super) struct Findings(Vec<String>);

impl Findings {
    pub(super) fn add(&mut self, path: &str, message: impl AsRef<str>) {
        if self.0.len() < MAX_FINDINGS {
            self.0.push(format!("{path}: {}", message.as_ref()));
        }
    }

    pub(super) fn finish<T>(self, value: Option<T>) -> Result<T, Vec<String>> {
        match value {
            Some(value) if self.0.is_empty() => Ok(value),
            _ => Err(self.0),
        }
    }
}

/// A value as JSON text, shortened for a message.
fn brief(value: &Value) -> String {
    let text = value.to_string();
    if text.chars().count() <= 40 { text } else { text.chars().take(40).chain("…".chars()).collect() }
}

/// The closest of the known names, where one is close.
pub(super) fn nearest<'a>(name: &str, known: &[&'a str]) -> Option<&'a str> {
    // Distances to a long name cost its length and say nothing.
    if name.len() > 64 {
        return None;
    }
    let distance = |candidate: &str| strsim::damerau_levenshtein(&name.to_lowercase(), &candidate.to_lowercase());
    let (far, closest) = known.iter().map(|candidate| (distance(candidate), *candidate)).min()?;
    (far <= 1 + name.chars().count() / 4).then_some(closest)
}

impl<'a> Object<'a> {
    /// The object at `path`; reports keys that are not in `known`.
    pub(super) fn open(path: String, value: &'a Value, known: &[&str], found: &mut Findings) -> Option<Self> {
        let Value::Object(fields) = value else {
            found.add(&path, format!("must be an object, is {}", brief(value)));
            return None;
        };
        for key in fields.keys().filter(|key| !known.contains(&key.as_str())) {
            let shown = brief(&Value::from(key.as_str()));
            let message = match nearest(key, known) {
                Some(meant) => format!("unknown key {shown}; did you mean '{meant}'?"),
                None => format!("unknown key {shown}; known are {}", known.join(", ")),
            };
            found.add(&path, message);
        }
        Some(Self { path, fields })
    }

    pub(super) fn at(&self, key: &str) -> String {
        format!("{}.{key}", self.path)
    }

    pub(super) fn path(&self) -> &str {
        &self.path
    }

    pub(super) fn value(&self, key: &str) -> Option<&'a Value> {
        self.fields.get(key)
    }

    /// The value of a key that `convert` takes; a finding where it is something else.
    pub(super) fn typed<T>(
        &self,
        key: &str,
        expected: &str,
        found: &mut Findings,
        convert: impl FnOnce(&'a Value) -> Option<T>,
    ) -> Option<T> {
        let value = self.value(key)?;
        let converted = convert(value);
        if converted.is_none() {
            found.add(&self.at(key), format!("must be {expected}, is {}", brief(value)));
        }
        converted
    }

    /// The same for a key that must be there.
    pub(super) fn required<T>(
        &self,
        key: &str,
        expected: &str,
        found: &mut Findings,
        convert: impl FnOnce(&'a Value) -> Option<T>,
    ) -> Option<T> {
        if self.value(key).is_none() {
            found.add(&self.path, format!("lacks '{key}', which must be {expected}"));
        }
        self.typed(key, expected, found, convert)
    }
}
