//! Loops compiled for the machine's vector units, and the functions of neural networks in single precision.
//!
//! The program is compiled for the oldest processor of its kind; [`dispatch`] runs a loop in a version for AVX2 and FMA
//! where the processor has them. The polynomials are least-squares fits at Chebyshev nodes made for this file; the
//! reductions of the argument are the usual ones (Muller, *Elementary Functions*, chapter 11). Errors, in units in the
//! last place, of results that are normal numbers: `exp` 1, `tanh` 2, `sigmoid` 2, `erf` 2.
#![expect(unsafe_code, reason = "calls of functions for a processor that was asked whether it has them")]

#[cfg(test)]
mod tests;

/// A loop, as a type: what [`dispatch`] calls has to be inlined, which Rust promises for methods but not for functions that
/// are passed as values. [`vectorised`] makes one of a function.
pub(crate) trait Body<A> {
    /// What the loop gives.
    type Output;
    /// Runs the loop; `#[inline(always)]` in every implementation, as is all that takes time in it.
    fn run(self, arguments: A) -> Self::Output;
}

/// Runs `body`, compiled for the best vector unit of the machine.
#[inline]
pub(crate) fn dispatch<A, B: Body<A>>(body: B, arguments: A) -> B::Output {
    #[cfg(target_arch = "x86_64")]
    {
        #[target_feature(enable = "avx2,fma")]
        fn wide<A, B: Body<A>>(body: B, arguments: A) -> B::Output {
            body.run(arguments)
        }
        if has_wide() {
            // SAFETY: the processor has AVX2 and FMA.
            return unsafe { wide(body, arguments) };
        }
    }
    body.run(arguments)
}

/// `fn name as Type(argument) { … }`: an inlined function, and a [`Body`] of that type that calls it.
macro_rules! vectorised {
    ($($(#[$note:meta])* $visibility:vis fn $name:ident as $body:ident($argument:tt: $kind:ty) $(-> $output:ty)? $block:block)*) => {
        $(
            $(#[$note])*
            #[inline(always)]
            $visibility fn $name($argument: $kind) $(-> $output)? $block

            $visibility struct $body;

            impl $crate::reference::vector::Body<$kind> for $body {
                type Output = $crate::reference::vector::output!($($output)?);

                #[inline(always)]
                fn run(self, arguments: $kind) -> Self::Output {
                    $name(arguments)
                }
            }
        )*
    };
}

/// The type given, or none.
macro_rules! output {
    () => {
        ()
    };
    ($output:ty) => {
        $output
    };
}

pub(crate) use {output, vectorised};

/// Whether [`dispatch`] has a faster version than the portable one here.
#[cfg(target_arch = "x86_64")]
#[inline]
fn has_wide() -> bool {
    std::arch::is_x86_feature_detected!("avx2") && std::arch::is_x86_feature_detected!("fma")
}

/// x · 2^23 · 1.5: adding it to a small float rounds that to an integer in the low bits.
const ROUND: f32 = 12_582_912.0;

/// e^x. Infinite and subnormal results are right to the last place or so; NaN stays NaN.
#[inline(always)]
pub(crate) fn exp(x: f32) -> f32 {
    const LN2_HIGH: f32 = 6.933_594e-1;
    const LN2_LOW: f32 = -2.121_944_4e-4;
    const TERMS: [f32; 5] = [1.394_858_1e-3, 8.375_129e-3, 4.166_621_7e-2, 1.666_641_5e-1, 0.5];
    // Beyond these the result is 0 or infinite anyway.
    let x = if x > 89.0 { 89.0 } else { x };
    let x = if x < -104.0 { -104.0 } else { x };
    let shifted = x.mul_add(std::f32::consts::LOG2_E, ROUND);
    let whole = shifted - ROUND;
    let rest = whole.mul_add(-LN2_LOW, whole.mul_add(-LN2_HIGH, x));
    let mut series = TERMS[0];
    series = series.mul_add(rest, TERMS[1]);
    series = series.mul_add(rest, TERMS[2]);
    series = series.mul_add(rest, TERMS[3]);
    series = series.mul_add(rest, TERMS[4]);
    series = series.mul_add(rest * rest, rest) + 1.0;
    // 2^n in two factors, so that neither leaves the range of exponents.
    let power = (shifted.to_bits() as i32).wrapping_sub(ROUND.to_bits() as i32);
    let half = power >> 1;
    series * power_of_two(half) * power_of_two(power.wrapping_sub(half))
}

#[inline(always)]
fn power_of_two(exponent: i32) -> f32 {
    f32::from_bits((exponent.wrapping_add(127) as u32) << 23)
}

/// 1 / (1 + e^-x).
#[inline(always)]
pub(crate) fn sigmoid(x: f32) -> f32 {
    1.0 / (1.0 + exp(-x))
}

/// The hyperbolic tangent: a polynomial near zero, where the quotient would cancel, and the quotient elsewhere.
#[inline(always)]
pub(crate) fn tanh(x: f32) -> f32 {
    const TERMS: [f32; 6] =
        [2.295_826_8e-3, -8.346_965e-3, 2.176_995_6e-2, -5.395_940_3e-2, 1.333_330_4e-1, -3.333_333_4e-1];
    let square = x * x;
    let mut series = TERMS[0];
    series = series.mul_add(square, TERMS[1]);
    series = series.mul_add(square, TERMS[2]);
    series = series.mul_add(square, TERMS[3]);
    series = series.mul_add(square, TERMS[4]);
    series = series.mul_add(square, TERMS[5]);
    let near = (x * square).mul_add(series, x);
    let size = x.abs();
    let far = (1.0 - 2.0 / (1.0 + exp(2.0 * size))).copysign(x);
    // The sign of zero is kept.
    if size < 0.625 { near.copysign(x) } else { far }
}

/// The error function: a polynomial in the square below 1, 1 - e^polynomial above.
#[inline(always)]
pub(crate) fn erf(x: f32) -> f32 {
    const NEAR: [f32; 7] = [
        7.882_497e-5,
        -8.018_855e-4,
        5.189_312e-3,
        -2.685_433e-2,
        1.128_359_7e-1,
        -3.761_262_6e-1,
        std::f32::consts::FRAC_2_SQRT_PI,
    ];
    const FAR: [f32; 9] = [
        1.614_687e-6,
        -4.560_359e-5,
        5.928_845_5e-4,
        -4.740_791e-3,
        2.636_643e-2,
        -1.099_814_5e-1,
        -6.319_334_5e-1,
        -1.130_169,
        3.038_224e-4,
    ];
    let square = x * x;
    let mut series = NEAR[0];
    series = series.mul_add(square, NEAR[1]);
    series = series.mul_add(square, NEAR[2]);
    series = series.mul_add(square, NEAR[3]);
    series = series.mul_add(square, NEAR[4]);
    series = series.mul_add(square, NEAR[5]);
    series = series.mul_add(square, NEAR[6]);
    let near = series * x;
    let size = x.abs();
    // From 4 on the result rounds to 1.
    let capped = if size > 4.0 { 4.0 } else { size };
    let mut series = FAR[0];
    series = series.mul_add(capped, FAR[1]);
    series = series.mul_add(capped, FAR[2]);
    series = series.mul_add(capped, FAR[3]);
    series = series.mul_add(capped, FAR[4]);
    series = series.mul_add(capped, FAR[5]);
    series = series.mul_add(capped, FAR[6]);
    series = series.mul_add(capped, FAR[7]);
    series = series.mul_add(capped, FAR[8]);
    let far = (1.0 - exp(series)).copysign(x);
    if size < 1.0 { near } else { far }
}

/// x · Φ(x) with the error function.
#[inline(always)]
pub(crate) fn gelu(x: f32) -> f32 {
    0.5 * x * (1.0 + erf(x * std::f32::consts::FRAC_1_SQRT_2))
}

/// Gelu's approximation with the hyperbolic tangent (Hendrycks and Gimpel, 2016).
#[inline(always)]
pub(crate) fn gelu_tanh(x: f32) -> f32 {
    const FACTOR: f32 = 0.797_884_6;
    0.5 * x * (1.0 + tanh(FACTOR * (0.044_715 * x * x).mul_add(x, x)))
}

/// Applies a small closure to all numbers in place; functions of many instructions have a [`Body`] of their own below.
#[inline]
pub(crate) fn map(numbers: &mut [f32], f: impl Fn(f32) -> f32) {
    dispatch(Map(f), numbers);
}

struct Map<F>(F);

impl<F: Fn(f32) -> f32> Body<&mut [f32]> for Map<F> {
    type Output = ();

    #[inline(always)]
    fn run(self, numbers: &mut [f32]) {
        numbers.iter_mut().for_each(|x| *x = (self.0)(*x));
    }
}

vectorised! {
    pub(crate) fn exp_all as Exp(numbers: &mut [f32]) {
        for x in numbers {
            *x = exp(*x);
        }
    }

    pub(crate) fn sigmoid_all as Sigmoid(numbers: &mut [f32]) {
        for x in numbers {
            *x = sigmoid(*x);
        }
    }

    /// x · sigmoid(alpha · x).
    pub(crate) fn swish_all as Swish((numbers, alpha): (&mut [f32], f32)) {
        for x in numbers {
            *x *= sigmoid(alpha * *x);
        }
    }

    pub(crate) fn tanh_all as Tanh(numbers: &mut [f32]) {
        for x in numbers {
            *x = tanh(*x);
        }
    }

    /// cap · tanh(x / cap).
    pub(crate) fn cap_all as Cap((numbers, cap): (&mut [f32], f32)) {
        for x in numbers {
            *x = cap * tanh(*x / cap);
        }
    }

    pub(crate) fn erf_all as Erf(numbers: &mut [f32]) {
        for x in numbers {
            *x = erf(*x);
        }
    }

    pub(crate) fn gelu_all as Gelu(numbers: &mut [f32]) {
        for x in numbers {
            *x = gelu(*x);
        }
    }

    pub(crate) fn gelu_tanh_all as GeluTanh(numbers: &mut [f32]) {
        for x in numbers {
            *x = gelu_tanh(*x);
        }
    }

    /// The sum, in eight strands.
    pub(crate) fn sum as Sum(numbers: &[f32]) -> f32 {
        let (chunks, rest) = numbers.as_chunks::<8>();
        let mut strands = [0.0f32; 8];
        for chunk in chunks {
            for (strand, x) in strands.iter_mut().zip(chunk) {
                *strand += x;
            }
        }
        strands.iter().sum::<f32>() + rest.iter().sum::<f32>()
    }

    /// The largest number, negative infinity of none; NaN is passed over.
    pub(crate) fn largest as Largest(numbers: &[f32]) -> f32 {
        let (chunks, rest) = numbers.as_chunks::<8>();
        let mut strands = [f32::NEG_INFINITY; 8];
        for chunk in chunks {
            for (strand, x) in strands.iter_mut().zip(chunk) {
                *strand = if *x > *strand { *x } else { *strand };
            }
        }
        strands.iter().chain(rest).fold(f32::NEG_INFINITY, |most, x| if *x > most { *x } else { most })
    }
}
