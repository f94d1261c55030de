//! What a loaded model takes.
//!
//! The difference of the C library's heap before and after, which has the weights, what the runtime made of them for its
//! kernels, and its graph. Other threads allocate meanwhile, so the difference counts only within what the model itself makes
//! likely; where nothing can be asked, the weights count.

use parking_lot::Mutex;

use super::ffi::heap;

static MEASURING: Mutex<()> = Mutex::new(());

/// Bytes of the session of a small model without any weights, at most; those of a large one grow with its file.
const SLACK: u64 = 1 << 20;
/// How many times its weights a session holds at most: the weights, and a packed copy of each for its kernels.
const COPIES: u64 = 3;

/// Runs `load` and returns what it took beside its result. `weights` are the model's own bytes, `file` those of its file.
pub(super) fn measured<T, E>(weights: u64, file: u64, load: impl FnOnce() -> Result<T, E>) -> Result<(T, u64), E> {
    // One at a time, or two loads would each be taken for both.
    let _alone = MEASURING.lock();
    let before = heap::in_use();
    let loaded = load()?;
    let taken = before.and_then(|before| heap::in_use()?.checked_sub(before));
    Ok((loaded, plausible(taken, weights, file)))
}

/// The measurement, within what can be.
fn plausible(taken: Option<u64>, weights: u64, file: u64) -> u64 {
    let most = weights.saturating_mul(COPIES).saturating_add(file.saturating_mul(2)).saturating_add(SLACK);
    taken.map_or(weights, |taken| taken.clamp(weights, most))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_measurement_counts_within_what_the_model_makes_likely() {
        const MIB: u64 = 1 << 20;
        for (taken, expected) in [
            (None, 10 * MIB),
            (Some(0), 10 * MIB),
            (Some(12 * MIB), 12 * MIB),
            // Something else took a gigabyte meanwhile.
            (Some(1024 * MIB), 53 * MIB),
        ] {
            assert_eq!(plausible(taken, 10 * MIB, 11 * MIB), expected, "{taken:?}");
        }
    }
}
