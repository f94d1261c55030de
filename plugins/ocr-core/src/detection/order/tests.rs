use super::*;
use crate::{Point, Quad};

#[test]
fn rows_from_the_top_and_in_a_row_from_the_left() {
    // Centres (x, y) of regions 10 high; the second row is not quite level.
    check(&[(50.0, 40.0), (10.0, 10.0), (10.0, 42.0), (80.0, 12.0), (90.0, 38.0)], &[1, 3, 2, 0, 4]);
}

#[test]
fn regions_half_a_height_apart_are_different_rows() {
    check(&[(50.0, 10.0), (10.0, 15.0)], &[0, 1]);
    check(&[(50.0, 10.0), (10.0, 14.0)], &[1, 0]);
}

fn check(centres: &[(f32, f32)], expected: &[usize]) {
    // The score carries the index.
    let regions = centres.iter().enumerate().map(|(index, &(x, y))| {
        let corner = |dx: f32, dy: f32| Point::new(x + dx, y + dy);
        let corners = Quad([corner(-9.0, -5.0), corner(9.0, -5.0), corner(9.0, 5.0), corner(-9.0, 5.0)]);
        Region { corners, score: index as f32 }
    });
    let order: Vec<usize> = reading_order(regions.collect()).iter().map(|region| region.score as usize).collect();
    assert_eq!(order, expected);
}
