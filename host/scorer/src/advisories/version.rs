//! Which of two versions is newer, as each ecosystem has it.

use std::cmp::Ordering;

/// Compares two versions.
pub(super) type Order = fn(&str, &str) -> Ordering;

/// The rule of an ecosystem: PEP 440 for `PyPI`, semantic versions elsewhere.
pub(super) fn order(ecosystem: &str) -> Order {
    if ecosystem.eq_ignore_ascii_case("PyPI") { python } else { semantic }
}

/// A package's name as an ecosystem compares it: `PyPI` takes case, `-`, `_` and `.` for the same (PEP 503).
pub(super) fn name(ecosystem: &str, name: &str) -> String {
    if !ecosystem.eq_ignore_ascii_case("PyPI") {
        return name.to_owned();
    }
    let mut plain = String::with_capacity(name.len());
    for letter in name.chars() {
        let letter = if matches!(letter, '-' | '_' | '.') { '-' } else { letter.to_ascii_lowercase() };
        if letter != '-' || !plain.ends_with('-') {
            plain.push(letter);
        }
    }
    plain
}

/// Semantic versions 2.0: numbers, then a pre-release is older than its release; build metadata does not count.
fn semantic(a: &str, b: &str) -> Ordering {
    let split = |version: &str| {
        let version = version.trim().trim_start_matches('v');
        let version = version.split('+').next().unwrap_or_default();
        let (numbers, pre) = version.split_once('-').map_or((version, None), |(numbers, pre)| (numbers, Some(pre)));
        (release(numbers), pre.map(str::to_owned))
    };
    let ((a, pre_a), (b, pre_b)) = (split(a), split(b));
    compare_release(&a, &b).then_with(|| match (pre_a, pre_b) {
        (None, None) => Ordering::Equal,
        (None, Some(_)) => Ordering::Greater,
        (Some(_), None) => Ordering::Less,
        (Some(a), Some(b)) => identifiers(&a, &b),
    })
}

fn identifiers(a: &str, b: &str) -> Ordering {
    let (mut a, mut b) = (a.split('.'), b.split('.'));
    loop {
        let order = match (a.next(), b.next()) {
            (None, None) => return Ordering::Equal,
            (None, Some(_)) => return Ordering::Less,
            (Some(_), None) => return Ordering::Greater,
            (Some(a), Some(b)) => match (a.parse::<u64>(), b.parse::<u64>()) {
                (Ok(a), Ok(b)) => a.cmp(&b),
                (Ok(_), Err(_)) => Ordering::Less,
                (Err(_), Ok(_)) => Ordering::Greater,
                (Err(_), Err(_)) => a.cmp(b),
            },
        };
        if order.is_ne() {
            return order;
        }
    }
}

fn release(numbers: &str) -> Vec<u64> {
    numbers.split('.').map(|number| number.parse().unwrap_or(0)).collect()
}

/// Missing numbers are zeros.
fn compare_release(a: &[u64], b: &[u64]) -> Ordering {
    let number = |numbers: &[u64], index| numbers.get(index).copied().unwrap_or(0);
    (0..a.len().max(b.len()))
        .map(|index| number(a, index).cmp(&number(b, index)))
        .find(|order| order.is_ne())
        .unwrap_or(Ordering::Equal)
}

/// PEP 440: epoch, release, then development releases before pre-releases before the release before post-releases.
fn python(a: &str, b: &str) -> Ordering {
    let (a, b) = (Python::read(a), Python::read(b));
    a.epoch.cmp(&b.epoch).then_with(|| compare_release(&a.release, &b.release)).then_with(|| a.rest.cmp(&b.rest))
}

struct Python {
    epoch: u64,
    release: Vec<u64>,
    /// Pre-release (none is after all of them), post-release, development release (none is after all of them).
    rest: ((u8, u64), Option<u64>, u64),
}

impl Python {
    fn read(version: &str) -> Self {
        let text = version.trim().trim_start_matches(['v', 'V']).to_ascii_lowercase();
        let text = text.split('+').next().unwrap_or_default();
        let (epoch, text) = text.split_once('!').map_or((0, text), |(epoch, text)| (epoch.parse().unwrap_or(0), text));
        let end = text.find(|letter: char| !letter.is_ascii_digit() && letter != '.').unwrap_or(text.len());
        let (numbers, rest) = text.split_at(end);
        let numbers = numbers.trim_end_matches('.');
        let dev = after(rest, &["dev"]);
        let post = after(rest, &["post", "rev"]);
        let ranks = [(0, ["a", "alpha"]), (1, ["b", "beta"]), (2, ["rc", "c"])];
        let pre = ranks.iter().find_map(|(rank, names)| after(rest, names).map(|number| (*rank, number)));
        let pre = match (pre, dev, post) {
            (Some((rank, number)), ..) => (rank + 1, number),
            // A development release of the release itself comes before all its pre-releases.
            (None, Some(_), None) => (0, 0),
            _ => (9, 0),
        };
        Self { epoch, release: release(numbers), rest: (pre, post, dev.unwrap_or(u64::MAX)) }
    }
}

/// The number behind one of the words, 0 where the word stands alone.
fn after(rest: &str, words: &[&str]) -> Option<u64> {
    let mut parts = rest.split(['.', '-', '_']);
    parts.find_map(|part| {
        let end = part.find(|letter: char| letter.is_ascii_digit()).unwrap_or(part.len());
        let (word, number) = part.split_at(end);
        let number = || number.chars().take_while(char::is_ascii_digit).collect::<String>();
        words.contains(&word).then(|| number().parse().unwrap_or(0))
    })
}
