#![allow(clippy::unwrap_used, reason = "tests")]

use super::*;

const DARK: [u8; 3] = [40; 3];
const LIGHT: [u8; 3] = [220; 3];
const RED: [u8; 3] = [220, 30, 30];
const WHITE: [u8; 3] = [255; 3];
/// What the coloured fixtures show in the left half, at the top right and at the bottom right.
const COLOURED: [[u8; 3]; 3] = [DARK, RED, LIGHT];
/// Brightness of the red part: 0.299 of 220 and 0.701 of 30.
const GREY: [[u8; 3]; 3] = [DARK, [87; 3], LIGHT];

#[test]
fn decodes_every_kind_of_file() {
    check(include_bytes!("../../tests/fixtures/progressive.jpg"), COLOURED);
    check(include_bytes!("../../tests/fixtures/cmyk.jpg"), COLOURED);
    check(include_bytes!("../../tests/fixtures/grey.jpg"), GREY);
    check(include_bytes!("../../tests/fixtures/palette.png"), COLOURED);
    check(include_bytes!("../../tests/fixtures/grey_alpha.png"), GREY);
}

#[test]
fn transparent_parts_become_white() {
    check(include_bytes!("../../tests/fixtures/transparent.png"), [WHITE, RED, LIGHT]);
}

#[test]
fn a_turned_camera_gives_an_upright_photo() {
    check(include_bytes!("../../tests/fixtures/turned.jpg"), COLOURED);
}

#[test]
fn every_orientation_leads_back_to_the_scene() {
    // The letters of "abcdef" in two rows, as stored under each orientation (EXIF 2.32, section 4.6.4).
    let stored: [(u16, usize, &[u8]); 8] = [
        (1, 3, b"abcdef"),
        (2, 3, b"cbafed"),
        (3, 3, b"fedcba"),
        (4, 3, b"defabc"),
        (5, 2, b"adbecf"),
        (6, 2, b"cfbead"),
        (7, 2, b"fcebda"),
        (8, 2, b"daebfc"),
    ];
    for (value, width, letters) in stored {
        let pixels: Vec<u8> = letters.iter().flat_map(|&letter| [letter; 3]).collect();
        let photo = Photo::from_rgb(width, 6 / width, pixels).unwrap();
        let upright = Orientation::from_exif(&exif(value)).upright(photo);
        let seen: Vec<u8> = upright.pixels.chunks_exact(3).map(|pixel| pixel[0]).collect();
        assert_eq!((upright.width, seen.as_slice()), (3, b"abcdef".as_slice()), "orientation {value}");
    }
}

#[test]
fn senseless_exif_data_means_upright() {
    let whole = exif(6);
    assert_ne!(Orientation::from_exif(&whole), Orientation::default());
    for length in 0..whole.len() - 2 {
        assert_eq!(Orientation::from_exif(&whole[..length]), Orientation::default(), "{length} bytes");
    }
    assert_eq!(Orientation::from_exif(&exif(0)), Orientation::default());
    assert_eq!(Orientation::from_exif(&exif(9)), Orientation::default());
    let far_directory = [b"MM\0*".as_slice(), &[0xFF; 4]].concat();
    assert_eq!(Orientation::from_exif(&far_directory), Orientation::default());
}

#[test]
fn refuses_what_is_not_a_whole_picture() {
    let photo = include_bytes!("../../../examples/text-in-photo/photo.jpg").as_slice();
    let palette = include_bytes!("../../tests/fixtures/palette.png").as_slice();
    let broken: [&[u8]; 7] =
        [b"", b"GIF89a", b"{\"data\": 1}", &photo[..2], &photo[..photo.len() / 2], &palette[..8], &palette[..90]];
    for file in broken {
        let error = Photo::decode(file, 1_000_000).unwrap_err();
        assert!(matches!(error, OcrError::Undecodable { .. }), "{} bytes: {error}", file.len());
    }
}

#[test]
fn refuses_a_picture_over_the_limit_by_its_declared_size() {
    let photo = include_bytes!("../../../examples/text-in-photo/photo.jpg");
    // The header is enough: nothing of the pixels is there.
    let error = Photo::decode(&photo[..700], 720 * 540 - 1).unwrap_err();
    assert_eq!(error, OcrError::TooLarge { width: 720, height: 540, limit: 720 * 540 - 1 });
    assert!(Photo::decode(photo, 720 * 540).is_ok());
}

#[test]
fn pixels_must_fill_the_size() {
    assert!(Photo::from_rgb(2, 1, vec![0; 6]).is_some());
    assert!(Photo::from_rgb(2, 1, vec![0; 5]).is_none());
    assert!(Photo::from_rgb(0, 1, vec![]).is_none());
}

/// Compares the middle of each part of a 48 x 32 picture, with the tolerance that JPEG needs.
fn check(file: &[u8], expected: [[u8; 3]; 3]) {
    let photo = Photo::decode(file, 48 * 32).unwrap();
    assert_eq!((photo.width, photo.height), (48, 32));
    for ((x, y), colour) in [(12, 16), (36, 8), (36, 24)].into_iter().zip(expected) {
        let found = photo.pixel(x, y);
        let close = found.iter().zip(colour).all(|(&a, b)| a.abs_diff(b) <= 6);
        assert!(close, "{found:?} at {x}, {y}, expected {colour:?}");
    }
}

/// A big-endian TIFF header and a directory of one entry.
fn exif(orientation: u16) -> Vec<u8> {
    let mut exif = b"MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01".to_vec();
    exif.extend(orientation.to_be_bytes());
    exif.extend([0; 2]);
    exif
}
