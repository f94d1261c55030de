//! The rows of calls: what they have in common, and what a run of several gives each of them.

use bytes::Bytes;
use scorehost_core::{DType, Described, Named, NamedValue, NamedValues, Shape, Signature, Tensor, TensorError, Value};

/// Rows of every input; `None` where they differ, where there are none, or where an input has no dimensions.
pub(crate) fn common(inputs: &[NamedValue]) -> Option<u64> {
    let mut rows = inputs.iter().map(|input| input.value.shape().first().copied());
    let first = rows.next()??;
    (first > 0 && rows.all(|others| others == Some(first))).then_some(first)
}

/// The inputs in the signature's order, all of which are there.
pub(crate) fn in_order(signature: &Signature, mut inputs: NamedValues) -> NamedValues {
    let position = |name: &str| signature.inputs.iter().position(|spec| *spec.name == *name);
    inputs.sort_by_key(|input| position(&input.name));
    inputs
}

/// Whether inputs in one order differ in their rows only.
pub(crate) fn alike(one: &[NamedValue], two: &[NamedValue]) -> bool {
    let same = |(one, two): (&NamedValue, &NamedValue)| {
        one.value.dtype() == two.value.dtype() && one.value.shape().get(1..) == two.value.shape().get(1..)
    };
    one.len() == two.len() && one.iter().zip(two).all(same)
}

/// Bytes of inputs.
pub(crate) fn bytes(inputs: &[impl Named]) -> usize {
    inputs.iter().map(|input| input.item().byte_len() as usize).sum()
}

/// Whether an output has a row for every one of `rows`.
pub(crate) fn has(output: &Value, rows: u64) -> bool {
    output.shape().first() == Some(&rows)
}

/// A value cut into pieces of so many rows each, which share its bytes.
pub(crate) fn split(value: &Value, rows: &[u64]) -> Result<Vec<Value>, TensorError> {
    if let Value::Host(tensor) = value
        && tensor.dtype() == DType::Bytes
    {
        return split_strings(tensor, rows);
    }
    let mut start = 0;
    let piece = |rows: &u64| {
        let end = start + rows;
        let piece = value.rows(start, end);
        start = end;
        piece
    };
    rows.iter().map(piece).collect()
}

/// The same for byte strings, whose ends are known only to who has read all before them: once through for all pieces.
fn split_strings(tensor: &Tensor, rows: &[u64]) -> Result<Vec<Value>, TensorError> {
    let per_row: u64 = tensor.shape()[1..].iter().product();
    let mut strings = tensor.byte_strings();
    let mut rest: Bytes = tensor.data().clone();
    let piece = |rows: &u64| {
        let count = usize::try_from(rows * per_row).unwrap_or(usize::MAX);
        let length = strings.by_ref().take(count).map(|string| 4 + string.len()).sum();
        let mut shape = Shape::from_slice(tensor.shape());
        shape[0] = *rows;
        Tensor::new(DType::Bytes, shape, rest.split_to(length)).map(Value::Host)
    };
    rows.iter().map(piece).collect()
}

#[cfg(test)]
mod tests;
