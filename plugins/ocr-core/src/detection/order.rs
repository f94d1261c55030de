use super::Region;
use crate::geometry::ascending;

/// Sorts regions as they are read: rows from the top, and in a row from the left. Two regions share a row when their
/// centres differ by less than half the height of the lower of the two.
pub(super) fn reading_order(mut regions: Vec<Region>) -> Vec<Region> {
    regions.sort_by(|a, b| ascending(a.corners.centre().y, b.corners.centre().y));
    let mut start = 0;
    while start < regions.len() {
        let row = regions[start..].iter().take_while(|other| share_row(&regions[start], other)).count();
        regions[start..start + row].sort_by(|a, b| ascending(a.corners.centre().x, b.corners.centre().x));
        start += row;
    }
    regions
}

fn share_row(first: &Region, other: &Region) -> bool {
    let height = first.corners.height().min(other.corners.height());
    other.corners.centre().y - first.corners.centre().y < height / 2.0
}

#[cfg(test)]
mod tests;
