//! Two models in a row, with a product between them: what the first one gives is doubled and goes to the second. Where the input's first
//! element is negative, the scorer reads the first model's output instead of passing it on.

use scorehost::{DType, Model, Result, Scorer, Signature, Tensor, TensorSpec, Tensors};

struct Chain {
    first: Model,
    second: Model,
}

fn run(model: &Model, input: &Tensor) -> Result<Tensor> {
    model.run_for([("INPUT0", input)], &[])?.take("OUTPUT0")
}

impl Scorer for Chain {
    fn init() -> Result<Self> {
        Ok(Self { first: Model::open("first")?, second: Model::open("second")? })
    }

    fn signature(&self) -> Signature {
        Signature::new(
            [TensorSpec::new("INPUT0", DType::Fp32, [-1, 16])],
            [TensorSpec::new("OUTPUT0", DType::Fp32, [-1, 16])],
        )
    }

    fn run(&mut self, inputs: Tensors) -> Result<Tensors> {
        let input = inputs.get("INPUT0")?;
        let middle = run(&self.first, input)?;
        let reads = f32::from_le_bytes(input.read(0, 4)?.try_into().unwrap_or_default()) < 0.0;
        let output = if reads {
            let doubled: Vec<f32> = middle.to_vec::<f32>()?.into_iter().map(|value| 2.0 * value).collect();
            Tensor::from_slice(middle.shape(), &doubled)?
        } else {
            run(&self.second, &middle.multiply(2.0)?)?
        };
        Ok(Tensors::new().with("OUTPUT0", output))
    }
}

scorehost::scorer!(Chain);
