//! Passes its input on to the service that the variable `CALLS` names, and returns what that one answers. Where the variable `BODY` is
//! set, it posts that instead, and returns its input.

use scorehost::{DType, Error, ErrorKind, Result, Scorer, Signature, TensorSpec, Tensors, context, services};

struct Caller {
    calls: String,
}

impl Scorer for Caller {
    fn init() -> Result<Self> {
        let missing = || Error::new(ErrorKind::InvalidInput, "the variable CALLS names no service");
        Ok(Self { calls: context::variable("CALLS").ok_or_else(missing)? })
    }

    fn signature(&self) -> Signature {
        Signature::new(
            [TensorSpec::new("INPUT0", DType::Fp32, [-1, 16])],
            [TensorSpec::new("OUTPUT0", DType::Fp32, [-1, 16])],
        )
    }

    fn run(&mut self, inputs: Tensors) -> Result<Tensors> {
        let Some(body) = context::variable("BODY") else { return services::call(&self.calls, &inputs) };
        services::post(&self.calls, body, "text/plain")?.successful()?;
        Ok(inputs.into_iter().map(|(_, tensor)| ("OUTPUT0".to_owned(), tensor)).collect())
    }
}

scorehost::scorer!(Caller);
