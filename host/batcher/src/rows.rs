//! Several calls' tensors as one along dimension 0, and back.

use bytes::{Bytes, BytesMut};
use scorehost_core::{DType, NamedTensor, NamedTensors, Shape, Signature, Tensor, TensorError};

/// Rows of every input; `None` where they differ, where there are none, or where an input has no dimensions.
pub(crate) fn common(inputs: &[NamedTensor]) -> Option<u64> {
    let mut rows = inputs.iter().map(|input| input.tensor.shape().first().copied());
    let first = rows.next()??;
    (first > 0 && rows.all(|others| others == Some(first))).then_some(first)
}

/// The inputs in the signature's order, all of which are there.
pub(crate) fn in_order(signature: &Signature, mut inputs: NamedTensors) -> NamedTensors {
    let position = |name: &str| signature.inputs.iter().position(|spec| *spec.name == *name);
    inputs.sort_by_key(|input| position(&input.name));
    inputs
}

/// Whether inputs in one order differ in their rows only.
pub(crate) fn alike(one: &[NamedTensor], two: &[NamedTensor]) -> bool {
    let same = |(one, two): (&NamedTensor, &NamedTensor)| {
        one.tensor.dtype() == two.tensor.dtype() && one.tensor.shape().get(1..) == two.tensor.shape().get(1..)
    };
    one.len() == two.len() && one.iter().zip(two).all(same)
}

/// Bytes of inputs.
pub(crate) fn bytes(inputs: &[NamedTensor]) -> usize {
    inputs.iter().map(|input| input.tensor.data().len()).sum()
}

/// The inputs of alike calls one after the other: each byte is copied once.
pub(crate) fn join(calls: &[&[NamedTensor]]) -> Result<NamedTensors, TensorError> {
    let first = calls.first().copied().unwrap_or_default();
    let joined = |(index, input): (usize, &NamedTensor)| {
        let parts = || calls.iter().map(|call| &call[index].tensor);
        let mut data = BytesMut::with_capacity(parts().map(|part| part.data().len()).sum());
        parts().for_each(|part| data.extend_from_slice(part.data()));
        let mut shape = Shape::from_slice(input.tensor.shape());
        shape[0] = parts().map(|part| part.shape()[0]).sum();
        let tensor = Tensor::new(input.tensor.dtype(), shape, data.freeze())?;
        Ok(NamedTensor { name: input.name.clone(), tensor })
    };
    first.iter().enumerate().map(joined).collect()
}

/// Whether an output has a row for every one of `rows`.
pub(crate) fn has(output: &Tensor, rows: u64) -> bool {
    output.shape().first() == Some(&rows)
}

/// A tensor cut into pieces of so many rows each, which share its bytes.
pub(crate) fn split(tensor: &Tensor, rows: &[u64]) -> Result<Vec<Tensor>, TensorError> {
    if tensor.dtype() == DType::Bytes {
        return split_strings(tensor, rows);
    }
    let mut start = 0;
    let piece = |rows: &u64| {
        let end = start + rows;
        let piece = tensor.rows(start, end);
        start = end;
        piece
    };
    rows.iter().map(piece).collect()
}

/// The same for byte strings, whose ends are known only to who has read all before them: once through for all pieces.
fn split_strings(tensor: &Tensor, rows: &[u64]) -> Result<Vec<Tensor>, TensorError> {
    let per_row: u64 = tensor.shape()[1..].iter().product();
    let mut strings = tensor.byte_strings();
    let mut rest: Bytes = tensor.data().clone();
    let piece = |rows: &u64| {
        let count = usize::try_from(rows * per_row).unwrap_or(usize::MAX);
        let length = strings.by_ref().take(count).map(|string| 4 + string.len()).sum();
        let mut shape = Shape::from_slice(tensor.shape());
        shape[0] = *rows;
        Tensor::new(DType::Bytes, shape, rest.split_to(length))
    };
    rows.iter().map(piece).collect()
}

#[cfg(test)]
mod tests;
