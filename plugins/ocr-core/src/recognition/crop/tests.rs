#![allow(clippy::unwrap_used, reason = "tests")]

use super::*;

#[test]
fn an_upright_rectangle_is_copied() {
    let photo = gradient(40, 30);
    let cut = cut(&photo, &quad([(5.0, 7.0), (25.0, 7.0), (25.0, 17.0), (5.0, 17.0)]));
    assert_eq!((cut.width(), cut.height()), (20, 10));
    for (x, y) in [(0, 0), (19, 0), (0, 9), (13, 4)] {
        assert_eq!(cut.pixel(x, y), photo.pixel(x + 5, y + 7), "{x}, {y}");
    }
}

#[test]
fn a_sloping_rectangle_is_straightened() {
    // 20 x 10 along the direction (4, 3); on a linear gradient the value at each place is known.
    let photo = gradient(60, 60);
    let cut = cut(&photo, &quad([(20.0, 10.0), (36.0, 22.0), (30.0, 30.0), (14.0, 18.0)]));
    assert_eq!((cut.width(), cut.height()), (20, 10));
    for (x, y) in [(0, 0), (10, 0), (0, 5), (15, 5)] {
        let place = (20.0 + 0.8 * x as f32 - 0.6 * y as f32, 10.0 + 0.6 * x as f32 + 0.8 * y as f32);
        assert_close(cut.pixel(x, y), place);
    }
}

#[test]
fn perspective_is_undone() {
    // A trapezium whose right side is half as long as the left: the middle of the sign is two thirds to the right.
    let photo = gradient(64, 64);
    let cut = cut(&photo, &quad([(10.0, 4.0), (58.0, 18.0), (58.0, 46.0), (10.0, 60.0)]));
    assert_eq!((cut.width(), cut.height()), (50, 56));
    assert_close(cut.pixel(25, 28), (42.0, 32.0));
    assert_close(cut.pixel(0, 28), (10.0, 32.0));
}

#[test]
fn a_line_that_runs_downwards_is_turned() {
    let photo = gradient(40, 60);
    let cut = cut(&photo, &quad([(10.0, 10.0), (20.0, 10.0), (20.0, 50.0), (10.0, 50.0)]));
    assert_eq!((cut.width(), cut.height()), (40, 10));
    // The top left is the former top right, and to the right is down.
    assert_close(cut.pixel(0, 0), (20.0, 10.0));
    assert_close(cut.pixel(30, 0), (20.0, 40.0));
}

#[test]
fn large_letters_are_reduced_with_their_proportions() {
    let photo = gradient(90, 60);
    let wide = Photo::from_rgb(900, 600, crate::resample::resize(&photo, 900, 600).into_rgb()).unwrap();
    let cut = cut(&wide, &quad([(10.0, 10.0), (874.0, 10.0), (874.0, 586.0), (10.0, 586.0)]));
    assert_eq!((cut.width(), cut.height()), (216, 144));
}

#[test]
fn regions_without_area_or_at_the_border_give_pixels() {
    let photo = gradient(8, 8);
    for corners in [[(3.0, 3.0); 4], [(0.0, 0.0), (7.0, 0.0), (7.0, 7.0), (0.0, 7.0)]] {
        let cut = cut(&photo, &quad(corners));
        assert!(cut.width() >= 1 && cut.height() >= 1);
        assert_eq!(cut.pixel(0, 0), photo.pixel(corners[0].0 as usize, corners[0].1 as usize));
    }
}

/// Red is 4 times the column, green 4 times the row: a place can be told from its colour.
fn gradient(width: usize, height: usize) -> Photo {
    let pixels = (0..width * height).flat_map(|at| [(at % width * 4).min(255) as u8, (at / width * 4) as u8, 0]);
    Photo::from_rgb(width, height, pixels.collect()).unwrap()
}

fn assert_close(pixel: [u8; 3], (x, y): (f32, f32)) {
    let (found_x, found_y) = (f32::from(pixel[0]) / 4.0, f32::from(pixel[1]) / 4.0);
    assert!((found_x - x).abs() < 0.3 && (found_y - y).abs() < 0.3, "{found_x}, {found_y}, expected {x}, {y}");
}

fn quad(corners: [(f32, f32); 4]) -> Quad {
    Quad(corners.map(|(x, y)| Point::new(x, y)))
}
