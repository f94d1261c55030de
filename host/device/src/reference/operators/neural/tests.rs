//! Fast kernels against the definitions, computed element by element in double precision. Fresh memory is NaN in tests, so
//! that an element which a kernel does not write is seen.
#![allow(clippy::unwrap_used, reason = "tests")]

mod networks;
mod windows;

use std::collections::BTreeMap;
use std::sync::Arc;

use scorehost_graph::{Attribute, Node};

use crate::reference::array::Array;
use crate::reference::attributes::Attributes;
use crate::reference::operators::{Arguments, find};

/// Numbers from -1 to 1 that look random and are the same in every run.
pub(super) fn numbers(seed: u64, count: usize) -> Vec<f32> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 40) as f32 / (1u64 << 23) as f32 - 1.0
    };
    (0..count).map(|_| next()).collect()
}

/// An array of such numbers.
pub(super) fn array(seed: u64, shape: &[usize]) -> Array {
    Array::new(shape.to_vec(), numbers(seed, shape.iter().product())).unwrap()
}

pub(super) fn ints(values: &[i64]) -> Attribute {
    Attribute::Ints(values.to_vec())
}

pub(super) fn text(value: &'static str) -> Attribute {
    Attribute::String(value.into())
}

/// Runs one operator.
pub(super) fn run(
    (domain, operator, opset): (&str, &str, i64),
    attributes: &[(&str, Attribute)],
    inputs: &[Option<&Array>],
) -> Result<Vec<Array>, String> {
    let attributes: BTreeMap<Arc<str>, Attribute> =
        attributes.iter().map(|(name, value)| (Arc::from(*name), value.clone())).collect();
    let node = Node {
        name: "tested".into(),
        domain: domain.into(),
        operator: operator.into(),
        opset,
        inputs: Vec::new(),
        outputs: Vec::new(),
        attributes,
    };
    let build = find(&node).ok_or("no such operator")?;
    let kernel = build(&Attributes(&node))?;
    let mut inputs: Vec<Option<Arc<Array>>> = inputs.iter().map(|input| input.cloned().map(Arc::new)).collect();
    kernel(&mut Arguments(&mut inputs))
}

pub(super) fn close(what: &str, got: &Array, shape: &[usize], want: &[f64]) {
    assert_eq!(got.shape, shape, "{what}");
    let got = got.get::<f32>().unwrap();
    assert_eq!(got.len(), want.len(), "{what}");
    for (index, (got, want)) in got.iter().zip(want).enumerate() {
        assert!(
            (f64::from(*got) - want).abs() <= 2e-5 * (1.0 + want.abs()),
            "{what} [{index}]: {got}, expected {want}"
        );
    }
}

pub(super) fn doubles(array: &Array) -> Vec<f64> {
    array.get::<f32>().unwrap().iter().map(|x| f64::from(*x)).collect()
}
