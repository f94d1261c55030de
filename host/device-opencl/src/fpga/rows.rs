//! Calls of any number of rows, with kernels of a few sizes.

/// Some of a call's rows, which one launch computes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Chunk {
    /// First row.
    pub(super) first: u64,
    /// Rows of the call.
    pub(super) rows: u64,
    /// Rows of the launch: as many or more, those behind the call's are padding.
    pub(super) size: u64,
}

/// Launches for a call; `sizes` ascend. The rest of a call is filled up to a size where that size is more than half full, and split
/// further otherwise.
pub(super) fn chunks(rows: u64, sizes: &[u64]) -> Vec<Chunk> {
    let mut all = Vec::new();
    let mut first = 0;
    while first < rows {
        let rest = rows - first;
        let larger = sizes.iter().copied().find(|size| *size >= rest);
        let smaller = sizes.iter().copied().rev().find(|size| *size < rest);
        let size = match (larger, smaller) {
            (Some(larger), Some(smaller)) if larger != rest && rest <= larger / 2 => smaller,
            (Some(larger), _) => larger,
            (None, Some(smaller)) => smaller,
            (None, None) => return all,
        };
        all.push(Chunk { first, rows: rest.min(size), size });
        first += rest.min(size);
    }
    all
}

#[cfg(test)]
mod tests {
    use super::chunks;

    #[test]
    fn calls_are_filled_up_or_split_to_the_sizes_there_are() {
        let sizes = |rows, sizes: &[u64]| {
            chunks(rows, sizes).iter().map(|chunk| (chunk.first, chunk.rows, chunk.size)).collect::<Vec<_>>()
        };
        assert_eq!(sizes(8, &[1, 8, 32]), [(0, 8, 8)]);
        assert_eq!(sizes(5, &[1, 8, 32]), [(0, 5, 8)]);
        assert_eq!(sizes(3, &[1, 8]), [(0, 1, 1), (1, 1, 1), (2, 1, 1)]);
        assert_eq!(sizes(41, &[1, 8, 32]), [(0, 32, 32), (32, 8, 8), (40, 1, 1)]);
        assert_eq!(sizes(2, &[16]), [(0, 2, 16)]);
        assert_eq!(sizes(33, &[16]), [(0, 16, 16), (16, 16, 16), (32, 1, 16)]);
        assert_eq!(sizes(0, &[1]), []);
    }

    #[test]
    fn every_row_is_computed_once_and_in_order() {
        for rows in 0..200 {
            for sizes in [&[1u64, 8, 32][..], &[4], &[3, 5, 50], &[64]] {
                let all = chunks(rows, sizes);
                assert_eq!(all.iter().map(|chunk| chunk.rows).sum::<u64>(), rows);
                assert!(all.iter().all(|chunk| chunk.rows <= chunk.size && sizes.contains(&chunk.size)));
                assert!(all.windows(2).all(|pair| pair[0].first + pair[0].rows == pair[1].first));
            }
        }
    }
}
