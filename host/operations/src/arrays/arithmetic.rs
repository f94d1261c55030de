use scorehost_core::{DType, Described, Shape, Tensor};
use smallvec::SmallVec;

use crate::element::{Element, check_numeric, numeric, of_vec, scalar, tensor, view};
use crate::plan::Pace;
use crate::shape::{bytes, one, strides, two};
use crate::{OperationError, Plan, Watch};

/// What is computed of two numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operator {
    /// The sum.
    Add,
    /// The difference.
    Subtract,
    /// The product.
    Multiply,
    /// The quotient; of integers toward zero.
    Divide,
    /// The lesser of the two; a number rather than NaN.
    Minimum,
    /// The greater of the two; a number rather than NaN.
    Maximum,
}

/// How a number compares with another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Comparison {
    /// `<`
    Less,
    /// `<=`
    LessEqual,
    /// `>`
    Greater,
    /// `>=`
    GreaterEqual,
    /// `==`
    Equal,
    /// `!=`
    NotEqual,
}

/// Two tensors of one dtype, element by element, each repeated along dimensions of 1 and missing leading ones (numpy's
/// broadcasting). Integers wrap around; an integer divided by 0 is an error.
#[derive(Clone, Debug, PartialEq)]
pub struct Arithmetic {
    /// What is computed.
    pub operator: Operator,
}

/// A tensor and a number, element by element, in the tensor's dtype.
#[derive(Clone, Debug, PartialEq)]
pub struct ArithmeticScalar {
    /// What is computed.
    pub operator: Operator,
    /// The number on the right.
    pub scalar: f64,
}

/// Which elements compare with a number, as `bool`. Nothing but `NotEqual` holds for NaN.
#[derive(Clone, Debug, PartialEq)]
pub struct Compare {
    /// What must hold.
    pub comparison: Comparison,
    /// The number on the right.
    pub scalar: f64,
}

/// Elements no lower and no higher than two numbers; NaN stays.
#[derive(Clone, Debug, PartialEq)]
pub struct Clip {
    /// The lowest.
    pub minimum: f64,
    /// The highest.
    pub maximum: f64,
}

/// Runs `$body` with `$apply` as the function that an operator stands for; `None` where a quotient does not exist.
macro_rules! operator {
    ($operator:expr, $type:ident, $apply:ident => $body:expr) => {
        match $operator {
            Operator::Add => {
                let $apply = |a: $type, b: $type| Some(a.plus(b));
                $body
            }
            Operator::Subtract => {
                let $apply = |a: $type, b: $type| Some(a.minus(b));
                $body
            }
            Operator::Multiply => {
                let $apply = |a: $type, b: $type| Some(a.times(b));
                $body
            }
            Operator::Divide => {
                let $apply = |a: $type, b: $type| a.over(b);
                $body
            }
            Operator::Minimum => {
                let $apply = |a: $type, b: $type| Some(if a < b || b != b { a } else { b });
                $body
            }
            Operator::Maximum => {
                let $apply = |a: $type, b: $type| Some(if a > b || b != b { a } else { b });
                $body
            }
        }
    };
}

fn by_zero(operation: &'static str) -> OperationError {
    OperationError::argument(operation, "divisor", 0, "no 0 among integers")
}

/// Both tensors' strides in the shape that they have together.
struct Broadcast {
    shape: Shape,
    left: SmallVec<[isize; 6]>,
    right: SmallVec<[isize; 6]>,
}

impl Broadcast {
    fn of(left: &[u64], right: &[u64]) -> Option<Self> {
        let rank = left.len().max(right.len());
        let (long_left, long_right) = (extended(left, rank), extended(right, rank));
        let pair = |(a, b): (&u64, &u64)| match (*a, *b) {
            (a, b) if a == b => Some(a),
            (1, b) => Some(b),
            (a, 1) => Some(a),
            _ => None,
        };
        let shape: Shape = long_left.iter().zip(&long_right).map(pair).collect::<Option<_>>()?;
        Some(Self { shape, left: repeated(&long_left), right: repeated(&long_right) }.merged())
    }

    /// The same with neighbouring axes that both tensors pass over evenly as one.
    fn merged(self) -> Self {
        let mut merged = Self { shape: Shape::new(), left: SmallVec::new(), right: SmallVec::new() };
        for axis in 0..self.shape.len() {
            let (length, left, right) = (self.shape[axis], self.left[axis], self.right[axis]);
            let even = |before: Option<&isize>, stride: isize| {
                before.is_some_and(|before| *before == stride * length as isize)
            };
            if even(merged.left.last(), left) && even(merged.right.last(), right) {
                let last = merged.shape.len() - 1;
                merged.shape[last] *= length;
                (merged.left[last], merged.right[last]) = (left, right);
            } else {
                merged.shape.push(length);
                merged.left.push(left);
                merged.right.push(right);
            }
        }
        merged
    }
}

fn extended(shape: &[u64], rank: usize) -> Shape {
    std::iter::repeat_n(1, rank - shape.len()).chain(shape.iter().copied()).collect()
}

fn repeated(shape: &[u64]) -> SmallVec<[isize; 6]> {
    strides(shape).into_iter().zip(shape).map(|(stride, length)| if *length == 1 { 0 } else { stride }).collect()
}

fn broadcast_shape(
    operation: &'static str,
    left: &impl Described,
    right: &impl Described,
) -> Result<Shape, OperationError> {
    let rank = left.shape().len().max(right.shape().len());
    let (a, b) = (extended(left.shape(), rank), extended(right.shape(), rank));
    let fits = left.dtype() == right.dtype() && a.iter().zip(&b).all(|(a, b)| a == b || *a == 1 || *b == 1);
    if !fits {
        let rule = "one dtype, and dimensions, from the last on, that are equal or 1";
        return Err(OperationError::mismatch(operation, left, right, rule));
    }
    Ok(a.iter().zip(&b).map(|(a, b)| if *a == 1 { *b } else { *a }).collect())
}

fn combined<T: Element>(
    broadcast: &Broadcast,
    (left, right): (&[T], &[T]),
    apply: impl Fn(T, T) -> Option<T>,
    watch: &Watch<'_>,
) -> Result<Option<Vec<T>>, OperationError> {
    let total: u64 = broadcast.shape.iter().product();
    let mut out = Vec::with_capacity(total as usize);
    if total == 0 {
        return Ok(Some(out));
    }
    let outer = broadcast.shape.len().saturating_sub(1);
    let length = broadcast.shape.last().map_or(1, |length| *length as usize);
    let last = |strides: &[isize]| strides.last().copied().unwrap_or(0);
    let (step_left, step_right) = (last(&broadcast.left), last(&broadcast.right));
    let (mut at_left, mut at_right) = (0isize, 0isize);
    let mut index: SmallVec<[u64; 6]> = SmallVec::from_elem(0, outer);
    let mut pace = Pace::new(watch);
    let mut flawless = true;
    loop {
        pace.step(length + 8)?;
        let (from_left, from_right) = (&left[at_left as usize..], &right[at_right as usize..]);
        let mut push = |value: Option<T>| {
            flawless &= value.is_some();
            value.unwrap_or_default()
        };
        match (step_left, step_right) {
            (0, 0) => out.extend((0..length).map(|_| push(apply(from_left[0], from_right[0])))),
            (0, _) => out.extend(from_right[..length].iter().map(|b| push(apply(from_left[0], *b)))),
            (_, 0) => out.extend(from_left[..length].iter().map(|a| push(apply(*a, from_right[0])))),
            _ => out.extend(from_left[..length].iter().zip(&from_right[..length]).map(|(a, b)| push(apply(*a, *b)))),
        }
        let Some(axis) = (0..outer).rev().find(|axis| {
            let more = index[*axis] + 1 < broadcast.shape[*axis];
            if !more {
                at_left -= index[*axis] as isize * broadcast.left[*axis];
                at_right -= index[*axis] as isize * broadcast.right[*axis];
                index[*axis] = 0;
            }
            more
        }) else {
            return Ok(flawless.then_some(out));
        };
        index[axis] += 1;
        at_left += broadcast.left[axis];
        at_right += broadcast.right[axis];
    }
}

impl Arithmetic {
    pub(crate) const NAME: &'static str = "arithmetic";

    pub(crate) fn plan(&self, inputs: &[impl Described]) -> Result<Plan, OperationError> {
        let (left, right) = two(Self::NAME, inputs)?;
        check_numeric(Self::NAME, left.dtype())?;
        Ok(Plan::of(bytes(left.dtype(), &broadcast_shape(Self::NAME, left, right)?)?, 0.5))
    }

    pub(crate) fn run(&self, inputs: &[Tensor], watch: &Watch<'_>) -> Result<Vec<Tensor>, OperationError> {
        let (left, right) = two(Self::NAME, inputs)?;
        let shape = broadcast_shape(Self::NAME, left, right)?;
        let unfit = || OperationError::mismatch(Self::NAME, left, right, "shapes that fit");
        let broadcast = Broadcast::of(left.shape(), right.shape()).ok_or_else(unfit)?;
        let result = numeric!(Self::NAME, left.dtype(), T => {
            let (a, b) = (view::<T>(left), view::<T>(right));
            let combined = operator!(self.operator, T, apply => combined(&broadcast, (&a, &b), apply, watch)?);
            combined.ok_or_else(|| by_zero(Self::NAME)).and_then(|elements| tensor(shape, elements))
        });
        Ok(vec![result?])
    }
}

impl ArithmeticScalar {
    pub(crate) const NAME: &'static str = "arithmetic-scalar";

    pub(crate) fn plan(&self, inputs: &[impl Described]) -> Result<Plan, OperationError> {
        let input = one(Self::NAME, inputs)?;
        numeric!(Self::NAME, input.dtype(), T => scalar::<T>(Self::NAME, "scalar", self.scalar).map(drop))?;
        Ok(Plan::of(input.byte_len(), 0.3))
    }

    pub(crate) fn run(&self, inputs: &[Tensor], _: &Watch<'_>) -> Result<Vec<Tensor>, OperationError> {
        let input = one(Self::NAME, inputs)?;
        let result = numeric!(Self::NAME, input.dtype(), T => {
            let right: T = scalar(Self::NAME, "scalar", self.scalar)?;
            let elements: Option<Vec<T>> =
                operator!(self.operator, T, apply => applied(&view::<T>(input), |left| apply(left, right)));
            elements.ok_or_else(|| by_zero(Self::NAME)).and_then(|elements| tensor(input.shape(), elements))
        });
        Ok(vec![result?])
    }
}

fn applied<T: Element>(elements: &[T], apply: impl Fn(T) -> Option<T>) -> Option<Vec<T>> {
    let mut flawless = true;
    let result = elements.iter().map(|element| {
        let value = apply(*element);
        flawless &= value.is_some();
        value.unwrap_or_default()
    });
    let result = result.collect();
    flawless.then_some(result)
}

impl Compare {
    pub(crate) const NAME: &'static str = "compare";

    pub(crate) fn plan(&self, inputs: &[impl Described]) -> Result<Plan, OperationError> {
        let input = one(Self::NAME, inputs)?;
        check_numeric(Self::NAME, input.dtype())?;
        Ok(Plan::of(input.elements(), 0.5))
    }

    pub(crate) fn run(&self, inputs: &[Tensor], _: &Watch<'_>) -> Result<Vec<Tensor>, OperationError> {
        let input = one(Self::NAME, inputs)?;
        let flags = numeric!(Self::NAME, input.dtype(), T => Ok(self.flags(&view::<T>(input))));
        Ok(vec![of_vec(DType::Bool, input.shape(), flags?)?])
    }

    fn flags<T: Element>(&self, elements: &[T]) -> Vec<u8> {
        // Floats are compared in their own precision, which vectorises; integers exactly.
        let right = T::from_f64(self.scalar);
        if crate::element::is_float(T::DTYPE) || right.to_f64() == self.scalar {
            return flags(elements, |element| holds(self.comparison, element, right));
        }
        flags(elements, |element| holds(self.comparison, element.to_f64(), self.scalar))
    }
}

fn flags<T: Copy>(elements: &[T], holds: impl Fn(T) -> bool) -> Vec<u8> {
    elements.iter().map(|element| u8::from(holds(*element))).collect()
}

#[inline(always)]
fn holds<T: PartialOrd>(comparison: Comparison, left: T, right: T) -> bool {
    match comparison {
        Comparison::Less => left < right,
        Comparison::LessEqual => left <= right,
        Comparison::Greater => left > right,
        Comparison::GreaterEqual => left >= right,
        Comparison::Equal => left == right,
        Comparison::NotEqual => left != right,
    }
}

impl Clip {
    pub(crate) const NAME: &'static str = "clip";

    pub(crate) fn plan(&self, inputs: &[impl Described]) -> Result<Plan, OperationError> {
        let input = one(Self::NAME, inputs)?;
        check_numeric(Self::NAME, input.dtype())?;
        if self.minimum.is_nan() || self.maximum.is_nan() || self.minimum > self.maximum {
            let expected = format!("at most the maximum, {:?}", self.maximum);
            return Err(OperationError::argument(Self::NAME, "minimum", self.minimum, expected));
        }
        Ok(Plan::of(input.byte_len(), 0.3))
    }

    pub(crate) fn run(&self, inputs: &[Tensor], _: &Watch<'_>) -> Result<Vec<Tensor>, OperationError> {
        let input = one(Self::NAME, inputs)?;
        let result = numeric!(Self::NAME, input.dtype(), T => {
            // Bounds beyond an integer's range are its range.
            let (low, high) = (T::from_f64(self.minimum), T::from_f64(self.maximum));
            let clip = |element: &T| if *element < low { low } else if *element > high { high } else { *element };
            tensor(input.shape(), view::<T>(input).iter().map(clip).collect::<Vec<T>>())
        });
        Ok(vec![result?])
    }
}
