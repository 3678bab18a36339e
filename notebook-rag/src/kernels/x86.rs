//! The kernels compiled for AVX2 and AVX-512, and the quantised products written out for AVX2.
#![allow(unsafe_code)] // Calling a function with more CPU features than the caller is unsafe.

use std::arch::x86_64::{
    __m256, __m256i, _mm_add_ps, _mm_add_ss, _mm_and_si128, _mm_cvtph_ps, _mm_cvtsi32_si128,
    _mm_cvtss_f32, _mm_loadu_si128, _mm_movehl_ps, _mm_mul_ps, _mm_set_ps, _mm_set1_epi8,
    _mm_shuffle_ps, _mm_srli_epi16, _mm256_castps256_ps128, _mm256_cvtepi32_ps,
    _mm256_extractf128_ps, _mm256_fmadd_ps, _mm256_loadu_si256, _mm256_madd_epi16,
    _mm256_maddubs_epi16, _mm256_set_m128i, _mm256_set1_epi16, _mm256_set1_ps, _mm256_setzero_ps,
    _mm256_sign_epi8,
};

use super::{
    Norm, portable,
    quant::{BLOCK, Format, Rounded, widen_portable},
};

/// Whether this CPU has a feature that the kernels use.
pub(super) fn has(feature: &str) -> bool {
    match feature {
        "avx2" => is_x86_feature_detected!("avx2"),
        "fma" => is_x86_feature_detected!("fma"),
        "f16c" => is_x86_feature_detected!("f16c"),
        "avx512f" => is_x86_feature_detected!("avx512f"),
        "avx512bw" => is_x86_feature_detected!("avx512bw"),
        "avx512dq" => is_x86_feature_detected!("avx512dq"),
        "avx512vl" => is_x86_feature_detected!("avx512vl"),
        _ => false,
    }
}

/// Makes the AVX2 and the AVX-512 form of a portable kernel.
macro_rules! compiled_for {
    ($avx2:ident, $avx512:ident, $body:expr, ($($name:ident: $kind:ty),*)) => {
        pub(super) fn $avx2($($name: $kind),*) {
            #[target_feature(enable = "avx2,fma,f16c")]
            fn inner($($name: $kind),*) {
                $body($($name),*);
            }
            // SAFETY: `Level::Avx2` is chosen only on CPUs that have these features.
            unsafe { inner($($name),*) }
        }

        pub(super) fn $avx512($($name: $kind),*) {
            #[target_feature(enable = "avx2,fma,f16c,avx512f,avx512bw,avx512dq,avx512vl")]
            fn inner($($name: $kind),*) {
                $body($($name),*);
            }
            // SAFETY: `Level::Avx512` is chosen only on CPUs that have these features.
            unsafe { inner($($name),*) }
        }
    };
}

compiled_for!(bias_gelu_avx2, bias_gelu_avx512, portable::bias_gelu::<true>, (rows: &mut [f32], bias: &[f32]));
compiled_for!(softmax_avx2, softmax_avx512, portable::softmax::<true>, (rows: &mut [f32], width: usize, scale: f32));
compiled_for!(add_norm_avx2, add_norm_avx512, portable::add_norm::<true>, (rows: &mut [f32], bias: &[f32], residual: &[f32], norm: &Norm));
compiled_for!(silu_mul_avx2, silu_mul_avx512, portable::silu_mul::<true>, (gate: &mut [f32], up: &[f32]));
compiled_for!(widen_avx2, widen_avx512, widen_portable, (format: Format, weights: &[u8], out: &mut [f32]));

/// One row of `Q4_1` blocks times a rounded vector.
pub(super) fn dot_q4_1(row: &[u8], x: &Rounded) -> f32 {
    // SAFETY: called only from `Level::Avx2` upwards, which implies these features.
    unsafe { dot_q4_1_avx2(row, x) }
}

/// One row of `Q8_0` blocks times a rounded vector.
pub(super) fn dot_q8_0(row: &[u8], x: &Rounded) -> f32 {
    // SAFETY: as for `dot_q4_1`.
    unsafe { dot_q8_0_avx2(row, x) }
}

#[target_feature(enable = "avx2,fma,f16c")]
fn dot_q4_1_avx2(row: &[u8], x: &Rounded) -> f32 {
    let mask = _mm_set1_epi8(15);
    let mut sums = _mm256_setzero_ps();
    let mut minima = 0.0_f32;
    let blocks = row.as_chunks::<20>().0.iter().zip(x.bytes.as_chunks::<BLOCK>().0).zip(&x.scales);
    for ((block, bytes), [scale, total]) in blocks {
        let [a, b, c, d, ..] = *block;
        // Scale and minimum, widened at once.
        let factors = _mm_cvtph_ps(_mm_cvtsi32_si128(i32::from_le_bytes([a, b, c, d])));
        let products = _mm_mul_ps(factors, _mm_set_ps(0.0, 0.0, *total, *scale));
        minima += _mm_cvtss_f32(_mm_shuffle_ps::<1>(products, products));
        // SAFETY: a block has 20 bytes, of which bytes 4 to 19 are read; `bytes` has 32.
        let (packed, values) = unsafe {
            (
                _mm_loadu_si128(block.as_ptr().add(4).cast()),
                _mm256_loadu_si256(bytes.as_ptr().cast()),
            )
        };
        let low = _mm_and_si128(packed, mask);
        let high = _mm_and_si128(_mm_srli_epi16::<4>(packed), mask);
        let weights = _mm256_set_m128i(high, low);
        // At most 2 * 15 * 127 in 16 bits: no saturation.
        let dot = pairs(_mm256_maddubs_epi16(weights, values));
        sums = _mm256_fmadd_ps(_mm256_set1_ps(_mm_cvtss_f32(products)), dot, sums);
    }
    total_of(sums) + minima
}

#[target_feature(enable = "avx2,fma,f16c")]
fn dot_q8_0_avx2(row: &[u8], x: &Rounded) -> f32 {
    let mut sums = _mm256_setzero_ps();
    let blocks = row.as_chunks::<34>().0.iter().zip(x.bytes.as_chunks::<BLOCK>().0).zip(&x.scales);
    for ((block, bytes), [scale, _]) in blocks {
        let [a, b, ..] = *block;
        let factor =
            _mm_cvtss_f32(_mm_cvtph_ps(_mm_cvtsi32_si128(i32::from(u16::from_le_bytes([a, b])))));
        // SAFETY: a block has 34 bytes, of which bytes 2 to 33 are read; `bytes` has 32.
        let (weights, values) = unsafe {
            (
                _mm256_loadu_si256(block.as_ptr().add(2).cast()),
                _mm256_loadu_si256(bytes.as_ptr().cast()),
            )
        };
        // maddubs wants one side unsigned: move the sign of the values to the weights. The values
        // are never -128, and two products of at most 128 * 127 fit 16 bits.
        let dot = pairs(_mm256_maddubs_epi16(
            _mm256_sign_epi8(values, values),
            _mm256_sign_epi8(weights, values),
        ));
        sums = _mm256_fmadd_ps(_mm256_set1_ps(factor * scale), dot, sums);
    }
    total_of(sums)
}

#[target_feature(enable = "avx2,fma")]
fn pairs(products: __m256i) -> __m256 {
    _mm256_cvtepi32_ps(_mm256_madd_epi16(products, _mm256_set1_epi16(1)))
}

#[target_feature(enable = "avx2,fma")]
fn total_of(sums: __m256) -> f32 {
    let four = _mm_add_ps(_mm256_castps256_ps128(sums), _mm256_extractf128_ps::<1>(sums));
    let two = _mm_add_ps(four, _mm_movehl_ps(four, four));
    _mm_cvtss_f32(_mm_add_ss(two, _mm_shuffle_ps::<1>(two, two)))
}
