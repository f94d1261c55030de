#![allow(clippy::unwrap_used, reason = "tests")]

use super::*;

#[test]
fn the_input_is_a_multiple_of_32_within_the_longer_side() {
    let cases = [
        ((720, 540), [1, 3, 544, 704]),
        ((640, 480), [1, 3, 480, 640]),
        ((1920, 1080), [1, 3, 544, 960]),
        ((3000, 4000), [1, 3, 960, 704]),
        ((5, 3), [1, 3, 32, 32]),
        ((4000, 2), [1, 3, 32, 960]),
    ];
    for ((width, height), shape) in cases {
        let input = input(&plain(width, height), &DetectionOptions::default());
        assert_eq!(input.shape, shape, "{width} x {height}");
        assert_eq!(input.data.len(), shape.iter().product::<usize>());
    }
}

#[test]
fn the_input_holds_blue_green_red_from_minus_one_to_one() {
    let photo = Photo::from_rgb(32, 32, [255, 0, 51].repeat(32 * 32)).unwrap();
    let input = input(&photo, &DetectionOptions::default());
    for (plane, expected) in input.data.chunks_exact(32 * 32).zip([-0.6, -1.0, 1.0]) {
        assert!(plane.iter().all(|value| (value - expected).abs() < 1e-6));
    }
}

#[test]
fn a_marked_block_becomes_a_grown_region_in_photo_pixels() {
    // Columns 20..=59 and rows 10..=19 are marked, and spread by one: 40 x 10 between pixel centres.
    let map = marked(96, 64, |x, y| if (20..60).contains(&x) && (10..20).contains(&y) { 0.9 } else { 0.0 });
    let regions = regions(&map, &plain(192, 128), &DetectionOptions::default()).unwrap();
    assert_eq!(regions.len(), 1);
    let distance = 40.0 * 10.0 * 1.6 / 100.0;
    let expected = [(20.0 - distance, 10.0 - distance), (60.0 + distance, 20.0 + distance)];
    let [top_left, _, bottom_right, _] = regions[0].corners.0;
    for (corner, (x, y)) in [top_left, bottom_right].into_iter().zip(expected) {
        assert!((corner.x - 2.0 * x).abs() < 1e-3 && (corner.y - 2.0 * y).abs() < 1e-3, "{corner:?}, {x}, {y}");
    }
    // The spread row and column lie inside and are not marked in the map.
    let expected_score = 0.9 * 400.0 / (41.0 * 11.0);
    assert!((regions[0].score - expected_score).abs() < 1e-3, "{}", regions[0].score);
}

#[test]
fn faint_small_and_thin_marks_are_no_text() {
    let faint = marked(96, 64, |x, y| if (20..60).contains(&x) && (10..20).contains(&y) { 0.4 } else { 0.0 });
    let below = marked(96, 64, |x, y| if (20..60).contains(&x) && (10..20).contains(&y) { 0.3 } else { 0.0 });
    let speck = marked(96, 64, |x, y| if x == 20 && y == 10 { 1.0 } else { 0.0 });
    let thread = marked(96, 64, |x, y| if (20..60).contains(&x) && y == 10 { 1.0 } else { 0.0 });
    let unknown = marked(96, 64, |_, _| f32::NAN);
    for map in [faint, below, speck, thread, unknown] {
        assert_eq!(regions(&map, &plain(96, 64), &DetectionOptions::default()).unwrap(), []);
    }
}

#[test]
fn regions_stay_inside_the_photo() {
    let map = marked(64, 32, |_, _| 1.0);
    let regions = regions(&map, &plain(640, 320), &DetectionOptions::default()).unwrap();
    let [top_left, _, bottom_right, _] = regions[0].corners.0;
    assert_eq!((top_left.x, top_left.y), (0.0, 0.0));
    assert_eq!((bottom_right.x, bottom_right.y), (639.0, 319.0));
}

#[test]
fn only_the_largest_regions_are_kept() {
    let map = marked(96, 64, |x, y| {
        let small = (4..24).contains(&x) && (4..14).contains(&y);
        let large = (40..80).contains(&x) && (30..45).contains(&y);
        if small || large { 0.9 } else { 0.0 }
    });
    let options = DetectionOptions { max_regions: 1, ..DetectionOptions::default() };
    let regions = regions(&map, &plain(96, 64), &options).unwrap();
    assert_eq!(regions.len(), 1);
    assert!(regions[0].corners.centre().x > 40.0);
}

#[test]
fn refuses_an_answer_of_another_shape() {
    for (shape, length) in [(vec![1, 2, 4, 4], 32), (vec![4, 4], 16), (vec![1, 1, 4, 4], 15), (vec![1, 1, 0, 4], 0)] {
        let map = Tensor { shape, data: vec![0.0; length] };
        let error = regions(&map, &plain(4, 4), &DetectionOptions::default()).unwrap_err();
        assert!(matches!(error, OcrError::Shape { model: "the detector", .. }));
    }
}

fn marked(width: usize, height: usize, value: impl Fn(usize, usize) -> f32) -> Tensor {
    let data = (0..width * height).map(|at| value(at % width, at / width)).collect();
    Tensor { shape: vec![1, 1, height, width], data }
}

fn plain(width: usize, height: usize) -> Photo {
    Photo::from_rgb(width, height, vec![128; width * height * 3]).unwrap()
}
