#![allow(clippy::unwrap_used, reason = "tests")]

use super::*;
use crate::{Point, Quad};

#[test]
fn lines_of_similar_length_share_a_batch() {
    let photo = Photo::from_rgb(1000, 100, vec![200; 300_000]).unwrap();
    let regions: Vec<Region> = [800.0, 30.0, 600.0, 40.0, 20.0].map(|width| region(width, 20.0)).into();
    let options = RecognitionOptions { batch: 2, ..RecognitionOptions::default() };
    let batches: Vec<Batch> = batches(&photo, &regions, &options).collect();
    let found: Vec<(Vec<usize>, Vec<usize>)> =
        batches.into_iter().map(|batch| (batch.regions, batch.input.shape)).collect();
    let expected =
        [(vec![4, 1], vec![2, 3, 48, 320]), (vec![3, 2], vec![2, 3, 48, 1440]), (vec![0], vec![1, 3, 48, 1920])];
    assert_eq!(found, expected);
}

#[test]
fn shorter_lines_are_padded_with_zero_on_the_right() {
    let photo = Photo::from_rgb(100, 50, vec![255; 15_000]).unwrap();
    let regions = [region(48.0, 24.0)];
    let batch = batches(&photo, &regions, &RecognitionOptions::default()).next().unwrap();
    for row in batch.input.data.chunks_exact(320) {
        assert!(row[..96].iter().all(|&value| value == 1.0));
        assert!(row[96..].iter().all(|&value| value == 0.0));
    }
}

#[test]
fn very_long_lines_are_squeezed() {
    let photo = Photo::from_rgb(2000, 20, vec![9; 120_000]).unwrap();
    let regions = [region(1900.0, 10.0)];
    let options = RecognitionOptions { max_width: 640, ..RecognitionOptions::default() };
    let batch = batches(&photo, &regions, &options).next().unwrap();
    assert_eq!(batch.input.shape, [1, 3, 48, 640]);
    assert!(batch.input.data.iter().all(|&value| value < -0.9));
}

#[test]
fn no_regions_make_no_batches() {
    let photo = Photo::from_rgb(1, 1, vec![0; 3]).unwrap();
    assert_eq!(batches(&photo, &[], &RecognitionOptions::default()).count(), 0);
}

fn region(width: f32, height: f32) -> Region {
    let corners = [(0.0, 0.0), (width, 0.0), (width, height), (0.0, height)].map(|(x, y)| Point::new(x, y));
    Region { corners: Quad(corners), score: 1.0 }
}
