#![allow(clippy::unwrap_used, reason = "tests")]

use super::*;

#[test]
fn enlarging_interpolates_between_pixel_centres() {
    // Places 0.25, 0.75, 1.25, 1.75 between the centres at 0.5 and 1.5.
    check(&[0, 100], 4, &[0, 25, 75, 100]);
}

#[test]
fn reducing_averages_what_a_pixel_stands_for() {
    // A stripe one pixel wide must not vanish, wherever it falls: it is an eighth of 255 (a little more at the ends).
    for stripe in 4..28 {
        let mut row = [0; 32];
        row[stripe] = 255;
        let reduced = resize(&grey(&row), 4, 1);
        let total: u32 = reduced.rows().flatten().step_by(3).map(|&value| u32::from(value)).sum();
        assert!((30..=37).contains(&total), "stripe at {stripe}: {total}");
    }
}

#[test]
fn a_plain_area_keeps_its_colour() {
    let photo = Photo::from_rgb(37, 23, [10, 130, 250].repeat(37 * 23)).unwrap();
    for (width, height) in [(1, 1), (8, 90), (37, 5), (300, 200)] {
        let resized = resize(&photo, width, height);
        assert_eq!((resized.width(), resized.height()), (width, height));
        assert_eq!(resized.into_rgb(), [10, 130, 250].repeat(width * height));
    }
}

#[test]
fn both_directions_are_resized() {
    let photo = Photo::from_rgb(1, 2, vec![0, 0, 0, 100, 100, 100]).unwrap();
    let column: Vec<u8> = resize(&photo, 2, 4).into_rgb().chunks_exact(6).map(|row| row[3]).collect();
    assert_eq!(column, [0, 25, 75, 100]);
}

fn check(row: &[u8], width: usize, expected: &[u8]) {
    let resized: Vec<u8> = resize(&grey(row), width, 1).into_rgb().into_iter().step_by(3).collect();
    assert_eq!(resized, expected);
}

fn grey(row: &[u8]) -> Photo {
    Photo::from_rgb(row.len(), 1, row.iter().flat_map(|&value| [value; 3]).collect()).unwrap()
}
