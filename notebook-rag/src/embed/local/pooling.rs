//! From the vectors of the tokens to that of the text.

use super::config::Pooling;

/// The text's vector, of unit length, from `rows`: its tokens' vectors, `hidden` numbers each.
/// `None` when there is no row.
pub(crate) fn pool(pooling: Pooling, hidden: usize, rows: &[f32]) -> Option<Vec<f32>> {
    let taken = match pooling {
        Pooling::Mean => rows,
        Pooling::FirstToken => rows.get(..hidden)?,
    };
    if taken.is_empty() {
        return None;
    }
    let mut sum = vec![0.0; hidden];
    for row in taken.chunks_exact(hidden) {
        for (sum, value) in sum.iter_mut().zip(row) {
            *sum += value;
        }
    }
    // The number of tokens cancels out when the length is made one.
    let length = sum.iter().map(|v| v * v).sum::<f32>().sqrt().max(f32::MIN_POSITIVE);
    for value in &mut sum {
        *value /= length;
    }
    Some(sum)
}
