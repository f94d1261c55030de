#![allow(clippy::unwrap_used, reason = "tests")]

use scorehost_core::{DType, Tensor};

use super::{Array, Buffer, Elements, memory};

fn tensor(values: &[f32]) -> Tensor {
    Tensor::from_f32([values.len() as u64].as_slice(), values).unwrap()
}

#[test]
fn an_aligned_tensor_is_read_where_it_is_and_copied_before_it_is_written() {
    let values: Vec<f32> = (0..9).map(|x| x as f32).collect();
    let whole = tensor(&values);
    let array = Array::from_tensor(&whole).unwrap();
    assert_eq!(array.get::<f32>().unwrap().as_ptr().cast::<u8>(), whole.data().as_ptr());
    let mut written = array.clone();
    written.numbers_mut().unwrap()[0] = 7.0;
    assert_eq!((array.get::<f32>().unwrap()[0], written.get::<f32>().unwrap()[0]), (0.0, 7.0));
    assert_eq!(whole.data()[..4], [0; 4]);
}

#[test]
fn an_unaligned_tensor_is_copied() {
    let mut bytes = vec![0u8];
    bytes.extend([1.5f32, -2.0].iter().flat_map(|x| x.to_le_bytes()));
    // One of the two places is not aligned, whatever the allocator gives.
    for start in [0, 1] {
        let shifted =
            if start == 0 { bytes[1..].to_vec().into() } else { bytes::Bytes::from(bytes.clone()).slice(1..) };
        let tensor = Tensor::new(DType::F32, [2].as_slice(), shifted).unwrap();
        assert_eq!(Array::from_tensor(&tensor).unwrap().get::<f32>().unwrap(), [1.5, -2.0]);
    }
}

#[test]
fn numbers_move_into_a_tensor_without_a_copy() {
    let array = Array::new(vec![2, 2], vec![1.0f32, 2.0, 3.0, 4.0]).unwrap();
    let place = array.get::<f32>().unwrap().as_ptr().cast::<u8>();
    let tensor = array.into_tensor().unwrap();
    assert_eq!((tensor.data().as_ptr(), tensor.shape()), (place, [2, 2].as_slice()));
}

#[test]
fn memory_of_dead_values_serves_later_ones_of_about_the_size() {
    let first = memory::numbers(5000);
    let place = first.as_ptr();
    memory::recycle(first);
    let much_smaller = memory::numbers(2000);
    assert_ne!(much_smaller.as_ptr(), place);
    let smaller = memory::numbers(4000);
    assert_eq!((smaller.as_ptr(), smaller.len()), (place, 4000));
    let Elements::F32(again) = Array::of(vec![4000], smaller).unwrap().elements else { unreachable!() };
    memory::recycle(again);
    assert_eq!(memory::numbers(5000).as_ptr(), place);
}

#[test]
fn a_thread_keeps_a_bounded_amount_of_memory() {
    let pieces: Vec<Buffer<f32>> = (0..40).map(|_| memory::numbers(1 << 20)).collect();
    let places: Vec<_> = pieces.iter().map(|piece| piece.as_ptr()).collect();
    pieces.into_iter().for_each(memory::recycle);
    assert!(memory::kept_bytes() <= 64 << 20);
    let newest = memory::numbers(1 << 20);
    assert!(places.contains(&newest.as_ptr()));
}
