//! Dividing requests freely: by ranges of the unit interval.

use scorehost_core::{Traffic, VersionName};

/// The versions of a split, each with the end of its range; what lies behind the last is the default's.
#[derive(Clone, Debug)]
pub(super) struct Split(Vec<Range>);

#[derive(Clone, Debug)]
struct Range {
    /// The last point of the range.
    end: u64,
    /// The version's place; `None` while it is not live.
    at: Option<usize>,
}

impl Split {
    /// Shares in the order of the traffic, up to the whole; `None` where nothing leaves the default.
    pub(super) fn new(traffic: &Traffic, find: impl Fn(&VersionName) -> Option<usize>) -> Option<Self> {
        let mut sum = 0.0;
        let mut ranges = Vec::with_capacity(traffic.split.len());
        for (version, percent) in &traffic.split {
            let before = sum;
            sum = f64::min(sum + share(*percent), 1.0);
            if sum > before {
                ranges.push(Range { end: reach(sum), at: find(version) });
            }
        }
        (!ranges.is_empty()).then_some(Self(ranges))
    }

    /// The live version of the point's range.
    pub(super) fn choose(&self, point: u64) -> Option<usize> {
        self.0.iter().find(|range| point <= range.end)?.at
    }
}

/// Percent as a part of 1; nothing where it is not a number from 0 to 100.
pub(crate) fn share(percent: f64) -> f64 {
    if percent.is_nan() { 0.0 } else { percent.clamp(0.0, 100.0) / 100.0 }
}

/// The last of 2^64 points that a part of them covers.
pub(crate) fn reach(share: f64) -> u64 {
    // 2^64; the conversion stops at the largest value.
    ((share * 18_446_744_073_709_551_616.0) as u64).saturating_sub(u64::from(share < 1.0))
}
