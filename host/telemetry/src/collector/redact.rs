//! What must not be stored: values under the names of a deployment's `redact`, in columns, tensors and JSON of any depth.

use serde_json::Value;

use super::table::Cell;

/// What stands in place of a value.
pub(super) const REDACTED: &str = "[redacted]";

/// Names whose values are replaced; compared without case.
#[derive(Clone, Debug, Default)]
pub(super) struct Redaction(Vec<String>);

impl Redaction {
    pub(super) fn new(names: &[String]) -> Self {
        Self(names.to_vec())
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether values under this name are replaced.
    pub(super) fn names(&self, name: &str) -> bool {
        self.0.iter().any(|hidden| hidden.eq_ignore_ascii_case(name))
    }

    /// An element, which may be text that holds JSON.
    pub(super) fn cell(&self, cell: Cell) -> Cell {
        match cell {
            Cell::Text(text) if !self.is_empty() => Cell::Text(self.embedded(&text).unwrap_or(text)),
            other => other,
        }
    }

    /// A document; `None` where it is no JSON.
    pub(super) fn document(&self, text: &str) -> Option<String> {
        let mut document: Value = serde_json::from_str(text).ok()?;
        Some(if self.walk(&mut document) { document.to_string() } else { text.to_owned() })
    }

    /// A body. What is no JSON has no names by which parts of it could be found, so it is replaced whole.
    pub(super) fn body(&self, text: &str) -> String {
        if self.is_empty() {
            return text.to_owned();
        }
        self.document(text).unwrap_or_else(|| REDACTED.to_owned())
    }

    /// The text after `?`: parameters of those names.
    pub(super) fn query(&self, query: &str) -> String {
        if self.is_empty() {
            return query.to_owned();
        }
        let part = |part: &str| match part.split_once('=') {
            // An encoded name might be any.
            Some((name, _)) if self.names(name) || name.contains('%') => format!("{name}={REDACTED}"),
            _ => part.to_owned(),
        };
        query.split('&').map(part).collect::<Vec<_>>().join("&")
    }

    /// Replaces values in place; whether there were any.
    fn walk(&self, value: &mut Value) -> bool {
        match value {
            Value::Object(members) => members.iter_mut().fold(false, |changed, (name, value)| {
                if self.names(name) {
                    *value = REDACTED.into();
                    return true;
                }
                self.walk(value) || changed
            }),
            // Not `any`: every item is to be walked.
            Value::Array(items) => items.iter_mut().filter_map(|item| self.walk(item).then_some(())).count() > 0,
            Value::String(text) => match self.embedded(text) {
                Some(replaced) => {
                    *text = replaced;
                    true
                }
                None => false,
            },
            _ => false,
        }
    }

    /// Text that is a JSON document itself, if something in it is replaced.
    fn embedded(&self, text: &str) -> Option<String> {
        if !text.trim_start().starts_with(['{', '[']) {
            return None;
        }
        let mut document: Value = serde_json::from_str(text).ok()?;
        self.walk(&mut document).then(|| document.to_string())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    fn of(names: &[&str]) -> Redaction {
        Redaction::new(&names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>())
    }

    #[test]
    fn members_of_any_depth_are_replaced_and_nothing_else() {
        let redaction = of(&["ssn", "Card"]);
        let check = |body: &str, expected: &str| assert_eq!(redaction.body(body), expected);
        check(r#"{"a": 1,  "b": [2]}"#, r#"{"a": 1,  "b": [2]}"#);
        check(r#"{"SSN": "1"}"#, r#"{"SSN":"[redacted]"}"#);
        check(r#"[{"a":{"card":{"no":1},"b":2}}]"#, r#"[{"a":{"b":2,"card":"[redacted]"}}]"#);
        check(r#"{"inner":"{\"ssn\":\"123\"}"}"#, r#"{"inner":"{\"ssn\":\"[redacted]\"}"}"#);
        check("ssn=123", REDACTED);
        assert_eq!(of(&[]).body("ssn=123"), "ssn=123");
    }

    #[test]
    fn parameters_of_a_query_are_replaced() {
        assert_eq!(of(&["ssn"]).query("a=1&SSN=2&s%73n=3"), "a=1&SSN=[redacted]&s%73n=[redacted]");
    }
}
