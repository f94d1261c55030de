use super::*;

#[test]
fn averages_the_positions_inside_and_on_the_edge() {
    // 10 x 6 positions whose value is their column.
    check([(2.0, 1.0), (5.0, 1.0), (5.0, 4.0), (2.0, 4.0)], 3.5);
    // A rhombus around column 4, row 2.
    check([(2.0, 2.0), (4.0, 0.0), (6.0, 2.0), (4.0, 4.0)], 4.0);
}

#[test]
fn ignores_what_is_outside_the_map() {
    check([(-5.0, -5.0), (1.0, -5.0), (1.0, 20.0), (-5.0, 20.0)], 0.5);
    check([(8.0, 0.0), (30.0, 0.0), (30.0, 5.0), (8.0, 5.0)], 8.5);
}

fn check(corners: [(f32, f32); 4], expected: f32) {
    let values: Vec<f32> = (0..60).map(|at| (at % 10) as f32).collect();
    let map = Map { width: 10, height: 6, values: &values };
    let found = mean_inside(&map, &Quad(corners.map(|(x, y)| Point::new(x, y))));
    assert!((found - expected).abs() < 1e-5, "{found}, expected {expected}");
}
