//! Which requests are kept: a share of them, chosen by request id, so that everything of one request is kept or nothing.

/// A share of all requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Share(u64);

impl Share {
    /// The share of `part`, 0-1.
    pub(crate) fn new(part: f64) -> Self {
        // Exact at both ends; between them the rounding is far below what anybody can see.
        Self(if part >= 1.0 { u64::MAX } else { (part.max(0.0) * u64::MAX as f64) as u64 })
    }

    /// Whether this request is in it; the same answer for the same id, in every process.
    pub(crate) fn takes(self, request_id: &str) -> bool {
        self.0 == u64::MAX || hash(request_id) < self.0
    }
}

/// FNV-1a, and SplitMix64's last step, since the upper bits of the former hardly change with the last characters.
fn hash(text: &str) -> u64 {
    let fnv = text
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
    let mixed = (fnv ^ (fnv >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_takes_its_part_of_ids_that_hardly_differ() {
        let taken = |part: f64| (0..100_000).filter(|n| Share::new(part).takes(&format!("request-{n}"))).count();
        assert_eq!((taken(0.0), taken(1.0)), (0, 100_000));
        let tenth = taken(0.1);
        assert!((9_700..10_300).contains(&tenth), "{tenth}");
    }

    #[test]
    fn a_larger_share_takes_all_that_a_smaller_one_takes() {
        for id in (0..1000).map(|n| n.to_string()) {
            assert!(!Share::new(0.1).takes(&id) || Share::new(0.3).takes(&id));
        }
    }
}
