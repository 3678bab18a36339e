//! Measures of a ranking against judgements.

use std::collections::BTreeSet;

/// Normalised discounted cumulative gain of the first `depth` items, 0 to 1, for judgements
/// that say relevant or not.
///
/// Järvelin and Kekäläinen, "Cumulated gain-based evaluation of IR techniques", TOIS 2002: an
/// item at place `i` from 1 gains `1 / log2(i + 1)`, divided by the gain of the best ranking.
/// 0 when nothing is relevant.
///
/// ```
/// use std::collections::BTreeSet;
/// use notebook_rag::eval::ndcg;
///
/// let relevant = BTreeSet::from(["a", "b"]);
/// assert_eq!(ndcg(&["a", "b", "x"], &relevant, 10), 1.0);
/// assert!(ndcg(&["x", "a", "b"], &relevant, 10) < 1.0);
/// ```
#[must_use]
pub fn ndcg<K: Ord>(ranking: &[K], relevant: &BTreeSet<K>, depth: usize) -> f64 {
    let gain = |place: usize| 1.0 / (place as f64 + 2.0).log2();
    let places = ranking.iter().take(depth).enumerate().filter(|(_, key)| relevant.contains(key));
    let found: f64 = places.map(|(place, _)| gain(place)).sum();
    let best: f64 = (0..relevant.len().min(depth)).map(gain).sum();
    if best > 0.0 { found / best } else { 0.0 }
}

/// The share of the relevant items that are among the first `depth`; 0 when nothing is
/// relevant.
#[must_use]
pub fn recall<K: Ord>(ranking: &[K], relevant: &BTreeSet<K>, depth: usize) -> f64 {
    let found = ranking.iter().take(depth).filter(|key| relevant.contains(key)).count();
    found as f64 / relevant.len().max(1) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn close(a: f64, b: f64) {
        assert!((a - b).abs() < 1e-9, "{a} is not {b}");
    }

    #[test]
    fn ndcg_of_cases_worked_by_hand() {
        let relevant = BTreeSet::from([1, 2, 3]);
        // Places 1 and 3 of three relevant: (1 + 1/2) / (1 + 1/log2(3) + 1/2).
        let best = 1.0 + 1.0 / 3_f64.log2() + 0.5;
        close(ndcg(&[1, 9, 3, 8], &relevant, 10), 1.5 / best);
        close(ndcg(&[9, 8, 7], &relevant, 10), 0.0);
        close(ndcg(&[3, 2, 1, 9], &relevant, 10), 1.0);
        // Beyond the depth nothing counts, on either side.
        close(ndcg(&[9, 1], &relevant, 1), 0.0);
        close(ndcg(&[1, 9, 9], &relevant, 1), 1.0);
        close(ndcg(&[1], &BTreeSet::new(), 10), 0.0);
        close(ndcg(&[], &relevant, 10), 0.0);
    }

    #[test]
    fn recall_of_cases_worked_by_hand() {
        let relevant = BTreeSet::from([1, 2, 3, 4]);
        close(recall(&[9, 1, 8, 2], &relevant, 100), 0.5);
        close(recall(&[9, 1, 8, 2], &relevant, 2), 0.25);
        close(recall(&[4, 3, 2, 1], &relevant, 100), 1.0);
        close(recall(&[1], &BTreeSet::new(), 100), 0.0);
    }
}
