//! A scorer that declares an FP32 output and returns an INT64 one of another shape.

use scorehost::{DType, Result, Scorer, Signature, Tensor, TensorSpec, Tensors};

struct WrongOutput;

impl Scorer for WrongOutput {
    fn init() -> Result<Self> {
        Ok(Self)
    }

    fn signature(&self) -> Signature {
        Signature::new(
            [TensorSpec::new("INPUT0", DType::Fp32, [-1, 16])],
            [TensorSpec::new("OUTPUT0", DType::Fp32, [-1, 16])],
        )
    }

    fn run(&mut self, _inputs: Tensors) -> Result<Tensors> {
        Ok(Tensors::new().with("OUTPUT0", Tensor::from_slice([3], &[1_i64, 2, 3])?))
    }
}

scorehost::scorer!(WrongOutput);
