//! Whether tensors are what a scorer declared in `signature`.

use std::fmt;

use scorehost_core::{ErrorKind, Failure, NamedTensor, Signature, Tensor, TensorSpec};

/// Refuses inputs that the scorer did not declare, and requests that lack one.
pub(crate) fn check_inputs(signature: &Signature, inputs: &[NamedTensor]) -> Result<(), Failure> {
    check(&signature.inputs, inputs).map_err(|what| Failure::invalid(format!("input {what}")))
}

/// Refuses outputs that differ from what the scorer declared: a fault of the scorer.
pub(crate) fn check_outputs(signature: &Signature, outputs: &[NamedTensor]) -> Result<(), Failure> {
    check(&signature.outputs, outputs)
        .map_err(|what| Failure::new(ErrorKind::ScorerFault, format!("the scorer returned output {what}")))
}

/// Refuses a signature that no request could meet.
pub(crate) fn check_signature(signature: &Signature) -> Result<(), Failure> {
    for specs in [&signature.inputs, &signature.outputs] {
        for (index, spec) in specs.iter().enumerate() {
            let twice = specs[..index].iter().any(|other| other.name == spec.name);
            if twice || spec.name.is_empty() || spec.shape.iter().any(|dim| *dim < -1) {
                let message = format!(
                    "the scorer's signature is invalid at '{}': names must be unique and not empty, dimensions -1 or more",
                    spec.name
                );
                return Err(Failure::new(ErrorKind::ScorerFault, message));
            }
        }
    }
    Ok(())
}

fn check(specs: &[TensorSpec], tensors: &[NamedTensor]) -> Result<(), String> {
    for named in tensors {
        let spec = specs.iter().find(|spec| spec.name == named.name);
        let spec =
            spec.ok_or_else(|| format!("'{}', which is not declared; declared: [{}]", named.name, names(specs)))?;
        if !fits(spec, &named.tensor) {
            let tensor = &named.tensor;
            return Err(format!(
                "'{}' as {} {:?}; declared: {}",
                named.name,
                tensor.dtype(),
                tensor.shape(),
                Declared(spec)
            ));
        }
    }
    if tensors.len() == specs.len() && !repeats(tensors) {
        return Ok(());
    }
    let given = |spec: &&TensorSpec| tensors.iter().filter(|named| named.name == spec.name).count();
    match specs.iter().find(|spec| given(spec) != 1) {
        Some(spec) if given(&spec) == 0 => Err(format!("'{}' not at all; declared: {}", spec.name, Declared(spec))),
        Some(spec) => Err(format!("'{}' more than once", spec.name)),
        None => Ok(()),
    }
}

fn repeats(tensors: &[NamedTensor]) -> bool {
    tensors.iter().enumerate().any(|(index, named)| tensors[..index].iter().any(|other| other.name == named.name))
}

fn fits(spec: &TensorSpec, tensor: &Tensor) -> bool {
    let same = |(want, got): (&i64, &u64)| *want == -1 || u64::try_from(*want) == Ok(*got);
    spec.dtype == tensor.dtype()
        && spec.shape.len() == tensor.shape().len()
        && spec.shape.iter().zip(tensor.shape()).all(same)
}

fn names(specs: &[TensorSpec]) -> String {
    specs.iter().map(|spec| &*spec.name).collect::<Vec<_>>().join(", ")
}

struct Declared<'a>(&'a TensorSpec);

impl fmt::Display for Declared<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {:?}", self.0.dtype, self.0.shape)
    }
}

#[cfg(test)]
mod tests;
