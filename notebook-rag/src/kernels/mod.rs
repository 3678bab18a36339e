//! Numeric kernels for the models that run here: chosen at run time, so that a binary built for
//! the baseline CPU uses the vector units of the machine it runs on.
//!
//! Every kernel has one portable body (`portable.rs`). On x86-64 the same body is compiled again
//! for AVX2 and AVX-512 (`x86.rs`), where the compiler vectorises it; the products of quantised
//! weights are written out by hand there. Matrix products go to the `gemm` crate (`matmul.rs`),
//! which chooses at run time too. Unsafe code is in `x86.rs` and `matmul.rs` only.

mod matmul;
mod portable;
pub(crate) mod quant;
#[cfg(target_arch = "x86_64")]
mod x86;

use std::sync::OnceLock;

pub(crate) use matmul::{Matrix, MatrixMut, multiply};

/// The instruction sets that kernels are compiled for, best last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Level {
    /// What every CPU of this architecture has.
    Baseline,
    /// AVX2 and FMA.
    Avx2,
    /// AVX-512 F, BW, DQ and VL.
    Avx512,
}

/// The best level of this CPU.
pub(crate) fn level() -> Level {
    static LEVEL: OnceLock<Level> = OnceLock::new();
    *LEVEL.get_or_init(|| supported().last().copied().unwrap_or(Level::Baseline))
}

/// All levels of this CPU, in ascending order.
pub(crate) fn supported() -> Vec<Level> {
    let mut levels = vec![Level::Baseline];
    #[cfg(target_arch = "x86_64")]
    {
        if ["avx2", "fma", "f16c"].iter().all(|name| x86::has(name)) {
            levels.push(Level::Avx2);
            if ["avx512f", "avx512bw", "avx512dq", "avx512vl"].iter().all(|name| x86::has(name)) {
                levels.push(Level::Avx512);
            }
        }
    }
    levels
}

/// `rows = gelu(rows + bias)`, with the exact (erf) form of GELU; `bias` is as long as a row.
pub(crate) fn bias_gelu(rows: &mut [f32], bias: &[f32]) {
    bias_gelu_at(level(), rows, bias);
}

fn bias_gelu_at(level: Level, rows: &mut [f32], bias: &[f32]) {
    match level {
        #[cfg(target_arch = "x86_64")]
        Level::Avx512 => x86::bias_gelu_avx512(rows, bias),
        #[cfg(target_arch = "x86_64")]
        Level::Avx2 => x86::bias_gelu_avx2(rows, bias),
        _ => portable::bias_gelu::<false>(rows, bias),
    }
}

/// Replaces each row of `width` numbers by its softmax after multiplying by `scale`.
pub(crate) fn softmax(rows: &mut [f32], width: usize, scale: f32) {
    softmax_at(level(), rows, width, scale);
}

fn softmax_at(level: Level, rows: &mut [f32], width: usize, scale: f32) {
    match level {
        #[cfg(target_arch = "x86_64")]
        Level::Avx512 => x86::softmax_avx512(rows, width, scale),
        #[cfg(target_arch = "x86_64")]
        Level::Avx2 => x86::softmax_avx2(rows, width, scale),
        _ => portable::softmax::<false>(rows, width, scale),
    }
}

/// The weight and bias of a layer normalisation, and its epsilon.
#[derive(Debug, Clone)]
pub(crate) struct Norm {
    /// One factor for each column.
    pub(crate) weight: Vec<f32>,
    /// One addend for each column.
    pub(crate) bias: Vec<f32>,
    /// Added to the variance.
    pub(crate) epsilon: f32,
}

/// `rows = norm(rows + bias + residual)`, row by row; the sum is that of a transformer block.
pub(crate) fn add_norm(rows: &mut [f32], bias: &[f32], residual: &[f32], norm: &Norm) {
    add_norm_at(level(), rows, bias, residual, norm);
}

fn add_norm_at(level: Level, rows: &mut [f32], bias: &[f32], residual: &[f32], norm: &Norm) {
    match level {
        #[cfg(target_arch = "x86_64")]
        Level::Avx512 => x86::add_norm_avx512(rows, bias, residual, norm),
        #[cfg(target_arch = "x86_64")]
        Level::Avx2 => x86::add_norm_avx2(rows, bias, residual, norm),
        _ => portable::add_norm::<false>(rows, bias, residual, norm),
    }
}

/// `gate = silu(gate) * up`, the gated unit of the llama family.
pub(crate) fn silu_mul(gate: &mut [f32], up: &[f32]) {
    silu_mul_at(level(), gate, up);
}

fn silu_mul_at(level: Level, gate: &mut [f32], up: &[f32]) {
    match level {
        #[cfg(target_arch = "x86_64")]
        Level::Avx512 => x86::silu_mul_avx512(gate, up),
        #[cfg(target_arch = "x86_64")]
        Level::Avx2 => x86::silu_mul_avx2(gate, up),
        _ => portable::silu_mul::<false>(gate, up),
    }
}

#[cfg(test)]
mod tests;
