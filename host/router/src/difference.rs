//! How far two answers to one request are apart: for a shadow's copies, and for recorded requests that are asked again.

use scorehost_core::{DType, NamedTensors, Tensor};
use scorehost_telemetry::Verdict;
use serde_json::Value;

/// Where two answers differ, and by how much.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Distance {
    /// Values that are not the same; 0 for equal answers.
    pub values: u64,
    /// The largest absolute difference of two numbers in the same place; `None` where something differs that is no number.
    pub largest: Option<f64>,
    /// Where that is, or the first place that differs otherwise: `scores[3]`, `status`, `$.labels[0].name`.
    pub place: Option<String>,
}

impl Distance {
    /// What it means for those who count.
    #[must_use]
    pub fn verdict(&self) -> Verdict {
        match (self.values, self.largest) {
            (0, _) => Verdict::Equal,
            (_, largest) => Verdict::Differs(largest),
        }
    }

    const fn none() -> Self {
        Self { values: 0, largest: Some(0.0), place: None }
    }

    /// Counts two numbers, or two values that cannot be compared by numbers.
    fn add(&mut self, difference: Option<f64>, place: impl FnOnce() -> String) {
        self.values += 1;
        let first = self.place.is_none();
        match (self.largest, difference) {
            // Something that is no number differs already, and has its place.
            (None, _) => {}
            (Some(largest), Some(difference)) => {
                if first || difference > largest {
                    self.largest = Some(difference);
                    self.place = Some(place());
                }
            }
            (Some(_), None) => {
                self.largest = None;
                self.place = Some(place());
            }
        }
    }
}

/// Compares tensors of the same names, whatever their order.
#[must_use]
pub fn of_tensors(ours: &NamedTensors, theirs: &NamedTensors) -> Distance {
    let mut distance = Distance::none();
    for our in ours {
        match theirs.iter().find(|their| their.name == our.name) {
            Some(their) => between(&our.name, &our.tensor, &their.tensor, &mut distance),
            None => distance.add(None, || our.name.to_string()),
        }
    }
    for their in theirs.iter().filter(|their| !ours.iter().any(|our| our.name == their.name)) {
        distance.add(None, || their.name.to_string());
    }
    distance
}

/// Compares status and body; headers may differ. Bodies of JSON are compared value by value.
#[must_use]
pub fn of_bodies(ours: (u16, &[u8]), theirs: (u16, &[u8])) -> Distance {
    let mut distance = Distance::none();
    if ours.0 != theirs.0 {
        distance.add(None, || "status".to_owned());
    }
    if ours.1 == theirs.1 {
        return distance;
    }
    let parse = |body| serde_json::from_slice::<Value>(body);
    match (parse(ours.1), parse(theirs.1)) {
        (Ok(our), Ok(their)) => of_values(&mut "$".to_owned(), &our, &their, &mut distance),
        _ => distance.add(None, || "body".to_owned()),
    }
    distance
}

/// Compares two JSON values; `path` is where they are, and the same again afterwards.
fn of_values(path: &mut String, ours: &Value, theirs: &Value, distance: &mut Distance) {
    match (ours, theirs) {
        (Value::Number(our), Value::Number(their)) => {
            if our != their {
                let difference = our.as_f64().zip(their.as_f64()).map(|(our, their)| (our - their).abs());
                // 1 and 1.0 are the same number.
                if difference != Some(0.0) || our.is_f64() == their.is_f64() {
                    distance.add(difference.filter(|difference| difference.is_finite()), || path.clone());
                }
            }
        }
        (Value::Array(ours), Value::Array(theirs)) if ours.len() == theirs.len() => {
            for (index, (our, their)) in ours.iter().zip(theirs).enumerate() {
                below(path, &format!("[{index}]"), |path| of_values(path, our, their, distance));
            }
        }
        (Value::Object(ours), Value::Object(theirs)) => {
            for (name, our) in ours {
                below(path, &format!(".{name}"), |path| match theirs.get(name) {
                    Some(their) => of_values(path, our, their, distance),
                    None => distance.add(None, || path.clone()),
                });
            }
            for name in theirs.keys().filter(|name| !ours.contains_key(*name)) {
                distance.add(None, || format!("{path}.{name}"));
            }
        }
        (our, their) if our == their => {}
        _ => distance.add(None, || path.clone()),
    }
}

fn below(path: &mut String, part: &str, work: impl FnOnce(&mut String)) {
    let length = path.len();
    path.push_str(part);
    work(path);
    path.truncate(length);
}

/// Adds what differs between two tensors of one name.
fn between(name: &str, ours: &Tensor, theirs: &Tensor, distance: &mut Distance) {
    if ours.dtype() != theirs.dtype() || ours.shape() != theirs.shape() {
        return distance.add(None, || name.to_owned());
    }
    if ours.data() == theirs.data() {
        return;
    }
    let dtype = ours.dtype();
    let Some(size) = dtype.size() else {
        let pairs = ours.byte_strings().zip(theirs.byte_strings()).enumerate();
        return pairs
            .filter(|(_, (our, their))| our != their)
            .for_each(|(index, _)| distance.add(None, || format!("{name}[{index}]")));
    };
    let pairs = ours.data().chunks_exact(size).zip(theirs.data().chunks_exact(size)).enumerate();
    for (index, (our, their)) in pairs.filter(|(_, (our, their))| our != their) {
        let numbers = number(dtype, our).zip(number(dtype, their));
        let difference = numbers.map(|(our, their)| (our - their).abs()).filter(|difference| difference.is_finite());
        // Zeros of either sign are equal.
        if difference != Some(0.0) || size > 4 && !matches!(dtype, DType::F64) {
            distance.add(difference, || format!("{name}[{index}]"));
        }
    }
}

/// A little-endian element as a number; whole numbers of 64 bits are rounded to 53.
fn number(dtype: DType, element: &[u8]) -> Option<f64> {
    Some(match dtype {
        DType::U8 => f64::from(*element.first()?),
        DType::I8 => f64::from(i8::from_le_bytes(element.try_into().ok()?)),
        DType::U16 => f64::from(u16::from_le_bytes(element.try_into().ok()?)),
        DType::I16 => f64::from(i16::from_le_bytes(element.try_into().ok()?)),
        DType::U32 => f64::from(u32::from_le_bytes(element.try_into().ok()?)),
        DType::I32 => f64::from(i32::from_le_bytes(element.try_into().ok()?)),
        DType::U64 => u64::from_le_bytes(element.try_into().ok()?) as f64,
        DType::I64 => i64::from_le_bytes(element.try_into().ok()?) as f64,
        DType::F16 => half(u16::from_le_bytes(element.try_into().ok()?)),
        DType::BF16 => f64::from(f32::from_bits(u32::from(u16::from_le_bytes(element.try_into().ok()?)) << 16)),
        DType::F32 => f64::from(f32::from_le_bytes(element.try_into().ok()?)),
        DType::F64 => f64::from_le_bytes(element.try_into().ok()?),
        DType::Bool | DType::Bytes => return None,
    })
}

/// IEEE 754 binary16: 1 bit of sign, 5 of exponent, 10 of fraction.
fn half(bits: u16) -> f64 {
    let sign = if bits >> 15 == 1 { -1.0 } else { 1.0 };
    let (exponent, fraction) = (i32::from((bits >> 10) & 0x1f), f64::from(bits & 0x3ff));
    let magnitude = match exponent {
        0 => fraction * 2f64.powi(-24),
        0x1f if fraction == 0.0 => f64::INFINITY,
        0x1f => f64::NAN,
        _ => (1.0 + fraction / 1024.0) * 2f64.powi(exponent - 15),
    };
    sign * magnitude
}

#[cfg(test)]
mod tests;
