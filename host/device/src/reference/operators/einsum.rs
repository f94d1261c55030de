//! Sums of products over named axes, and determinants.

use std::collections::BTreeMap;

use super::layout::{Walk, row_major};
use super::numeric::{doubles, integers, is_float, of_doubles, of_integers};
use super::{Attributes, Kernel, Table};
use crate::reference::array::{Array, count};

pub(super) const OPERATORS: Table = &[("", "Einsum", einsum), ("", "Det", determinant)];

/// A name of an axis: a letter of the equation, or a place counted from the right in what `...` stands for.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Label {
    Hidden(std::cmp::Reverse<usize>),
    Letter(char),
}

/// The labels of one term of an equation for an operand of some rank.
fn labels(term: &str, rank: usize) -> Result<Vec<Label>, String> {
    let letters = term.chars().filter(|letter| letter.is_ascii_alphabetic()).count();
    let hidden = if term.contains("...") { rank.saturating_sub(letters) } else { 0 };
    let mut labels = Vec::new();
    let mut rest = term;
    while let Some(letter) = rest.chars().next() {
        if let Some(behind) = rest.strip_prefix("...") {
            labels.extend((0..hidden).rev().map(|place| Label::Hidden(std::cmp::Reverse(place))));
            rest = behind;
        } else if letter.is_ascii_alphabetic() {
            labels.push(Label::Letter(letter));
            rest = &rest[1..];
        } else {
            return Err(format!("'{letter}' in the equation"));
        }
    }
    Ok(labels)
}

fn einsum(attributes: &Attributes<'_>) -> Result<Kernel, String> {
    let equation = attributes.string("equation", "")?;
    let equation: String = String::from_utf8_lossy(&equation).chars().filter(|c| !c.is_whitespace()).collect();
    Ok(Box::new(move |inputs| {
        let operands = inputs.all()?;
        let (terms, result) = equation.split_once("->").map_or((&*equation, None), |(terms, to)| (terms, Some(to)));
        let terms: Vec<&str> = terms.split(',').collect();
        if terms.len() != operands.len() {
            return Err(format!("equation '{equation}' for {} operands", operands.len()));
        }
        let mut named = Vec::new();
        let mut sizes: BTreeMap<Label, usize> = BTreeMap::new();
        for (term, operand) in terms.iter().zip(&operands) {
            let labels = labels(term, operand.shape.len())?;
            if labels.len() != operand.shape.len() {
                return Err(format!("term '{term}' for an operand of shape {:?}", operand.shape));
            }
            for (label, dim) in labels.iter().zip(&operand.shape) {
                let size = sizes.entry(*label).or_insert(*dim);
                if *size != *dim && *size != 1 && *dim != 1 {
                    return Err(format!("dimensions {size} and {dim} of one label in '{equation}'"));
                }
                *size = if *dim == 1 { *size } else { *dim };
            }
            named.push(labels);
        }
        let output = result_labels(result, &named, &sizes)?;
        let axes: Vec<Label> =
            output.iter().copied().chain(sizes.keys().copied().filter(|label| !output.contains(label))).collect();
        let dims: Vec<usize> = axes.iter().map(|label| sizes.get(label).copied().unwrap_or(1)).collect();
        let by: Vec<Vec<isize>> =
            named.iter().zip(&operands).map(|(labels, operand)| steps(&axes, labels, operand)).collect();
        let (shape, summed) = dims.split_at(output.len());
        let places = Places { outer: shape, summed, by: &by };
        count(&dims)?;
        let dtype = operands[0].elements.dtype();
        Ok(vec![if is_float(dtype) {
            let values = operands.iter().map(|operand| doubles(operand)).collect::<Result<Vec<_>, _>>()?;
            of_doubles(dtype, shape.to_vec(), places.contract(&values, (0.0, 1.0), |a, b| a + b, |a, b| a * b))?
        } else {
            let values = operands.iter().map(|operand| integers(operand)).collect::<Result<Vec<_>, _>>()?;
            of_integers(dtype, shape.to_vec(), places.contract(&values, (0, 1), i64::wrapping_add, i64::wrapping_mul))?
        }])
    }))
}

/// The labels on the right, or, where the equation has no right side, those that occur once, in order.
fn result_labels(
    result: Option<&str>,
    named: &[Vec<Label>],
    sizes: &BTreeMap<Label, usize>,
) -> Result<Vec<Label>, String> {
    let hidden = sizes.keys().filter(|label| matches!(label, Label::Hidden(_))).count();
    let Some(result) = result else {
        let times = |label: &Label| named.iter().flatten().filter(|other| *other == label).count();
        let once = |label: &&Label| matches!(label, Label::Hidden(_)) || times(label) == 1;
        return Ok(sizes.keys().filter(once).copied().collect());
    };
    let letters = result.chars().filter(char::is_ascii_alphabetic).count();
    let labels = labels(result, letters + hidden)?;
    let unknown = labels.iter().any(|label| !sizes.contains_key(label));
    if unknown { Err(format!("'{result}' names an axis that no operand has")) } else { Ok(labels) }
}

/// How far each axis moves in an operand; labels that occur twice move along the diagonal.
fn steps(axes: &[Label], labels: &[Label], operand: &Array) -> Vec<isize> {
    let by = row_major(&operand.shape);
    let of = |axis: &Label| {
        let places = labels.iter().enumerate().filter(|(place, label)| *label == axis && operand.shape[*place] != 1);
        places.map(|(place, _)| by[place]).sum()
    };
    axes.iter().map(of).collect()
}

struct Places<'a> {
    outer: &'a [usize],
    summed: &'a [usize],
    by: &'a [Vec<isize>],
}

impl Places<'_> {
    fn contract<T: Copy>(
        &self,
        operands: &[Vec<T>],
        (zero, one): (T, T),
        plus: fn(T, T) -> T,
        times: fn(T, T) -> T,
    ) -> Vec<T> {
        let walk = |dims: &[usize], skip: usize| -> Vec<Vec<usize>> {
            self.by.iter().map(|by| Walk::new(0, dims, &by[skip..skip + dims.len()]).collect()).collect()
        };
        let (starts, steps) = (walk(self.outer, 0), walk(self.summed, self.outer.len()));
        let (results, terms) = (self.outer.iter().product::<usize>(), self.summed.iter().product::<usize>());
        let term = |result: usize, term: usize| {
            let element = |index: usize| operands[index][starts[index][result] + steps[index][term]];
            (0..operands.len()).fold(one, |product, index| times(product, element(index)))
        };
        (0..results).map(|result| (0..terms).fold(zero, |sum, index| plus(sum, term(result, index)))).collect()
    }
}

/// Determinants of the matrices in the last two axes, by elimination with pivots.
fn determinant(_: &Attributes<'_>) -> Result<Kernel, String> {
    Ok(Box::new(|inputs| {
        let data = inputs.get(0)?;
        let [ref outer @ .., n, m] = data.shape[..] else {
            return Err(format!("expected matrices, got shape {:?}", data.shape));
        };
        if n != m {
            return Err(format!("matrices of {n} x {m} have no determinant"));
        }
        let values = doubles(data)?;
        let many = outer.iter().product::<usize>();
        let dets = (0..many).map(|index| eliminate(values[index * n * n..(index + 1) * n * n].to_vec(), n)).collect();
        Ok(vec![of_doubles(data.elements.dtype(), outer.to_vec(), dets)?])
    }))
}

fn eliminate(mut a: Vec<f64>, n: usize) -> f64 {
    let mut det = 1.0;
    for k in 0..n {
        let pivot = (k..n).fold(k, |best, row| if a[row * n + k].abs() > a[best * n + k].abs() { row } else { best });
        if a[pivot * n + k] == 0.0 {
            return 0.0;
        }
        if pivot != k {
            (0..n).for_each(|column| a.swap(k * n + column, pivot * n + column));
            det = -det;
        }
        det *= a[k * n + k];
        for row in k + 1..n {
            let factor = a[row * n + k] / a[k * n + k];
            (k..n).for_each(|column| a[row * n + column] -= factor * a[k * n + column]);
        }
    }
    det
}
