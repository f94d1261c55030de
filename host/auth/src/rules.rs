//! Who may call which service: a table that is replaced whole, read by every request.

use std::collections::HashMap;
use std::sync::Arc;

use arc_swap::ArcSwap;
use parking_lot::Mutex;
use scorehost_core::{Access, Secret, ServiceName};
use subtle::{Choice, ConstantTimeEq};

/// What calls one service needs.
#[derive(Debug)]
pub(crate) enum Rule {
    Open,
    Keys { primary: Secret, secondary: Secret },
    Tokens,
}

/// Which of a service's two keys a caller has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Key {
    Primary,
    Secondary,
}

impl Rule {
    fn of(access: &Access) -> Self {
        match access {
            Access::Open => Self::Open,
            Access::Keys { primary, secondary } => {
                Self::Keys { primary: primary.clone(), secondary: secondary.clone() }
            }
            Access::Tokens => Self::Tokens,
        }
    }
}

/// Compares with both keys and takes the same time whichever it is, and wherever the first difference lies; only lengths show.
pub(crate) fn key_of(presented: &str, primary: &Secret, secondary: &Secret) -> Option<Key> {
    let is = |key: &Secret| -> Choice {
        let key = key.reveal().as_bytes();
        // An empty key is none.
        key.ct_eq(presented.as_bytes()) & Choice::from(u8::from(!key.is_empty()))
    };
    let (is_primary, is_secondary) = (is(primary), is(secondary));
    if !bool::from(is_primary | is_secondary) {
        return None;
    }
    Some(if is_primary.into() { Key::Primary } else { Key::Secondary })
}

#[derive(Default)]
struct Table {
    rules: HashMap<Box<str>, Arc<Rule>>,
    /// Services that everyone may call.
    open: usize,
}

/// The rules of all services.
#[derive(Default)]
pub(crate) struct Rules {
    table: ArcSwap<Table>,
    change: Mutex<()>,
}

impl Rules {
    pub(crate) fn get(&self, service: &str) -> Option<Arc<Rule>> {
        self.table.load().rules.get(service).cloned()
    }

    /// Whether a request without a credential can be good for anything.
    pub(crate) fn any_open(&self) -> bool {
        self.table.load().open > 0
    }

    pub(crate) fn set(&self, service: &ServiceName, access: &Access) {
        self.change(|rules| drop(rules.insert(service.as_str().into(), Arc::new(Rule::of(access)))));
    }

    pub(crate) fn remove(&self, service: &ServiceName) {
        self.change(|rules| drop(rules.remove(service.as_str())));
    }

    fn change(&self, change: impl FnOnce(&mut HashMap<Box<str>, Arc<Rule>>)) {
        let _one_at_a_time = self.change.lock();
        let mut rules = self.table.load().rules.clone();
        change(&mut rules);
        let open = rules.values().filter(|rule| matches!(***rule, Rule::Open)).count();
        self.table.store(Arc::new(Table { rules, open }));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn either_key_is_good_and_nothing_else() {
        let (primary, secondary) = (Secret::new("first-key"), Secret::new("second-key"));
        let rows = [
            ("first-key", Some(Key::Primary)),
            ("second-key", Some(Key::Secondary)),
            ("", None),
            ("first-ke", None),
            ("first-key ", None),
            ("First-key", None),
            ("first-keysecond-key", None),
        ];
        for (presented, expected) in rows {
            assert_eq!(key_of(presented, &primary, &secondary), expected, "{presented}");
        }
        assert_eq!(key_of("", &Secret::new(""), &Secret::new("")), None);
    }

    #[test]
    fn a_change_counts_for_the_next_request() {
        let rules = Rules::default();
        let name: ServiceName = "digits".parse().unwrap();
        assert!(rules.get("digits").is_none() && !rules.any_open());
        rules.set(&name, &Access::Open);
        assert!(rules.any_open() && matches!(*rules.get("digits").unwrap(), Rule::Open));
        rules.set(&name, &Access::Tokens);
        assert!(!rules.any_open() && matches!(*rules.get("digits").unwrap(), Rule::Tokens));
        rules.remove(&name);
        assert!(rules.get("digits").is_none());
    }
}
