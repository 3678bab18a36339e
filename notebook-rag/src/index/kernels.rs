//! The inner loops, chosen once at run time for the CPU at hand.
//!
//! All sets give the same integers for the same input; the tests compare each that this machine
//! has with the portable one.
// A function compiled for a CPU feature may only be called where the feature is known to be
// there, which the compiler cannot see: `detect` is the one place that checks and calls.
#![allow(unsafe_code)]

use std::sync::LazyLock;

use super::quantize::BLOCK;

/// A distance that no row has: marks rows that are not to be found. Distances are below it
/// because a vector has at most [`MAX_DIMENSIONS`] numbers.
pub(crate) const NEVER: u16 = u16::MAX;

/// The longest vectors an index takes: distances then fit 16 bits with [`NEVER`] to spare, and
/// the sums of [`Kernels::products`] fit 32.
pub(crate) const MAX_DIMENSIONS: usize = 8_192;

/// One set of inner loops.
#[derive(Clone, Copy)]
pub(crate) struct Kernels {
    /// For a log or a test.
    pub(crate) name: &'static str,
    /// Hamming distances of whole blocks of [`BLOCK`] rows (laid out as
    /// [`put_signs`](super::quantize::put_signs) does) to one row of words.
    pub(crate) distances: fn(blocks: &[u64], question: &[u64], distances: &mut [u16]),
    /// Appends `base + i` for each `low < distances[i] <= high` (all up to `high` without a low).
    pub(crate) between:
        fn(distances: &[u16], low: Option<u16>, high: u16, base: u32, rows: &mut Vec<u32>),
    /// Sums of products of a question with the rows named, of `question.len()` codes each.
    /// A row past the end of `codes` gives 0.
    pub(crate) products: Products,
}

type Products = fn(codes: &[i8], question: &[i16], rows: &[u32], products: &mut Vec<i32>);

/// The fastest set that this machine has.
pub(crate) fn best() -> &'static Kernels {
    static BEST: LazyLock<Kernels> =
        LazyLock::new(|| available().into_iter().next_back().unwrap_or(PORTABLE));
    &BEST
}

/// All sets that this machine has, slowest first.
pub(crate) fn available() -> Vec<Kernels> {
    #[cfg_attr(not(target_arch = "x86_64"), allow(unused_mut))]
    let mut sets = vec![PORTABLE];
    #[cfg(target_arch = "x86_64")]
    x86::detect(&mut sets);
    sets
}

const PORTABLE: Kernels = Kernels {
    name: "portable",
    distances: distances_portable,
    between: between_portable,
    products: products_portable,
};

#[inline(always)]
fn distances_portable(blocks: &[u64], question: &[u64], distances: &mut [u16]) {
    let (out, _) = distances.as_chunks_mut::<BLOCK>();
    let rows = blocks.chunks_exact((question.len() * BLOCK).max(1));
    for (block, out) in rows.zip(out) {
        let mut sums = [0_u64; BLOCK];
        let (words, _) = block.as_chunks::<BLOCK>();
        for (word, asked) in words.iter().zip(question) {
            for (sum, word) in sums.iter_mut().zip(word) {
                *sum += u64::from((word ^ asked).count_ones());
            }
        }
        for (out, sum) in out.iter_mut().zip(sums) {
            *out = sum as u16;
        }
    }
}

#[inline(always)]
fn between_portable(
    distances: &[u16],
    low: Option<u16>,
    high: u16,
    base: u32,
    rows: &mut Vec<u32>,
) {
    // One comparison for both ends: distances below the first wanted one wrap to large numbers.
    let first = low.map_or(0, |low| low.saturating_add(1));
    let Some(width) = high.checked_sub(first) else { return };
    for (chunk, start) in distances.chunks(32).zip((base..).step_by(32)) {
        let near = |d: &u16| d.wrapping_sub(first) <= width;
        // Most chunks hold none: look at all at once before looking at each.
        if chunk.iter().fold(false, |any, d| any | near(d)) {
            let found = chunk.iter().zip(start..).filter(|(d, _)| near(d));
            rows.extend(found.map(|(_, row)| row));
        }
    }
}

#[inline(always)]
fn products_portable(codes: &[i8], question: &[i16], rows: &[u32], products: &mut Vec<i32>) {
    products.extend(rows.iter().map(|&row| {
        let row = row_of(codes, question.len(), row);
        row.iter().zip(question).map(|(&x, &q)| i32::from(x) * i32::from(q)).sum::<i32>()
    }));
}

#[inline(always)]
fn row_of(codes: &[i8], dimensions: usize, row: u32) -> &[i8] {
    let start = row as usize * dimensions;
    codes.get(start..start + dimensions).unwrap_or_default()
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use std::arch::x86_64::{
        __m256i, __m512i, _MM_HINT_T0, _mm_add_epi32, _mm_cvtsi128_si32, _mm_loadu_si128,
        _mm_prefetch, _mm_shuffle_epi32, _mm256_add_epi32, _mm256_castsi256_si128,
        _mm256_cvtepi8_epi16, _mm256_extracti128_si256, _mm256_loadu_si256, _mm256_madd_epi16,
        _mm256_setzero_si256, _mm512_add_epi32, _mm512_cvtepi8_epi16, _mm512_dpwssd_epi32,
        _mm512_loadu_si512, _mm512_reduce_add_epi32, _mm512_setzero_si512,
    };

    use super::{Kernels, between_portable, distances_portable, products_portable, row_of};

    /// Rows that are asked of memory ahead of their turn: found rows lie far apart.
    const AHEAD: usize = 8;

    pub(super) fn detect(sets: &mut Vec<Kernels>) {
        use std::arch::is_x86_feature_detected as has;
        if has!("popcnt") && has!("sse4.2") {
            sets.push(Kernels {
                name: "popcnt",
                // SAFETY: both features were detected just above.
                distances: |blocks, question, out| unsafe {
                    popcnt::distances(blocks, question, out)
                },
                between: |d, low, high, base, rows| unsafe {
                    popcnt::between(d, low, high, base, rows)
                },
                products: |codes, question, rows, out| unsafe {
                    popcnt::products(codes, question, rows, out);
                },
            });
        }
        if has!("popcnt") && has!("avx2") {
            sets.push(Kernels {
                name: "avx2",
                // SAFETY: both features were detected just above.
                distances: |blocks, question, out| unsafe {
                    avx2::distances(blocks, question, out)
                },
                between: |d, low, high, base, rows| unsafe {
                    avx2::between(d, low, high, base, rows)
                },
                products: |codes, question, rows, out| unsafe {
                    avx2::products(codes, question, rows, out);
                },
            });
        }
        let avx512 = has!("avx512f") && has!("avx512bw") && has!("avx512vl") && has!("avx512dq");
        if avx512 && has!("avx512vnni") && has!("avx512vpopcntdq") && has!("popcnt") {
            sets.push(Kernels {
                name: "avx512",
                // SAFETY: all features were detected just above.
                distances: |blocks, question, out| unsafe {
                    avx512::distances(blocks, question, out)
                },
                between: |d, low, high, base, rows| unsafe {
                    avx512::between(d, low, high, base, rows)
                },
                products: |codes, question, rows, out| unsafe {
                    avx512::products(codes, question, rows, out);
                },
            });
        }
    }

    fn prefetch(codes: &[i8], dimensions: usize, row: Option<&u32>) {
        let Some(&row) = row else { return };
        for line in row_of(codes, dimensions, row).chunks(64) {
            // SAFETY: a prefetch reads nothing that the program can see, and the address is valid.
            unsafe { _mm_prefetch::<_MM_HINT_T0>(line.as_ptr()) };
        }
    }

    mod popcnt {
        #[target_feature(enable = "popcnt,sse4.2")]
        pub(super) fn distances(blocks: &[u64], question: &[u64], out: &mut [u16]) {
            super::distances_portable(blocks, question, out);
        }

        #[target_feature(enable = "popcnt,sse4.2")]
        pub(super) fn between(
            distances: &[u16],
            low: Option<u16>,
            high: u16,
            base: u32,
            rows: &mut Vec<u32>,
        ) {
            super::between_portable(distances, low, high, base, rows);
        }

        #[target_feature(enable = "popcnt,sse4.2")]
        pub(super) fn products(codes: &[i8], question: &[i16], rows: &[u32], out: &mut Vec<i32>) {
            super::products_portable(codes, question, rows, out);
        }
    }

    mod avx2 {
        use super::*;

        #[target_feature(enable = "avx2,popcnt")]
        pub(super) fn distances(blocks: &[u64], question: &[u64], out: &mut [u16]) {
            distances_portable(blocks, question, out);
        }

        #[target_feature(enable = "avx2,popcnt")]
        pub(super) fn between(
            distances: &[u16],
            low: Option<u16>,
            high: u16,
            base: u32,
            rows: &mut Vec<u32>,
        ) {
            between_portable(distances, low, high, base, rows);
        }

        #[target_feature(enable = "avx2")]
        pub(super) fn products(codes: &[i8], question: &[i16], rows: &[u32], out: &mut Vec<i32>) {
            for (i, &row) in rows.iter().enumerate() {
                prefetch(codes, question.len(), rows.get(i + AHEAD));
                out.push(product(row_of(codes, question.len(), row), question));
            }
        }

        #[target_feature(enable = "avx2")]
        fn product(row: &[i8], question: &[i16]) -> i32 {
            let (rows, row_rest) = row.as_chunks::<16>();
            let (asked, asked_rest) = question.as_chunks::<16>();
            let mut sum = _mm256_setzero_si256();
            for (x, q) in rows.iter().zip(asked) {
                // SAFETY: the arrays are as long as the registers, and need no alignment.
                let (x, q): (__m256i, __m256i) = unsafe {
                    (
                        _mm256_cvtepi8_epi16(_mm_loadu_si128(x.as_ptr().cast())),
                        _mm256_loadu_si256(q.as_ptr().cast()),
                    )
                };
                sum = _mm256_add_epi32(sum, _mm256_madd_epi16(x, q));
            }
            let sum =
                _mm_add_epi32(_mm256_castsi256_si128(sum), _mm256_extracti128_si256::<1>(sum));
            let sum = _mm_add_epi32(sum, _mm_shuffle_epi32::<0b_01_00_11_10>(sum));
            let sum = _mm_add_epi32(sum, _mm_shuffle_epi32::<0b_00_00_00_01>(sum));
            _mm_cvtsi128_si32(sum) + rest(row_rest, asked_rest)
        }
    }

    mod avx512 {
        use super::*;

        #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512dq,avx512vpopcntdq,popcnt")]
        pub(super) fn distances(blocks: &[u64], question: &[u64], out: &mut [u16]) {
            distances_portable(blocks, question, out);
        }

        #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512dq,popcnt")]
        pub(super) fn between(
            distances: &[u16],
            low: Option<u16>,
            high: u16,
            base: u32,
            rows: &mut Vec<u32>,
        ) {
            between_portable(distances, low, high, base, rows);
        }

        #[target_feature(enable = "avx512f,avx512bw,avx512vnni")]
        pub(super) fn products(codes: &[i8], question: &[i16], rows: &[u32], out: &mut Vec<i32>) {
            for (i, &row) in rows.iter().enumerate() {
                prefetch(codes, question.len(), rows.get(i + AHEAD));
                out.push(product(row_of(codes, question.len(), row), question));
            }
        }

        #[target_feature(enable = "avx512f,avx512bw,avx512vnni")]
        fn product(row: &[i8], question: &[i16]) -> i32 {
            let (rows, row_rest) = row.as_chunks::<32>();
            let (asked, asked_rest) = question.as_chunks::<32>();
            let mut sums = [_mm512_setzero_si512(); 2];
            for (i, (x, q)) in rows.iter().zip(asked).enumerate() {
                // SAFETY: the arrays are as long as the registers, and need no alignment.
                let (x, q): (__m512i, __m512i) = unsafe {
                    (
                        _mm512_cvtepi8_epi16(_mm256_loadu_si256(x.as_ptr().cast())),
                        _mm512_loadu_si512(q.as_ptr().cast()),
                    )
                };
                let [even, odd] = &mut sums;
                let sum = if i % 2 == 0 { even } else { odd };
                *sum = _mm512_dpwssd_epi32(*sum, x, q);
            }
            let [even, odd] = sums;
            _mm512_reduce_add_epi32(_mm512_add_epi32(even, odd)) + rest(row_rest, asked_rest)
        }
    }

    fn rest(row: &[i8], question: &[i16]) -> i32 {
        row.iter().zip(question).map(|(&x, &q)| i32::from(x) * i32::from(q)).sum()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn all_sets_find_the_same_distances(
            words in 1_usize..9,
            blocks in prop::collection::vec(any::<u64>(), 0..400),
            question in prop::collection::vec(any::<u64>(), 9),
        ) {
            let blocks = &blocks[..blocks.len() / (8 * words) * 8 * words];
            let question = &question[..words];
            let rows = blocks.len() / words;
            let wanted: Vec<u16> = (0..rows)
                .map(|row| {
                    let word = |w: usize| blocks[row / 8 * 8 * words + w * 8 + row % 8];
                    (0..words).map(|w| (word(w) ^ question[w]).count_ones() as u16).sum()
                })
                .collect();
            for set in available() {
                let mut found = vec![0; rows];
                (set.distances)(blocks, question, &mut found);
                prop_assert_eq!(&found, &wanted, "{}", set.name);
            }
        }

        #[test]
        fn all_sets_find_the_same_rows(
            distances in prop::collection::vec(prop_oneof![0_u16..50, Just(NEVER)], 0..200),
            low in prop::option::of(0_u16..50),
            high in 0_u16..60,
            base in 0_u32..1000,
        ) {
            let near = |d: u16| low.is_none_or(|low| d > low) && d <= high;
            let wanted: Vec<u32> = (base..)
                .zip(&distances)
                .filter(|(_, d)| near(**d))
                .map(|(row, _)| row)
                .collect();
            for set in available() {
                let mut found = Vec::new();
                (set.between)(&distances, low, high, base, &mut found);
                prop_assert_eq!(&found, &wanted, "{}", set.name);
            }
        }

        #[test]
        fn all_sets_find_the_same_products(
            dimensions in 1_usize..200,
            codes in prop::collection::vec(any::<i8>(), 0..2000),
            question in prop::collection::vec(-16_256_i16..=16_256, 200),
            rows in prop::collection::vec(0_u32..2100, 0..40),
        ) {
            let question = &question[..dimensions];
            let wanted: Vec<i32> = rows
                .iter()
                .map(|&row| {
                    let start = row as usize * dimensions;
                    let row = codes.get(start..start + dimensions).unwrap_or_default();
                    row.iter().zip(question).map(|(&x, &q)| i32::from(x) * i32::from(q)).sum()
                })
                .collect();
            for set in available() {
                let mut found = Vec::new();
                (set.products)(&codes, question, &rows, &mut found);
                prop_assert_eq!(&found, &wanted, "{}", set.name);
            }
        }
    }

    #[test]
    fn the_longest_vectors_do_not_overflow() {
        for value in [127_i8, -128] {
            let codes = vec![value; MAX_DIMENSIONS];
            let vector = vec![1.0_f32; MAX_DIMENSIONS];
            let (question, _) = super::super::quantize::question_codes(&vector);
            let wanted = i64::from(value) * i64::from(question[0]) * MAX_DIMENSIONS as i64;
            for set in available() {
                let mut found = Vec::new();
                (set.products)(&codes, &question, &[0], &mut found);
                assert_eq!(i64::from(found[0]), wanted, "{}", set.name);
            }
        }
    }
}
