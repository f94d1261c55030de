//! Order and runs: the largest elements, distinct ones, places of non-zero ones, running sums.

use std::cmp::Ordering;

use super::layout::{around, blocks, coordinates};
use super::numeric::{doubles, integer, integers, is_float, numbers, of_doubles, of_integers, size};
use super::{Attributes, Kernel, Table, axis};
use crate::reference::array::{Array, Element, each};

pub(super) const OPERATORS: Table = &[
    ("", "TopK", top_k),
    ("", "Unique", unique),
    ("", "NonZero", non_zero),
    ("", "CumSum", |attributes| cumulate(attributes, (0.0, |a, b| a + b), (0, i64::wrapping_add))),
    ("", "CumProd", |attributes| cumulate(attributes, (1.0, |a, b| a * b), (1, i64::wrapping_mul))),
];

/// NaN is larger than every number.
fn compare<T: PartialOrd>(a: &T, b: &T) -> Ordering {
    let nan = |x: &T| x.partial_cmp(x).is_none();
    a.partial_cmp(b).unwrap_or_else(|| nan(a).cmp(&nan(b)))
}

/// The number of elements is an attribute below operator set 10, an input from there on. Of equal elements the first
/// comes first.
fn top_k(attributes: &Attributes<'_>) -> Result<Kernel, String> {
    let (wanted, given) = (attributes.int("axis", -1)?, attributes.int("k", -1)?);
    let largest = attributes.int("largest", 1)? != 0;
    Ok(Box::new(move |inputs| {
        let data = inputs.get(0)?;
        let k = size(inputs.optional(1).map_or(Ok(given), integer)?, "k")?;
        let at = axis(wanted, data.shape.len())?;
        let (outer, length, inner) = around(&data.shape, at);
        if k > length {
            return Err(format!("the first {k} of an axis of {length}"));
        }
        let mut shape = data.shape.clone();
        shape[at] = k;
        let mut starts = vec![0; outer * k * inner];
        let mut order: Vec<usize> = Vec::with_capacity(length);
        numbers!(&data.elements, values: T => {
            for row in 0..outer {
                for column in 0..inner {
                    let value = |place: &usize| values[(row * length + place) * inner + column];
                    let by = |a: &usize, b: &usize| {
                        let order = compare::<T>(&value(a), &value(b));
                        if largest { order.reverse() } else { order }.then(a.cmp(b))
                    };
                    order.clear();
                    order.extend(0..length);
                    if k < length && k > 0 {
                        order.select_nth_unstable_by(k - 1, by);
                    }
                    order[..k].sort_unstable_by(by);
                    for (rank, place) in order[..k].iter().enumerate() {
                        starts[(row * k + rank) * inner + column] = (row * length + place) * inner + column;
                    }
                }
            }
        });
        let places = starts.iter().map(|start| (start / inner.max(1) % length.max(1)) as i64).collect::<Vec<i64>>();
        Ok(vec![blocks(data, shape.clone(), 1, &starts)?, Array::new(shape, places)?])
    }))
}

/// Distinct elements, or distinct slices of an axis: themselves, first places, places among the distinct, counts.
fn unique(attributes: &Attributes<'_>) -> Result<Kernel, String> {
    let (wanted, sorted) = (attributes.optional_int("axis")?, attributes.int("sorted", 1)? != 0);
    Ok(Box::new(move |inputs| {
        let data = inputs.get(0)?;
        let flat = vec![data.len()];
        let (dims, at) = match wanted {
            Some(wanted) => (&data.shape, axis(wanted, data.shape.len())?),
            None => (&flat, 0),
        };
        let (outer, length, inner) = around(dims, at);
        let (firsts, members) = each!(&data.elements, values => distinct(values, (outer, length, inner), sorted));
        let mut shape = dims.clone();
        shape[at] = firsts.len();
        let row = |row: usize| firsts.iter().map(move |place| (row * length + place) * inner);
        let starts: Vec<usize> = (0..outer).flat_map(row).collect();
        let mut counts = vec![0i64; firsts.len()];
        members.iter().for_each(|member| counts[*member] += 1);
        let ints = |values: Vec<i64>| Array::new(vec![values.len()], values);
        let as_ints = |values: &[usize]| ints(values.iter().map(|value| *value as i64).collect());
        Ok(vec![blocks(data, shape, inner, &starts)?, as_ints(&firsts)?, as_ints(&members)?, ints(counts)?])
    }))
}

/// First places of distinct slices, and for each slice which of them it is.
fn distinct<T: Element + PartialOrd>(
    values: &[T],
    (outer, length, inner): (usize, usize, usize),
    sorted: bool,
) -> (Vec<usize>, Vec<usize>) {
    let slice = |place: usize| {
        (0..outer).flat_map(move |row| &values[(row * length + place) * inner..(row * length + place + 1) * inner])
    };
    let by_content = |a: &usize, b: &usize| {
        let mut pairs = slice(*a).zip(slice(*b));
        pairs.find_map(|(a, b)| Some(compare(a, b)).filter(|order| order.is_ne())).unwrap_or(Ordering::Equal)
    };
    let mut order: Vec<usize> = (0..length).collect();
    order.sort_by(by_content);
    // Equal slices are neighbours now, the first place in front.
    let mut groups: Vec<Vec<usize>> = Vec::new();
    for place in order {
        match groups.last_mut() {
            Some(group) if by_content(&group[0], &place).is_eq() => group.push(place),
            _ => groups.push(vec![place]),
        }
    }
    if !sorted {
        groups.sort_by_key(|group| group[0]);
    }
    let mut members = vec![0; length];
    for (index, group) in groups.iter().enumerate() {
        group.iter().for_each(|place| members[*place] = index);
    }
    (groups.into_iter().map(|group| group[0]).collect(), members)
}

/// Coordinates of elements that are not 0: a row for each axis.
fn non_zero(_: &Attributes<'_>) -> Result<Kernel, String> {
    Ok(Box::new(|inputs| {
        let data = inputs.get(0)?;
        let (values, rank) = (doubles(data)?, data.shape.len());
        let (mut found, mut index) = (vec![Vec::new(); rank], 0);
        coordinates(&data.shape, |at| {
            if values[index] != 0.0 {
                found.iter_mut().zip(at).for_each(|(row, at)| row.push(*at as i64));
            }
            index += 1;
        });
        let many = values.iter().filter(|value| **value != 0.0).count();
        Ok(vec![Array::new(vec![rank, many], found.concat())?])
    }))
}

/// Running results along an axis; `exclusive` leaves the element itself out, `reverse` starts at the end.
fn cumulate(
    attributes: &Attributes<'_>,
    of_floats: (f64, fn(f64, f64) -> f64),
    of_ints: (i64, fn(i64, i64) -> i64),
) -> Result<Kernel, String> {
    let (exclusive, reverse) = (attributes.int("exclusive", 0)? != 0, attributes.int("reverse", 0)? != 0);
    Ok(Box::new(move |inputs| {
        let (data, at) = (inputs.get(0)?, integer(inputs.get(1)?)?);
        let at = axis(at, data.shape.len())?;
        let (around, shape, dtype) = (around(&data.shape, at), data.shape.clone(), data.elements.dtype());
        Ok(vec![if is_float(dtype) {
            of_doubles(dtype, shape, running(&doubles(data)?, around, of_floats, (exclusive, reverse)))?
        } else {
            of_integers(dtype, shape, running(&integers(data)?, around, of_ints, (exclusive, reverse)))?
        }])
    }))
}

fn running<T: Copy>(
    values: &[T],
    (outer, length, inner): (usize, usize, usize),
    (start, f): (T, fn(T, T) -> T),
    (exclusive, reverse): (bool, bool),
) -> Vec<T> {
    let mut results = values.to_vec();
    for row in 0..outer {
        for column in 0..inner {
            let mut so_far = start;
            for step in 0..length {
                let place = if reverse { length - 1 - step } else { step };
                let index = (row * length + place) * inner + column;
                let next = f(so_far, values[index]);
                results[index] = if exclusive { so_far } else { next };
                so_far = next;
            }
        }
    }
    results
}
