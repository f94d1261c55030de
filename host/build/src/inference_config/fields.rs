//! Reads an object key by key and collects what is wrong, by JSON path.

use serde_json::{Map, Value};

use crate::suggest::did_you_mean;

/// What was found wrong so far.
#[derive(Default)]
pub(super) struct Found {
    problems: Vec<String>,
    hints: Vec<String>,
}

impl Found {
    pub(super) fn add(&mut self, path: impl AsRef<str>, problem: &str, hint: Option<&str>) {
        self.problems.push(format!("{}: {problem}", path.as_ref()));
        if let Some(hint) = hint.filter(|hint| !self.hints.iter().any(|known| known == hint)) {
            self.hints.push(hint.to_owned());
        }
    }

    /// The value that was read, or everything that was wrong with the hints to it.
    pub(super) fn finish<T>(self, value: Option<T>) -> Result<T, (String, Option<String>)> {
        match (value, self.problems.as_slice()) {
            (Some(value), []) => Ok(value),
            (_, problems) => {
                let text = match problems {
                    [one] => one.clone(),
                    several => format!("{} errors:\n  {}", several.len(), several.join("\n  ")),
                };
                Err((text, (!self.hints.is_empty()).then(|| self.hints.join("; "))))
            }
        }
    }
}

/// One object of the document.
pub(super) struct Fields<'a> {
    path: String,
    fields: &'a Map<String, Value>,
}

impl<'a> Fields<'a> {
    /// The object at `path`; reports keys that are not `known`.
    pub(super) fn open(path: &str, value: &'a Value, known: &[&str], found: &mut Found) -> Option<Self> {
        let Some(fields) = value.as_object() else {
            found.add(path, "must be an object", None);
            return None;
        };
        for key in fields.keys().filter(|key| !known.contains(&key.as_str())) {
            let problem = match did_you_mean(key, known.iter().copied()) {
                Some(meant) => format!("unknown key; {meant}"),
                None => format!("unknown key; known are {}", known.join(", ")),
            };
            found.add(format!("{path}.{key}"), &problem, None);
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

    pub(super) fn object(&self, key: &str, known: &[&str], found: &mut Found) -> Option<Self> {
        Fields::open(&self.at(key), self.value(key)?, known, found)
    }

    pub(super) fn object_of_anything(&self, key: &str, found: &mut Found) -> Option<&'a Map<String, Value>> {
        self.typed(key, "must be an object", found, Value::as_object)
    }

    pub(super) fn text(&self, key: &str, found: &mut Found) -> Option<String> {
        self.typed(key, "must be a string", found, Value::as_str).map(str::to_owned)
    }

    pub(super) fn flag(&self, key: &str, found: &mut Found) -> Option<bool> {
        self.typed(key, "must be true or false", found, Value::as_bool)
    }

    /// Reports a key that asks for something which there is not.
    pub(super) fn refuse(&self, key: &str, reason: &str, hint: Option<&str>, found: &mut Found) {
        if self.value(key).is_some_and(asks_for_something) {
            found.add(self.at(key), &format!("cannot be honoured: {reason}"), hint);
        }
    }

    fn typed<T>(
        &self,
        key: &str,
        problem: &str,
        found: &mut Found,
        convert: impl FnOnce(&'a Value) -> Option<T>,
    ) -> Option<T> {
        let converted = convert(self.value(key)?);
        if converted.is_none() {
            found.add(self.at(key), problem, None);
        }
        converted
    }
}

/// Whether a value is more than the nothing that the Azure SDK writes into every key.
pub(super) fn asks_for_something(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(false) => false,
        Value::Object(map) => map.values().any(asks_for_something),
        Value::Array(items) => !items.is_empty(),
        Value::String(text) => !text.is_empty(),
        Value::Bool(true) | Value::Number(_) => true,
    }
}
