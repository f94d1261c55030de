//! Random numbers for tests.

use scorehost_core::{DType, NamedTensor, Tensor};

/// Random numbers of a seed that is printed with a failure.
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new() -> Self {
        let seed = std::env::var("SEED").ok().and_then(|seed| seed.parse().ok());
        let now = std::time::UNIX_EPOCH.elapsed().unwrap().as_nanos() as u64;
        let seed = seed.unwrap_or(now) | 1;
        eprintln!("SEED={seed}");
        Self(seed)
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 >> 20
    }

    /// A number from 0 to `end` - 1.
    pub(crate) fn below(&mut self, end: usize) -> usize {
        (self.next() % end.max(1) as u64) as usize
    }

    /// Whether something happens that happens once in `times`.
    pub(crate) fn once_in(&mut self, times: usize) -> bool {
        self.below(times) == 0
    }

    pub(crate) fn choose<'a, T>(&mut self, from: &'a [T]) -> &'a T {
        &from[self.below(from.len())]
    }

    pub(crate) fn floats(&mut self, name: &str, shape: &[u64]) -> NamedTensor {
        let count: u64 = shape.iter().product();
        // About normal: a sum of four uniform numbers.
        let mut uniform = || (self.next() & 0xf_ffff) as f32 / (1u64 << 20) as f32 - 0.5;
        let values: Vec<f32> = (0..count).map(|_| (uniform() + uniform() + uniform() + uniform()) * 1.7).collect();
        NamedTensor::new(name, Tensor::from_f32(shape, &values).unwrap())
    }

    pub(crate) fn integers(&mut self, name: &str, shape: &[u64], below: u64) -> NamedTensor {
        let count: u64 = shape.iter().product();
        let data: Vec<u8> = (0..count).flat_map(|_| (self.next() % below).to_le_bytes()).collect();
        NamedTensor::new(name, Tensor::new(DType::I64, shape, data.into()).unwrap())
    }
}
