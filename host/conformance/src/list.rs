//! Lists of expected passes: they only grow.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use crate::suite::say;
use crate::{Class, Outcomes, Suite};

/// The list of cases that a device is known to pass, one name a line.
pub struct Expected {
    path: PathBuf,
    names: BTreeSet<String>,
}

impl Expected {
    /// The list at `path`; empty where there is none yet.
    #[must_use]
    pub fn read(path: &Path) -> Self {
        let text = std::fs::read_to_string(path).unwrap_or_default();
        Self { path: path.to_owned(), names: text.lines().map(str::to_owned).collect() }
    }

    /// Names of the list.
    #[must_use]
    pub fn names(&self) -> &BTreeSet<String> {
        &self.names
    }

    /// Prints the table and holds outcomes against the list. With `UPDATE=1` new passes are added to it first.
    ///
    /// # Panics
    /// When a listed case fails or is none of the suite, a case passes that is not listed, or less than `percent` of the
    /// [`Class::Plain`] cases pass.
    pub fn check(mut self, suite: &Suite, device: &str, outcomes: &Outcomes, percent: f64) {
        say(&suite.table(device, outcomes));
        let passed: BTreeSet<String> =
            outcomes.iter().filter(|(_, outcome)| outcome.is_ok()).map(|(name, _)| name.clone()).collect();
        if updating() {
            self.names.extend(passed.iter().cloned());
            let lines: String = self.names.iter().map(|name| format!("{name}\n")).collect();
            std::fs::write(&self.path, lines).unwrap_or_else(|error| panic!("{}: {error}", self.path.display()));
            crate::page::write_or_check(suite);
        }
        let reason = |name: &String| match outcomes.get(name) {
            Some(Err(reason)) => format!("{name}: {reason}"),
            _ => format!("{name}: no such case"),
        };
        if std::env::var("SHOW").as_deref() == Ok("1") {
            let failed = outcomes.keys().filter(|name| !passed.contains(*name)).map(reason);
            say(&failed.collect::<Vec<_>>().join("\n"));
        }
        let lost: Vec<String> = self.names.difference(&passed).map(reason).collect();
        assert!(lost.is_empty(), "{device} no longer passes cases of its list:\n{}", lost.join("\n"));
        let new = passed.difference(&self.names).count();
        let some: Vec<&String> = passed.difference(&self.names).take(20).collect();
        let path = self.path.display();
        assert!(new == 0, "{device} passes {new} cases that are not in {path}; add them (UPDATE=1): {some:?}");
        let (passed, all) = suite.count(Class::Plain, outcomes);
        let share = 100.0 * passed as f64 / all as f64;
        assert!(
            share >= percent,
            "{device} passes {share:.1} % of the {} cases, expected {percent} %",
            Class::Plain.name()
        );
    }
}

/// Whether lists and the page are to be written.
pub(crate) fn updating() -> bool {
    std::env::var("UPDATE").as_deref() == Ok("1")
}
