//! Places of buffers in one allocation: buffers that are never alive together share bytes.

use super::launch::Launch;

/// Alignment of every buffer, enough for the widest access and for the matrix library.
pub const ALIGN: u64 = 256;

/// Offsets of all buffers, and the bytes that hold them. Buffers below `pinned` live through the whole plan.
pub(crate) fn place(sizes: &[u64], launches: &[Launch], pinned: &[bool]) -> (Vec<u64>, u64) {
    let mut alive = vec![None::<(usize, usize)>; sizes.len()];
    for (time, launch) in launches.iter().enumerate() {
        for id in launch.buffers() {
            let span = alive[id].get_or_insert((time, time));
            span.1 = time;
        }
    }
    for (id, pinned) in pinned.iter().enumerate() {
        if *pinned {
            alive[id] = Some((0, launches.len()));
        }
    }
    let mut order: Vec<usize> = (0..sizes.len()).filter(|id| alive[*id].is_some()).collect();
    // Large ones first: the small ones then fill the gaps.
    order.sort_by_key(|id| (std::cmp::Reverse(sizes[*id]), *id));
    let (mut offsets, mut total) = (vec![0; sizes.len()], 0);
    let mut placed: Vec<(u64, u64, usize, usize)> = Vec::new();
    for id in order {
        let Some((from, to)) = alive[id] else { continue };
        let size = sizes[id].max(1).next_multiple_of(ALIGN);
        let mut taken: Vec<(u64, u64)> =
            placed.iter().filter(|(.., a, b)| *a <= to && from <= *b).map(|(at, size, ..)| (*at, at + size)).collect();
        taken.sort_unstable();
        let mut at = 0;
        for (begin, end) in taken {
            if begin >= at + size {
                break;
            }
            at = at.max(end);
        }
        offsets[id] = at;
        total = total.max(at + size);
        placed.push((at, size, from, to));
    }
    (offsets, total)
}
