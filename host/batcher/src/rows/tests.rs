#![allow(clippy::unwrap_used, reason = "tests")]

use proptest::prelude::*;
use scorehost_core::joined;

use super::*;

fn named(name: &str, tensor: Tensor) -> NamedValue {
    NamedValue { name: name.into(), value: tensor.into() }
}

fn data(value: &Value) -> Bytes {
    value.fetch().unwrap().data().clone()
}

fn numbers(shape: &[u64], values: &[f32]) -> Tensor {
    Tensor::from_f32(shape, values).unwrap()
}

fn words(shape: &[u64], words: &[&str]) -> Tensor {
    Tensor::from_byte_strings(shape, words).unwrap()
}

#[test]
fn rows_are_known_where_all_inputs_have_the_same() {
    let of = |shapes: &[&[u64]]| {
        let tensor = |shape: &&[u64]| {
            let elements = shape.iter().product::<u64>() as usize;
            named("x", numbers(shape, &vec![0.0; elements]))
        };
        common(&shapes.iter().map(tensor).collect::<Vec<_>>())
    };
    assert_eq!(of(&[&[3, 2], &[3]]), Some(3));
    assert_eq!((of(&[&[3, 2], &[2]]), of(&[&[0, 2]]), of(&[&[]]), of(&[])), (None, None, None, None));
}

#[test]
fn calls_are_alike_where_they_differ_in_their_rows() {
    let call = |rows: u64, width: u64| vec![named("x", numbers(&[rows, width], &vec![0.0; (rows * width) as usize]))];
    assert!(alike(&call(1, 4), &call(3, 4)));
    assert!(!alike(&call(1, 4), &call(1, 5)));
    assert!(!alike(&call(1, 4), &[call(1, 4), call(1, 4)].concat()));
}

#[test]
fn strings_are_joined_and_split_again() {
    let one = [named("w", words(&[1, 2], &["a", ""]))];
    let two = [named("w", words(&[2, 2], &["bc", "def", "g", "hi"]))];
    let joined = joined(&[&one, &two]).unwrap();
    assert_eq!(joined[0].tensor.shape(), [3, 2]);
    let pieces = split(&joined[0].tensor.clone().into(), &[1, 2]).unwrap();
    assert_eq!((data(&pieces[0]), data(&pieces[1])), (data(&one[0].value), data(&two[0].value)));
}

#[test]
fn pieces_share_the_bytes_of_the_whole() {
    let whole = numbers(&[3, 2], &[1.0, 2.0, 3.0, 4.0, 5.0, 6.0]);
    let pieces = split(&whole.clone().into(), &[1, 2]).unwrap();
    assert_eq!(data(&pieces[1]).as_ptr(), whole.data()[8..].as_ptr());
    let whole = words(&[3], &["a", "bc", "def"]);
    let pieces = split(&whole.clone().into(), &[2, 1]).unwrap();
    assert_eq!(data(&pieces[1]).as_ptr(), whole.data()[11..].as_ptr());
}

proptest! {
    #[test]
    fn what_was_joined_is_split_into_the_same(
        calls in prop::collection::vec(prop::collection::vec(any::<u8>(), 1..12), 1..8),
    ) {
        let tensors: Vec<[NamedValue; 2]> = calls.iter().map(|bytes| {
            let rows = bytes.len() as u64;
            let strings: Vec<Vec<u8>> = bytes.iter().map(|byte| vec![*byte; usize::from(*byte % 5)]).collect();
            let numbers = Tensor::new(DType::U8, [rows].as_slice(), bytes.clone().into()).unwrap();
            [named("n", numbers), named("s", Tensor::from_byte_strings([rows].as_slice(), strings).unwrap())]
        }).collect();
        let joined = joined(&tensors.iter().map(|call| &call[..]).collect::<Vec<_>>()).unwrap();
        let rows: Vec<u64> = calls.iter().map(|bytes| bytes.len() as u64).collect();
        for (index, whole) in joined.iter().enumerate() {
            let pieces = split(&whole.tensor.clone().into(), &rows).unwrap();
            for (piece, call) in pieces.iter().zip(&tensors) {
                prop_assert_eq!(data(piece), data(&call[index].value));
                prop_assert_eq!(piece.shape(), call[index].value.shape());
            }
        }
    }
}
