//! The kernels themselves, written so that the compiler can vectorise them: no branches, and
//! reductions over sixteen independent lanes.
//!
//! `FMA` says that the function is compiled for a CPU with fused multiply-add; without it
//! `f32::mul_add` would call the C library for every number.

use super::Norm;

const LANES: usize = 16;

#[inline(always)]
fn fma<const FMA: bool>(a: f32, b: f32, c: f32) -> f32 {
    if FMA { a.mul_add(b, c) } else { a * b + c }
}

/// e^x with a relative error under 1e-6; x is clamped to -87.5..=88, so the least value is 1e-38.
///
/// x = n ln 2 + r with |r| <= ln 2 / 2; e^r by its Taylor polynomial, 2^n by the exponent bits.
#[inline(always)]
fn exp<const FMA: bool>(x: f32) -> f32 {
    // Adding and subtracting 1.5 * 2^23 rounds to the nearest whole number.
    const ROUND: f32 = 12_582_912.0;
    const LN2_HIGH: f32 = 0.693_145_75;
    const LN2_LOW: f32 = 1.428_606_8e-6;
    let x = x.clamp(-87.5, 88.0);
    let n = fma::<FMA>(x, std::f32::consts::LOG2_E, ROUND) - ROUND;
    let r = fma::<FMA>(n, -LN2_LOW, fma::<FMA>(n, -LN2_HIGH, x));
    let mut p = 1.0 / 720.0;
    p = fma::<FMA>(p, r, 1.0 / 120.0);
    p = fma::<FMA>(p, r, 1.0 / 24.0);
    p = fma::<FMA>(p, r, 1.0 / 6.0);
    p = fma::<FMA>(p, r, 0.5);
    p = fma::<FMA>(p, r, 1.0);
    p = fma::<FMA>(p, r, 1.0);
    // n is within -127..=127, so the exponent is that of an ordinary number, or of zero.
    let exponent = (n + ROUND).to_bits().wrapping_sub(ROUND.to_bits()).wrapping_add(127);
    let two_to_n = f32::from_bits(exponent << 23);
    p * two_to_n
}

/// erf(x) with an absolute error of 1.5e-7: Abramowitz and Stegun, formula 7.1.26.
#[inline(always)]
fn erf<const FMA: bool>(x: f32) -> f32 {
    let z = x.abs();
    let t = 1.0 / fma::<FMA>(z, 0.327_591_1, 1.0);
    let mut p = 1.061_405_4;
    p = fma::<FMA>(p, t, -1.453_152);
    p = fma::<FMA>(p, t, 1.421_413_7);
    p = fma::<FMA>(p, t, -0.284_496_74);
    p = fma::<FMA>(p, t, 0.254_829_6);
    (1.0 - p * t * exp::<FMA>(-z * z)).copysign(x)
}

#[inline(always)]
pub(super) fn bias_gelu<const FMA: bool>(rows: &mut [f32], bias: &[f32]) {
    for row in rows.chunks_exact_mut(bias.len().max(1)) {
        for (value, add) in row.iter_mut().zip(bias) {
            let x = *value + add;
            let half = 0.5 * x;
            *value = fma::<FMA>(half, erf::<FMA>(x * std::f32::consts::FRAC_1_SQRT_2), half);
        }
    }
}

#[inline(always)]
fn plus(a: f32, b: f32) -> f32 {
    a + b
}

#[inline(always)]
fn larger(a: f32, b: f32) -> f32 {
    if a > b { a } else { b }
}

/// Folds a row in lanes by `step`, then the lanes by `join`.
#[inline(always)]
fn fold(
    row: &[f32],
    start: f32,
    step: impl Fn(f32, f32) -> f32,
    join: impl Fn(f32, f32) -> f32,
) -> f32 {
    let mut lanes = [start; LANES];
    let mut chunks = row.chunks_exact(LANES);
    for chunk in &mut chunks {
        for (lane, value) in lanes.iter_mut().zip(chunk) {
            *lane = step(*lane, *value);
        }
    }
    for (lane, value) in lanes.iter_mut().zip(chunks.remainder()) {
        *lane = step(*lane, *value);
    }
    lanes.into_iter().fold(start, join)
}

#[inline(always)]
pub(super) fn softmax<const FMA: bool>(rows: &mut [f32], width: usize, scale: f32) {
    for row in rows.chunks_exact_mut(width.max(1)) {
        let top = fold(row, f32::NEG_INFINITY, larger, larger);
        for value in row.iter_mut() {
            *value = exp::<FMA>((*value - top) * scale);
        }
        let factor = 1.0 / fold(row, 0.0, plus, plus);
        for value in row.iter_mut() {
            *value *= factor;
        }
    }
}

#[inline(always)]
pub(super) fn add_norm<const FMA: bool>(
    rows: &mut [f32],
    bias: &[f32],
    residual: &[f32],
    norm: &Norm,
) {
    let width = norm.weight.len().max(1);
    #[expect(clippy::cast_precision_loss)]
    let share = 1.0 / width as f32;
    for (row, residual) in rows.chunks_exact_mut(width).zip(residual.chunks_exact(width)) {
        for ((value, add), rest) in row.iter_mut().zip(bias).zip(residual) {
            *value += add + rest;
        }
        let mean = fold(row, 0.0, plus, plus) * share;
        for value in row.iter_mut() {
            *value -= mean;
        }
        let variance = fold(row, 0.0, |a, b| fma::<FMA>(b, b, a), plus) * share;
        let factor = 1.0 / (variance + norm.epsilon).sqrt();
        for ((value, weight), bias) in row.iter_mut().zip(&norm.weight).zip(&norm.bias) {
            *value = fma::<FMA>(*value * factor, *weight, *bias);
        }
    }
}

#[inline(always)]
pub(super) fn silu_mul<const FMA: bool>(gate: &mut [f32], up: &[f32]) {
    for (gate, up) in gate.iter_mut().zip(up) {
        *gate = *gate / (1.0 + exp::<FMA>(-*gate)) * up;
    }
}
