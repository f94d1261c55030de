//! Seeded random tensors, and how far two tensors are apart: for tests and benchmarks of whole models on a device.
#![expect(clippy::unwrap_used, reason = "for tests, which a wrong shape ends")]

use scorehost_core::{DType, NamedTensor, Shape, Signature, Tensor};

/// A xorshift generator: the same numbers everywhere.
pub struct Random(u64);

impl Random {
    /// Starts from a seed.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    /// The next number, of all 64 bits.
    #[expect(clippy::should_implement_trait, reason = "it never ends and is no iterator")]
    pub fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    /// About normal: the sum of four uniform numbers.
    fn normal(&mut self) -> f32 {
        let uniform = |random: &mut Self| (random.next() >> 40) as f32 / (1u64 << 24) as f32 - 0.5;
        (0..4).map(|_| uniform(self)).sum::<f32>() * 1.7
    }
}

/// Shapes such as `N,3,224,224` with the batch put in.
#[must_use]
pub fn shapes(dims: &[&str], batch: u64) -> Vec<Shape> {
    let shape =
        |dims: &&str| dims.split(',').map(|dim| if dim == "N" { batch } else { dim.parse().unwrap() }).collect();
    dims.iter().map(shape).collect()
}

/// Random inputs: integers are small token numbers, masks are ones.
#[must_use]
pub fn random(signature: &Signature, shapes: &[Shape], seed: u64) -> Vec<NamedTensor> {
    let mut random = Random::new(seed);
    let tensor = |(spec, shape): (&scorehost_core::TensorSpec, &Shape)| {
        let count = shape.iter().product::<u64>() as usize;
        let data: Vec<u8> = match spec.dtype {
            DType::F32 => (0..count).flat_map(|_| random.normal().to_le_bytes()).collect(),
            DType::I64 => {
                let mask = spec.name.contains("mask");
                let kinds = spec.name.contains("type");
                let mut token = || {
                    if mask {
                        1
                    } else if kinds {
                        0
                    } else {
                        1 + (random.next() % 1000) as i64
                    }
                };
                (0..count).flat_map(|_| token().to_le_bytes()).collect()
            }
            other => unimplemented!("random {other}"),
        };
        NamedTensor::new(spec.name.clone(), Tensor::new(spec.dtype, shape.clone(), data.into()).unwrap())
    };
    signature.inputs.iter().zip(shapes).map(tensor).collect()
}

/// Elements as numbers.
#[must_use]
pub fn numbers(tensor: &Tensor) -> Vec<f64> {
    let data = tensor.data();
    match tensor.dtype() {
        DType::F32 => data.as_chunks().0.iter().map(|bytes| f64::from(f32::from_le_bytes(*bytes))).collect(),
        DType::F64 => data.as_chunks().0.iter().map(|bytes| f64::from_le_bytes(*bytes)).collect(),
        DType::F16 => data.as_chunks().0.iter().map(|bytes| half::f16::from_le_bytes(*bytes).to_f64()).collect(),
        DType::BF16 => data.as_chunks().0.iter().map(|bytes| half::bf16::from_le_bytes(*bytes).to_f64()).collect(),
        DType::I64 => data.as_chunks().0.iter().map(|bytes| i64::from_le_bytes(*bytes) as f64).collect(),
        DType::U64 => data.as_chunks().0.iter().map(|bytes| u64::from_le_bytes(*bytes) as f64).collect(),
        DType::I32 => data.as_chunks().0.iter().map(|bytes| f64::from(i32::from_le_bytes(*bytes))).collect(),
        DType::U32 => data.as_chunks().0.iter().map(|bytes| f64::from(u32::from_le_bytes(*bytes))).collect(),
        DType::I16 => data.as_chunks().0.iter().map(|bytes| f64::from(i16::from_le_bytes(*bytes))).collect(),
        DType::U16 => data.as_chunks().0.iter().map(|bytes| f64::from(u16::from_le_bytes(*bytes))).collect(),
        DType::I8 => data.iter().map(|byte| f64::from(*byte as i8)).collect(),
        DType::U8 | DType::Bool => data.iter().map(|byte| f64::from(*byte)).collect(),
        DType::Bytes => Vec::new(),
    }
}

/// The norm of the difference over the norm of what is expected; infinite where a number is not finite or a shape differs.
#[must_use]
pub fn distance(actual: &Tensor, expected: &Tensor) -> f64 {
    if actual.shape() != expected.shape() || actual.dtype() != expected.dtype() {
        return f64::INFINITY;
    }
    let (a, b) = (numbers(actual), numbers(expected));
    let (mut apart, mut size) = (0.0, 0.0);
    for (a, b) in a.iter().zip(&b) {
        if !a.is_finite() && a.to_bits() != b.to_bits() {
            return f64::INFINITY;
        }
        apart += (a - b) * (a - b);
        size += b * b;
    }
    if apart == 0.0 { 0.0 } else { (apart / size.max(1e-30)).sqrt() }
}
