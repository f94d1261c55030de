//! Plans hold, long work stops, and what need not be copied is not.

use std::sync::atomic::{AtomicU32, Ordering};

use scorehost_core::Tensor;

use super::{f32s, one, u8s};
use crate::*;

#[test]
fn a_long_operation_stops_when_it_is_told_to() {
    let side = 512u64;
    let matrix = f32s(&[side, side], &vec![1.0; (side * side) as usize]);
    let pixels = u8s(&[8, 8, 3], &[7; 192]);
    let warp = WarpPerspective {
        matrix: [1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0],
        height: 2000,
        width: 2000,
        interpolation: Interpolation::Bicubic,
        fill: None,
    };
    let cases: [(Operation, Vec<Tensor>); 3] = [
        (Matmul.into(), vec![matrix.clone(), matrix.clone()]),
        (warp.into(), vec![pixels]),
        (
            Transpose { axes: vec![1, 2, 0] }.into(),
            vec![f32s(&[2, side, side * 4], &vec![0.0; (side * side * 8) as usize])],
        ),
    ];
    for (operation, inputs) in cases {
        let asked = AtomicU32::new(0);
        let stop = || asked.fetch_add(1, Ordering::Relaxed) >= 2;
        let stopped = Cpu.compute(&operation, &inputs, &Watch::new(&stop));
        assert!(matches!(stopped, Err(OperationError::Stopped)), "{operation:?}");
        assert_eq!(asked.load(Ordering::Relaxed), 3, "{operation:?} went on");
    }
}

#[test]
fn what_is_there_already_is_shared() {
    let x = f32s(&[4, 2], &[0.0; 8]);
    let same = |tensor: &Tensor, offset: usize| tensor.data().as_ptr() == x.data()[offset..].as_ptr();
    let rows = Slice { ranges: vec![Range { start: Some(-3), end: Some(-1), step: 1 }] };
    assert_eq!(Operation::from(rows.clone()).plan(std::slice::from_ref(&x)).unwrap().bytes, 0);
    assert!(same(&one(rows, std::slice::from_ref(&x)), 8));
    assert!(same(&one(Cast { to: scorehost_core::DType::F32 }, std::slice::from_ref(&x)), 0));
}

#[test]
fn letterboxes_tell_where_the_picture_lies() {
    let picture = u8s(&[50, 100, 3], &[0; 15_000]);
    let letterbox = Letterbox {
        height: 64,
        width: 64,
        interpolation: Interpolation::Bilinear,
        antialias: true,
        fill: 114.0,
        center: true,
        layout: Layout::ChannelsLast,
    };
    let placed = letterbox.placement(&picture).unwrap();
    assert_eq!((placed.scale, placed.top, placed.left, placed.height, placed.width), (0.64, 16, 0, 32, 64));
    assert_eq!(one(letterbox, &[picture]).shape(), [64, 64, 3]);
}
