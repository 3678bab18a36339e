//! Quantised weight matrices in GGUF's block formats, and their products.
//!
//! A block is 32 weights of one row. `Q4_1`: f16 scale, f16 minimum, 16 bytes of nibbles (byte `i`
//! holds weight `i` low and weight `i + 16` high); weight = nibble * scale + minimum. `Q8_0`: f16
//! scale, 32 signed bytes; weight = byte * scale.

use half::f16;

use super::{Level, level};

/// Weights in a block.
pub(crate) const BLOCK: usize = 32;

/// The format of a matrix's blocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Format {
    /// 20 bytes a block.
    Q4_1,
    /// 34 bytes a block.
    Q8_0,
}

impl Format {
    /// Bytes in a block.
    pub(crate) const fn block_bytes(self) -> usize {
        match self {
            Self::Q4_1 => 20,
            Self::Q8_0 => 34,
        }
    }

    /// Bytes in a row of `columns` weights.
    pub(crate) const fn row_bytes(self, columns: usize) -> usize {
        columns / BLOCK * self.block_bytes()
    }
}

/// A vector rounded to signed bytes, block by block.
#[derive(Debug, Default, Clone)]
pub(crate) struct Rounded {
    pub(super) bytes: Vec<i8>,
    /// For each block its scale, and the scale times the sum of its bytes.
    pub(super) scales: Vec<[f32; 2]>,
}

impl Rounded {
    /// Takes from `x`, which has been rounded, what this holds of it, and rounds the rest: the sum
    /// of the products with both is a hundred times as exact as with the first alone.
    pub(crate) fn set_rest(&mut self, x: &mut [f32]) {
        let blocks = x.chunks_exact_mut(BLOCK).zip(self.bytes.chunks_exact(BLOCK));
        for ((block, bytes), [scale, _]) in blocks.zip(&self.scales) {
            for (value, byte) in block.iter_mut().zip(bytes) {
                *value -= f32::from(*byte) * scale;
            }
        }
        self.set(x);
    }

    /// Rounds `x`, whose length is a multiple of [`BLOCK`].
    pub(crate) fn set(&mut self, x: &[f32]) {
        self.bytes.clear();
        self.scales.clear();
        for block in x.chunks_exact(BLOCK) {
            let top = block.iter().fold(0.0_f32, |top, v| top.max(v.abs()));
            let scale = top / 127.0;
            let inverse = if scale > 0.0 { 1.0 / scale } else { 0.0 };
            let mut sum = 0_i32;
            for value in block {
                let byte = nearest(value * inverse);
                sum += i32::from(byte);
                self.bytes.push(byte);
            }
            #[expect(clippy::cast_precision_loss)]
            self.scales.push([scale, scale * sum as f32]);
        }
    }
}

/// The nearest whole number of a value between -127 and 127, without a call of the C library:
/// adding 1.5 * 2^23 leaves it in the low bits.
#[inline(always)]
fn nearest(value: f32) -> i8 {
    let [low, ..] = (value + 12_582_912.0).to_bits().to_le_bytes();
    low.cast_signed()
}

/// `out[i] = row i of weights . x` for the rows that `weights` holds.
///
/// `weights` is whole rows of the format; what does not fit `out` or `x` is left alone.
pub(crate) fn row_products(format: Format, weights: &[u8], x: &Rounded, out: &mut [f32]) {
    row_products_at(level(), format, weights, x, out);
}

pub(super) fn row_products_at(
    level: Level,
    format: Format,
    weights: &[u8],
    x: &Rounded,
    out: &mut [f32],
) {
    let row_bytes = (x.scales.len() * format.block_bytes()).max(1);
    for (row, out) in weights.chunks_exact(row_bytes).zip(out) {
        *out = match (level, format) {
            #[cfg(target_arch = "x86_64")]
            (Level::Avx2 | Level::Avx512, Format::Q4_1) => super::x86::dot_q4_1(row, x),
            #[cfg(target_arch = "x86_64")]
            (Level::Avx2 | Level::Avx512, Format::Q8_0) => super::x86::dot_q8_0(row, x),
            (_, Format::Q4_1) => dot_q4_1(row, x),
            (_, Format::Q8_0) => dot_q8_0(row, x),
        };
    }
}

fn half_at(block: &[u8], at: usize) -> f32 {
    block
        .get(at..at + 2)
        .map_or(0.0, |b| b.try_into().map_or(0.0, |b| f16::from_le_bytes(b).to_f32()))
}

fn dot_q4_1(row: &[u8], x: &Rounded) -> f32 {
    let blocks = row.chunks_exact(20).zip(x.bytes.chunks_exact(BLOCK)).zip(&x.scales);
    let mut sum = 0.0;
    for ((block, bytes), [scale, total]) in blocks {
        let (low, high) = bytes.split_at(BLOCK / 2);
        let nibbles = block.iter().skip(4).zip(low.iter().zip(high));
        let dot: i32 = nibbles
            .map(|(byte, (low, high))| {
                i32::from(byte & 15) * i32::from(*low) + i32::from(byte >> 4) * i32::from(*high)
            })
            .sum();
        #[expect(clippy::cast_precision_loss)]
        let dot = dot as f32;
        sum += half_at(block, 0) * scale * dot + half_at(block, 2) * total;
    }
    sum
}

fn dot_q8_0(row: &[u8], x: &Rounded) -> f32 {
    let blocks = row.chunks_exact(34).zip(x.bytes.chunks_exact(BLOCK)).zip(&x.scales);
    let mut sum = 0.0;
    for ((block, bytes), [scale, _]) in blocks {
        let dot: i32 = block
            .iter()
            .skip(2)
            .zip(bytes)
            .map(|(weight, byte)| i32::from(weight.cast_signed()) * i32::from(*byte))
            .sum();
        #[expect(clippy::cast_precision_loss)]
        let dot = dot as f32;
        sum += half_at(block, 0) * scale * dot;
    }
    sum
}

/// The weights as numbers, into `out` (as long as there are weights).
pub(crate) fn widen(format: Format, weights: &[u8], out: &mut [f32]) {
    match level() {
        #[cfg(target_arch = "x86_64")]
        Level::Avx512 => super::x86::widen_avx512(format, weights, out),
        #[cfg(target_arch = "x86_64")]
        Level::Avx2 => super::x86::widen_avx2(format, weights, out),
        _ => widen_portable(format, weights, out),
    }
}

#[inline(always)]
pub(super) fn widen_portable(format: Format, weights: &[u8], out: &mut [f32]) {
    for (block, out) in weights.chunks_exact(format.block_bytes()).zip(out.chunks_exact_mut(BLOCK))
    {
        let scale = half_at(block, 0);
        match format {
            Format::Q4_1 => {
                let minimum = half_at(block, 2);
                let (low, high) = out.split_at_mut(BLOCK / 2);
                for ((low, high), byte) in low.iter_mut().zip(high).zip(block.iter().skip(4)) {
                    *low = f32::from(byte & 15) * scale + minimum;
                    *high = f32::from(byte >> 4) * scale + minimum;
                }
            }
            Format::Q8_0 => {
                for (out, byte) in out.iter_mut().zip(block.iter().skip(2)) {
                    *out = f32::from(byte.cast_signed()) * scale;
                }
            }
        }
    }
}

/// `values` in the format [`Format::Q8_0`]; the length is a multiple of [`BLOCK`].
pub(crate) fn to_q8_0(values: &[f32]) -> Vec<u8> {
    let mut out = Vec::with_capacity(Format::Q8_0.row_bytes(values.len()));
    for block in values.chunks_exact(BLOCK) {
        let top = block.iter().fold(0.0_f32, |top, v| top.max(v.abs()));
        let scale = f16::from_f32(top / 127.0);
        let inverse = if scale.to_f32() > 0.0 { 1.0 / scale.to_f32() } else { 0.0 };
        out.extend_from_slice(&scale.to_le_bytes());
        // The scale was rounded too, so a value may lie a little beyond 127.
        out.extend(
            block.iter().map(|v| nearest((v * inverse).clamp(-127.0, 127.0)).cast_unsigned()),
        );
    }
    out
}
