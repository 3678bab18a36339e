//! The two short forms of a vector: one signed byte a number, and one bit a number.

/// Rows whose signs are stored together: word `w` of eight rows lies in one run of eight words,
/// so that a 512-bit register holds one word of each.
pub(crate) const BLOCK: usize = 8;

/// The largest number of a question in 16-bit form: 127 * 128, so that products of two bytes
/// can stand in for it, and lower for long vectors, so that no sum leaves 32 bits.
fn question_range(dimensions: usize) -> f32 {
    let safe = (i32::MAX as usize / (128 * dimensions.max(1))).min(16_256);
    safe as f32
}

/// Appends `vector` as signed bytes and returns what to multiply them by.
pub(crate) fn push_codes(vector: &[f32], codes: &mut Vec<i8>) -> f32 {
    let largest = vector.iter().fold(0.0_f32, |most, x| most.max(x.abs()));
    let (scale, inverse) = scales(largest, 127.0);
    codes.extend(vector.iter().map(|x| (x * inverse).round() as i8));
    scale
}

/// A question as 16-bit integers, and what to multiply them by.
pub(crate) fn question_codes(vector: &[f32]) -> (Vec<i16>, f32) {
    let largest = vector.iter().fold(0.0_f32, |most, x| most.max(x.abs()));
    let (scale, inverse) = scales(largest, question_range(vector.len()));
    (vector.iter().map(|x| (x * inverse).round() as i16).collect(), scale)
}

/// The scale and its inverse; both zero for a vector of zeros (or too small to tell from it).
fn scales(largest: f32, range: f32) -> (f32, f32) {
    let inverse = range / largest;
    if inverse.is_finite() { (largest / range, inverse) } else { (0.0, 0.0) }
}

/// Words that hold the signs of one vector.
pub(crate) const fn sign_words(dimensions: usize) -> usize {
    dimensions.div_ceil(64)
}

/// The signs of `vector - centre`: bit `i % 64` of word `i / 64` is set when number `i` is above
/// the centre.
pub(crate) fn signs(vector: &[f32], centre: &[f32]) -> impl Iterator<Item = u64> {
    vector.chunks(64).zip(centre.chunks(64)).map(|(values, middle)| {
        let bits = values.iter().zip(middle).enumerate();
        bits.fold(0, |word, (i, (x, m))| word | u64::from(x > m) << i)
    })
}

/// Writes the signs of row `row` where [`BLOCK`] says.
pub(crate) fn put_signs(bits: &mut [u64], row: usize, vector: &[f32], centre: &[f32]) {
    let words = sign_words(vector.len());
    let start = row / BLOCK * BLOCK * words + row % BLOCK;
    for (w, word) in signs(vector, centre).enumerate() {
        if let Some(slot) = bits.get_mut(start + w * BLOCK) {
            *slot = word;
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn codes_are_within_half_a_step(vector in prop::collection::vec(-1.0_f32..1.0, 1..100)) {
            let mut codes = Vec::new();
            let scale = push_codes(&vector, &mut codes);
            for (x, code) in vector.iter().zip(&codes) {
                prop_assert!((x - f32::from(*code) * scale).abs() <= scale * 0.51);
            }
            let (codes, scale) = question_codes(&vector);
            for (x, code) in vector.iter().zip(&codes) {
                prop_assert!((x - f32::from(*code) * scale).abs() <= scale * 0.51);
            }
        }
    }

    #[test]
    fn odd_questions_have_finite_codes() {
        for vector in [vec![0.0; 5], vec![f32::MIN_POSITIVE; 5], vec![f32::MAX; 5], vec![1e-45; 5]]
        {
            let (codes, scale) = question_codes(&vector);
            assert!(scale.is_finite() && codes.len() == 5);
        }
    }

    #[test]
    fn signs_are_taken_from_the_centre() {
        let vector: Vec<f32> = (0..70).map(|i| i as f32).collect();
        let words: Vec<u64> = signs(&vector, &[64.5; 70]).collect();
        assert_eq!(words, [0, 0b11_1110]);
    }
}
