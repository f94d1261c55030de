#![allow(clippy::unwrap_used, reason = "tests")]

use super::*;

#[test]
fn a_constant_is_within_a_type_whose_range_holds_its_finite_numbers() {
    let constant = |values: &[f32]| {
        let data: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        Tensor::new(DType::F32, [values.len() as u64].as_slice(), data.into()).unwrap()
    };
    let narrow =
        |values: &[f32]| [DType::F16, DType::BF16, DType::F32].map(|stored| is_within(&constant(values), stored));
    assert_eq!(narrow(&[0.5, -2.0, f32::INFINITY, f32::NAN]), [true; 3]);
    assert_eq!(narrow(&[1e5]), [false, true, true]);
    assert_eq!(narrow(&[1.0, f32::MIN]), [false, false, true], "what exporters write for 'masked' becomes no infinity");
}
