use std::time::Duration;

use scorehost_core::Priority;

use crate::files::reader::{Findings, Object};

/// Rows of one run at most.
pub(super) const MOST_ROWS: u32 = 1024;
/// Longest delay and timeout: an hour.
const MOST_MICROS: u64 = 3_600_000_000;

/// `dynamic_batching`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DynamicBatching {
    /// `preferred_batch_size`, ascending.
    pub preferred: Vec<u32>,
    /// `max_queue_delay_microseconds`.
    pub max_delay: Duration,
    /// `default_priority_level`: the class of calls that ask for none.
    pub default_priority: Priority,
    /// `default_queue_policy.default_timeout_microseconds`: the longest wait for a run; `None` leaves it to the deployment.
    pub timeout: Option<Duration>,
    /// `default_queue_policy.max_queue_size`: calls that may wait; `None` leaves it to the deployment.
    pub max_queue: Option<u32>,
}

const KEYS: [&str; 7] = [
    "preferred_batch_size",
    "max_queue_delay_microseconds",
    "preserve_ordering",
    "priority_levels",
    "default_priority_level",
    "default_queue_policy",
    "priority_queue_policy",
];

pub(super) fn read(
    root: &Object<'_>,
    max: u32,
    notes: &mut Vec<String>,
    found: &mut Findings,
) -> Option<DynamicBatching> {
    let block = root.object("dynamic_batching", &KEYS, found)?;
    if max == 0 {
        found.add(root.at("dynamic_batching"), "needs max_batch_size above 0");
    }
    if block.flag("preserve_ordering", found) == Some(true) {
        notes.push(
            "dynamic_batching.preserve_ordering: every caller gets its own answer as soon as it is there".to_owned(),
        );
    }
    if block.value("priority_queue_policy").is_some() {
        notes.push("dynamic_batching.priority_queue_policy: all priorities have the default queue policy".to_owned());
    }
    let delay = micros(&block, "max_queue_delay_microseconds", found);
    let (timeout, max_queue) = policy(&block, notes, found);
    Some(DynamicBatching {
        preferred: preferred(&block, max, found),
        max_delay: delay.unwrap_or_default(),
        default_priority: priority(&block, notes, found),
        timeout,
        max_queue,
    })
}

fn micros(block: &Object<'_>, key: &str, found: &mut Findings) -> Option<Duration> {
    let value = block.whole(key, 0, MOST_MICROS, "a whole number of microseconds up to an hour", found)?;
    Some(Duration::from_micros(value))
}

fn preferred(block: &Object<'_>, max: u32, found: &mut Findings) -> Vec<u32> {
    let mut sizes = Vec::new();
    for (path, value) in block.several("preferred_batch_size", found) {
        match value.as_u64().filter(|size| (1..=u64::from(max)).contains(size)) {
            Some(size) => sizes.push(size as u32),
            None => found.add(path, format!("must be a whole number from 1 to max_batch_size, which is {max}")),
        }
    }
    sizes.sort_unstable();
    sizes.dedup();
    sizes
}

/// Three classes stand for all levels, as the request parameter `priority` has it: 1 is high, 2 normal, 3 and above low.
fn priority(block: &Object<'_>, notes: &mut Vec<String>, found: &mut Findings) -> Priority {
    let whole = |key, found: &mut Findings| block.whole(key, 0, u64::from(u32::MAX), "a whole number", found);
    let levels = whole("priority_levels", found).unwrap_or(0);
    let level = whole("default_priority_level", found);
    if levels > 3 {
        notes.push(format!("dynamic_batching.priority_levels: {levels} levels are three here; 3 and above are one"));
    }
    match level {
        Some(level) if levels > 0 && !(1..=levels).contains(&level) => {
            let expected = format!("must be a level from 1 to priority_levels, which is {levels}");
            found.add(block.at("default_priority_level"), expected);
            Priority::default()
        }
        None | Some(0 | 2) => Priority::Normal,
        Some(1) => Priority::High,
        Some(_) => Priority::Low,
    }
}

fn policy(block: &Object<'_>, notes: &mut Vec<String>, found: &mut Findings) -> (Option<Duration>, Option<u32>) {
    const POLICY: [&str; 4] =
        ["timeout_action", "default_timeout_microseconds", "allow_timeout_override", "max_queue_size"];
    const ACTIONS: [(&str, bool); 2] = [("REJECT", false), ("DELAY", true)];
    let Some(policy) = block.object("default_queue_policy", &POLICY, found) else { return (None, None) };
    if policy.word("timeout_action", &ACTIONS, found) == Some(true) {
        found.add(policy.at("timeout_action"), "must be REJECT: a call whose time is over is answered, not put off");
    }
    if policy.flag("allow_timeout_override", found) == Some(false) {
        notes.push("default_queue_policy.allow_timeout_override: a caller may always ask for less time".to_owned());
    }
    let timeout = micros(&policy, "default_timeout_microseconds", found).filter(|timeout| !timeout.is_zero());
    let max_queue = policy.whole("max_queue_size", 0, u64::from(u32::MAX), "a whole number", found);
    (timeout, max_queue.map(|max| max as u32).filter(|max| *max > 0))
}
