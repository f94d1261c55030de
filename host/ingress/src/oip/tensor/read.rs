//! Reads the `data` of an input.

use std::fmt;

use scorehost_core::{DType, Failure, Shape, Tensor, TensorError};
use serde::de::{DeserializeSeed, Deserializer, Error, SeqAccess, Visitor};
use serde_json::value::RawValue;

use crate::oip::element::{self, Scalar};

/// The tensor of a flat list, or of lists nested like `shape`. Counts elements against `shape` while reading, so that
/// neither can make the host allocate more than the text itself holds.
pub(crate) fn read_data(name: &str, dtype: DType, shape: Shape, data: &RawValue) -> Result<Tensor, Failure> {
    let expected = elements(&shape)?;
    // An element takes at least one character and a comma.
    let likely = expected.min(data.get().len() as u64 / 2 + 1) as usize;
    let mut reader = Reader {
        dtype,
        shape: &shape,
        expected,
        read: 0,
        leaf_level: None,
        out: Vec::with_capacity(likely * dtype.size().unwrap_or(8)),
    };
    let mut source = serde_json::Deserializer::from_str(data.get());
    let wrong = |error: &dyn fmt::Display| Failure::invalid(format!("data of input '{name}': {error}"));
    Level { reader: &mut reader, level: 0 }.deserialize(&mut source).map_err(|error| wrong(&error))?;
    if reader.read != expected {
        let read = reader.read;
        return Err(wrong(&format_args!("shape {shape:?} has {expected} elements, got {read}")));
    }
    let out = reader.out;
    Tensor::new(dtype, shape, out.into()).map_err(|error| wrong(&error))
}

fn elements(shape: &[u64]) -> Result<u64, Failure> {
    if shape.contains(&0) {
        return Ok(0);
    }
    let product = shape.iter().try_fold(1u64, |product, dim| product.checked_mul(*dim));
    product.ok_or_else(|| TensorError::Overflow(shape.to_vec()).into())
}

struct Reader<'s> {
    dtype: DType,
    shape: &'s [u64],
    expected: u64,
    read: u64,
    /// How many lists enclose the elements; the same for all of them.
    leaf_level: Option<usize>,
    out: Vec<u8>,
}

impl Reader<'_> {
    fn element<E: Error>(&mut self, level: usize, value: Scalar<'_>) -> Result<(), E> {
        if *self.leaf_level.get_or_insert(level) != level {
            return Err(E::custom("elements and lists are mixed"));
        }
        self.read += 1;
        if self.read > self.expected {
            return Err(E::custom(format_args!("shape {:?} has {} elements, got more", self.shape, self.expected)));
        }
        if element::push(&mut self.out, self.dtype, value) {
            return Ok(());
        }
        Err(E::custom(format_args!("element {} is {}, which is no {}", self.read - 1, Shown(value), self.dtype)))
    }

    /// A list of `items` items ended `level` lists deep.
    fn list_ended<E: Error>(&self, level: usize, items: u64) -> Result<(), E> {
        let nested = self.leaf_level.is_some_and(|leaves| leaves > 1);
        if nested && (self.leaf_level != Some(self.shape.len()) || self.shape.get(level) != Some(&items)) {
            let shape = self.shape;
            return Err(E::custom(format_args!("a list of {items} at depth {level} does not fit shape {shape:?}")));
        }
        Ok(())
    }
}

struct Level<'r, 's> {
    reader: &'r mut Reader<'s>,
    level: usize,
}

impl<'de> DeserializeSeed<'de> for Level<'_, '_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Level<'_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a list of {}", self.reader.dtype)
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<(), E> {
        self.reader.element(self.level, Scalar::Bool(value))
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<(), E> {
        self.reader.element(self.level, Scalar::Unsigned(value))
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<(), E> {
        self.reader.element(self.level, Scalar::Signed(value))
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<(), E> {
        self.reader.element(self.level, Scalar::Float(value))
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<(), E> {
        self.reader.element(self.level, Scalar::Text(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<(), A::Error> {
        let mut items = 0;
        while list.next_element_seed(Level { reader: &mut *self.reader, level: self.level + 1 })?.is_some() {
            items += 1;
        }
        self.reader.list_ended(self.level, items)
    }
}

/// A value as an error message shows it: short.
struct Shown<'a>(Scalar<'a>);

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Scalar::Bool(value) => value.fmt(f),
            Scalar::Unsigned(value) => value.fmt(f),
            Scalar::Signed(value) => value.fmt(f),
            Scalar::Float(value) => write!(f, "{value:?}"),
            Scalar::Text(text) => write!(f, "'{}'", text.chars().take(32).collect::<String>()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(dtype: DType, shape: &[u64], data: &str) -> Result<Vec<u8>, String> {
        let raw: &RawValue = serde_json::from_str(data).unwrap();
        let tensor = read_data("x", dtype, shape.into(), raw).map_err(|failure| failure.message.into_owned())?;
        Ok(tensor.data().to_vec())
    }

    #[test]
    fn flat_and_nested_lists_are_the_same_tensor() {
        for data in ["[1,2,3,4]", "[[1,2],[3,4]]"] {
            assert_eq!(read(DType::U8, &[2, 2], data), Ok(vec![1, 2, 3, 4]), "{data}");
        }
        assert_eq!(read(DType::U8, &[], "[7]"), Ok(vec![7]));
        assert_eq!(read(DType::U8, &[], "7"), Ok(vec![7]));
        assert_eq!(read(DType::U8, &[0], "[]"), Ok(vec![]));
        assert_eq!(read(DType::U8, &[1, 0], "[[]]"), Ok(vec![]));
    }

    #[test]
    fn lists_that_do_not_fit_are_named() {
        let check = |shape: &[u64], data: &str, expected: &str| {
            let message = read(DType::U8, shape, data).unwrap_err();
            assert!(message.starts_with(&format!("data of input 'x': {expected}")), "{data}: {message}");
        };
        check(&[2, 2], "[1,2,3]", "shape [2, 2] has 4 elements, got 3");
        check(&[2, 2], "[1,2,3,4,5]", "shape [2, 2] has 4 elements, got more");
        check(&[2, 2], "[[1,2,3],[4]]", "a list of 3 at depth 1 does not fit shape [2, 2]");
        check(&[2, 2], "[[1,2],3,4]", "elements and lists are mixed");
        check(&[4], "[[1,2],[3,4]]", "a list of 2 at depth 1 does not fit shape [4]");
        check(&[1], "[256]", "element 0 is 256, which is no UINT8");
        check(&[1], "[null]", "invalid type: null, expected a list of UINT8");
        check(&[1], &format!("{}1{}", "[".repeat(200), "]".repeat(200)), "recursion limit exceeded");
    }

    #[test]
    fn huge_shapes_allocate_nothing() {
        let message = read(DType::F64, &[u64::MAX], "[1]").unwrap_err();
        assert!(message.contains("got 1"), "{message}");
        let message = read(DType::F64, &[u64::MAX, 3], "[1]").unwrap_err();
        assert!(message.contains("more elements than any tensor"), "{message}");
    }
}
