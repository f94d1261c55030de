#![allow(clippy::unwrap_used, reason = "tests")]

use super::*;

#[test]
fn corners_are_named_by_where_they_lie() {
    let expected = quad([(0.0, 1.0), (8.0, 0.0), (9.0, 4.0), (1.0, 5.0)]);
    let [a, b, c, d] = expected.0;
    for corners in [[a, b, c, d], [c, d, a, b], [d, c, b, a], [b, d, a, c]] {
        assert_eq!(Quad::from_corners(corners), expected);
    }
}

#[test]
fn turning_makes_the_right_side_the_top() {
    let upright = quad([(0.0, 0.0), (2.0, 0.0), (2.0, 9.0), (0.0, 9.0)]);
    let turned = upright.turned();
    assert_eq!(turned.0[0], Point::new(2.0, 0.0));
    assert_eq!((turned.width(), turned.height()), (9.0, 2.0));
}

#[test]
fn the_smallest_rectangle_follows_the_slope() {
    // A 10 x 5 rectangle along the direction (4, 3), with points inside.
    let points = points(&[(0.0, 0.0), (8.0, 6.0), (5.0, 10.0), (-3.0, 4.0), (2.0, 4.0), (3.0, 6.0)]);
    let rectangle = Rectangle::around(points).unwrap();
    assert_close(rectangle.short_side(), 5.0);
    assert_close(rectangle.area(), 50.0);
    assert_close(rectangle.perimeter(), 30.0);
    let corners = rectangle.corners().0;
    let expected = [(-3.0, 4.0), (0.0, 0.0), (8.0, 6.0), (5.0, 10.0)];
    for (x, y) in expected {
        assert!(corners.iter().any(|corner| corner.distance(Point::new(x, y)) < 1e-3), "{corners:?} lacks {x}, {y}");
    }
}

#[test]
fn growing_moves_every_side() {
    let rectangle = Rectangle::around(points(&[(1.0, 2.0), (7.0, 2.0), (7.0, 5.0), (1.0, 5.0)])).unwrap();
    let corners = rectangle.grown(2.0).corners();
    let expected = quad([(-1.0, 0.0), (9.0, 0.0), (9.0, 7.0), (-1.0, 7.0)]);
    for (found, expected) in corners.0.iter().zip(expected.0) {
        assert!(found.distance(expected) < 1e-4, "{corners:?}");
    }
}

#[test]
fn points_on_one_line_have_no_rectangle() {
    assert!(Rectangle::around(points(&[])).is_none());
    assert!(Rectangle::around(points(&[(1.0, 1.0), (1.0, 1.0)])).is_none());
    assert!(Rectangle::around(points(&[(0.0, 0.0), (1.0, 1.0), (2.0, 2.0), (5.0, 5.0)])).is_none());
}

fn quad(corners: [(f32, f32); 4]) -> Quad {
    Quad(corners.map(|(x, y)| Point::new(x, y)))
}

fn points(places: &[(f32, f32)]) -> Vec<Point> {
    places.iter().map(|&(x, y)| Point::new(x, y)).collect()
}

fn assert_close(found: f32, expected: f32) {
    assert!((found - expected).abs() < 1e-3, "{found}, expected {expected}");
}
