//! Rows of a call: what lets calls of other sizes share a plan.

use scorehost_core::Shape;

/// The first dimension that all inputs share; `None` where they have none in common, or no rows.
#[must_use]
pub fn common_rows(shapes: &[Shape]) -> Option<u64> {
    let rows = *shapes.first()?.first()?;
    (rows > 0 && shapes.iter().all(|shape| shape.first() == Some(&rows))).then_some(rows)
}

/// The same shapes with another first dimension, which all of them have.
#[must_use]
pub fn with_rows(shapes: &[Shape], rows: u64) -> Vec<Shape> {
    let with = |shape: &Shape| {
        let mut shape = shape.clone();
        shape[0] = rows;
        shape
    };
    shapes.iter().map(with).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_common_only_where_all_inputs_have_them() {
        let shapes = |all: &[&[u64]]| all.iter().map(|shape| Shape::from_slice(shape)).collect::<Vec<_>>();
        assert_eq!(common_rows(&shapes(&[&[4, 2], &[4]])), Some(4));
        assert_eq!(common_rows(&shapes(&[&[4, 2], &[3]])), None);
        assert_eq!(common_rows(&shapes(&[&[0, 2]])), None);
        assert_eq!(common_rows(&shapes(&[&[]])), None);
    }
}
