#![allow(clippy::unwrap_used, reason = "tests")]

use super::{Body, Erf, Exp, Gelu, Sigmoid, Sum, Tanh, dispatch, erf, exp, sigmoid, tanh};

/// Largest error in units in the last place over a grid and around its ends.
fn worst(range: std::ops::Range<f64>, f: impl Fn(f32) -> f32, exact: impl Fn(f64) -> f64) -> f64 {
    let steps = 400_000;
    let at = |step: i32| (range.start + (range.end - range.start) * f64::from(step) / f64::from(steps)) as f32;
    let error = |x: f32| {
        let exact = exact(f64::from(x));
        let unit = f64::from((exact as f32).abs().max(f32::MIN_POSITIVE)) * f64::from(f32::EPSILON);
        (f64::from(f(x)) - exact).abs() / unit
    };
    (0..=steps).map(|step| error(at(step))).fold(0.0, f64::max)
}

/// The error function by its series (Abramowitz and Stegun 7.1.6), which has no cancellation.
fn exact_erf(x: f64) -> f64 {
    let (mut term, mut sum) = (x, x);
    for n in 1..200 {
        term *= 2.0 * x * x / f64::from(2 * n + 1);
        sum += term;
    }
    (2.0 / std::f64::consts::PI.sqrt() * (-x * x).exp() * sum).clamp(-1.0, 1.0)
}

/// A function in the version that `dispatch` chooses.
fn one<B: for<'a> Body<&'a mut [f32]>>(body: fn() -> B) -> impl Fn(f32) -> f32 {
    move |x| {
        let mut numbers = [x; 9];
        dispatch(body(), &mut numbers[..]);
        assert!(numbers.iter().all(|y| y.to_bits() == numbers[0].to_bits()), "one lane differs for {x}");
        numbers[8]
    }
}

#[test]
fn functions_are_right_to_two_units_in_the_last_place() {
    assert!(worst(-87.0..88.7, one(|| Exp), f64::exp) <= 1.0);
    assert!(worst(-9.5..9.5, one(|| Tanh), f64::tanh) <= 2.0);
    assert!(worst(-87.0..20.0, one(|| Sigmoid), |x| 1.0 / (1.0 + (-x).exp())) <= 2.5);
    assert!(worst(-4.5..4.5, one(|| Erf), exact_erf) <= 2.0);
    // Below zero Gelu is a small difference of large numbers in every implementation.
    let gelu_exact = |x: f64| 0.5 * x * (1.0 + exact_erf(x / std::f64::consts::SQRT_2));
    assert!(worst(0.0..8.0, one(|| Gelu), gelu_exact) <= 3.0);
}

#[test]
fn functions_keep_their_values_at_the_ends() {
    let (infinite, nan) = (f32::INFINITY, f32::NAN);
    assert_eq!([exp(infinite), exp(-infinite), exp(0.0), exp(90.0), exp(-110.0)], [infinite, 0.0, 1.0, infinite, 0.0]);
    assert!((exp(-100.0) / 3.8e-44 - 1.0).abs() < 0.03, "a subnormal result");
    assert_eq!([tanh(infinite), tanh(-infinite), tanh(0.0), tanh(40.0)], [1.0, -1.0, 0.0, 1.0]);
    assert_eq!([sigmoid(infinite), sigmoid(-infinite), sigmoid(0.0)], [1.0, 0.0, 0.5]);
    assert_eq!([erf(infinite), erf(-infinite), erf(0.0), erf(5.0)], [1.0, -1.0, 0.0, 1.0]);
    assert!([exp(nan), tanh(nan), sigmoid(nan), erf(nan)].iter().all(|x| x.is_nan()));
    assert_eq!(tanh(-0.0).to_bits(), (-0.0f32).to_bits());
}

#[test]
fn sums_take_every_element() {
    for length in 0..40usize {
        let numbers: Vec<f32> = (0..length).map(|x| x as f32).collect();
        assert_eq!(dispatch(Sum, &numbers[..]), (length * length.saturating_sub(1) / 2) as f32);
    }
}
