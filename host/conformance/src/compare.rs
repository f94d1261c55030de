//! Whether outputs are those that a case expects.

use half::{bf16, f16};
use scorehost_core::{DType, Tensor};

/// As the ONNX project's own tests: |got - want| <= ABSOLUTE + RELATIVE * |want|.
const RELATIVE: f64 = 1e-3;
const ABSOLUTE: f64 = 1e-7;
/// In transforms large terms cancel out, so that a zero is as exact as the largest element is in single precision.
const CANCELLED: f64 = 1e-6;

/// Fails with the first difference; `transform` tells that outputs are those of a Fourier transform.
pub(crate) fn compare(name: &str, got: &Tensor, want: &Tensor, transform: bool) -> Result<(), String> {
    if (got.dtype(), got.shape()) != (want.dtype(), want.shape()) {
        let show = |tensor: &Tensor| format!("{} {:?}", tensor.dtype(), tensor.shape());
        return Err(format!("output '{name}' is {}, expected {}", show(got), show(want)));
    }
    let (Some(got), Some(want)) = (floats(got), floats(want)) else {
        return if got.data() == want.data() { Ok(()) } else { Err(first_difference(name, got, want)) };
    };
    let largest = want.iter().fold(0.0, |most: f64, x| most.max(x.abs()));
    let absolute = if transform { ABSOLUTE.max(CANCELLED * largest) } else { ABSOLUTE };
    match got.iter().zip(&want).position(|(got, want)| !close(*got, *want, absolute)) {
        None => Ok(()),
        Some(index) => Err(format!("output '{name}'[{index}] is {}, expected {}", got[index], want[index])),
    }
}

fn close(got: f64, want: f64, absolute: f64) -> bool {
    got == want || (got.is_nan() && want.is_nan()) || (got - want).abs() <= absolute + RELATIVE * want.abs()
}

/// Numbers of a float tensor.
fn floats(tensor: &Tensor) -> Option<Vec<f64>> {
    macro_rules! numbers {
        ($kind:ty) => {
            tensor.data().as_chunks().0.iter().map(|bytes| <$kind>::from_le_bytes(*bytes).into()).collect()
        };
    }
    Some(match tensor.dtype() {
        DType::F16 => numbers!(f16),
        DType::BF16 => numbers!(bf16),
        DType::F32 => numbers!(f32),
        DType::F64 => numbers!(f64),
        _ => return None,
    })
}

fn first_difference(name: &str, got: &Tensor, want: &Tensor) -> String {
    let Some(size) = got.dtype().size() else {
        let text =
            |tensor: &Tensor| tensor.byte_strings().map(|text| String::from_utf8_lossy(text).into_owned()).collect();
        let (got, want): (Vec<String>, Vec<String>) = (text(got), text(want));
        return format!("output '{name}' is {got:?}, expected {want:?}");
    };
    let pairs = got.data().chunks(size).zip(want.data().chunks(size));
    let index = pairs.into_iter().position(|(got, want)| got != want).unwrap_or(0);
    let element = |tensor: &Tensor| integer(tensor.dtype(), &tensor.data()[index * size..(index + 1) * size]);
    format!("output '{name}'[{index}] is {}, expected {}", element(got), element(want))
}

fn integer(dtype: DType, bytes: &[u8]) -> i128 {
    let mut wide = [0; 8];
    wide[..bytes.len()].copy_from_slice(bytes);
    let value = u64::from_le_bytes(wide);
    let shift = 64 - 8 * bytes.len();
    match dtype {
        DType::I8 | DType::I16 | DType::I32 | DType::I64 => i128::from((value << shift) as i64 >> shift),
        _ => i128::from(value),
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_compared_relatively_and_integers_exactly() {
        let floats = |values: &[f32]| Tensor::from_f32([values.len() as u64].as_slice(), values).unwrap();
        let want = floats(&[1000.0, f32::NAN, f32::INFINITY, 0.0]);
        let compare = |name, got: &Tensor, want: &Tensor| super::compare(name, got, want, false);
        assert!(compare("y", &floats(&[1000.9, f32::NAN, f32::INFINITY, 5e-8]), &want).is_ok());
        assert!(compare("y", &floats(&[1000.9, f32::NAN, f32::INFINITY, 5e-6]), &want).is_err());
        assert!(compare("y", &floats(&[1002.0, f32::NAN, f32::INFINITY, 0.0]), &want).unwrap_err().contains("'y'[0]"));
        assert!(compare("y", &floats(&[1000.0, 0.0, f32::INFINITY, 0.0]), &want).is_err());
        assert!(compare("y", &floats(&[1000.0]), &want).unwrap_err().contains("FP32 [1], expected FP32 [4]"));
        let ints = |values: &[i16]| {
            let bytes: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
            Tensor::new(DType::I16, [values.len() as u64].as_slice(), bytes.into()).unwrap()
        };
        assert!(compare("y", &ints(&[7, -8]), &ints(&[7, -8])).is_ok());
        assert!(compare("y", &ints(&[7, -9]), &ints(&[7, -8])).unwrap_err().contains("[1] is -9, expected -8"));
    }
}
