//! Passes its input on to the model `identity` and returns the model's output: what a scorer costs that adds nothing.
//!
//! Only handles travel. The elements of a request stay in the host, whatever their number.

use scorehost::{Model, Result, Scorer, Signature, Tensors};

struct Identity {
    model: Model,
    signature: Signature,
}

impl Scorer for Identity {
    fn init() -> Result<Self> {
        let model = Model::open("identity")?;
        let signature = model.metadata().signature;
        Ok(Self { model, signature })
    }

    fn signature(&self) -> Signature {
        self.signature.clone()
    }

    fn run(&mut self, inputs: Tensors) -> Result<Tensors> {
        self.model.run(&inputs)
    }
}

scorehost::scorer!(Identity);
