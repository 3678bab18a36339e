//! Reciprocal rank fusion: one ranking from two, by places alone.
//!
//! Cormack, Clarke and Büttcher, "Reciprocal Rank Fusion outperforms Condorcet and
//! individual Rank Learning Methods", SIGIR 2009: an item's score is the sum of
//! `weight / (k + place)` over the rankings that hold it.

use std::collections::BTreeMap;

/// How much each ranking counts.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct FusionConfig {
    /// Damps the difference between the first places; 60 in the paper.
    pub k: f64,
    /// Weight of the keyword ranking.
    pub keyword_weight: f64,
    /// Weight of the vector ranking.
    pub vector_weight: f64,
}

impl Default for FusionConfig {
    /// Measured with `notebook eval`: vectors a little ahead keep what only they find among the
    /// first hundred, and hold up where keywords do badly.
    fn default() -> Self {
        Self { k: 80.0, keyword_weight: 0.8, vector_weight: 1.0 }
    }
}

/// An item with its fused score and its places, from 1.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Fused<K> {
    /// The item.
    pub key: K,
    /// Higher is better.
    pub score: f64,
    /// Its place in the keyword ranking.
    pub keyword_rank: Option<u32>,
    /// Its place in the vector ranking.
    pub vector_rank: Option<u32>,
}

/// Fuses two rankings, best first; equal scores by key. Only the first place of a repeated
/// key counts.
///
/// ```
/// use notebook_rag::retrieve::{FusionConfig, fuse};
///
/// let even = FusionConfig { k: 60.0, keyword_weight: 1.0, vector_weight: 1.0 };
/// let fused = fuse(even, &["a", "b"], &["b", "c"]);
/// let keys: Vec<_> = fused.iter().map(|item| item.key).collect();
/// assert_eq!(keys, ["b", "a", "c"]);
/// assert_eq!(fused[0].score, 1.0 / 62.0 + 1.0 / 61.0);
/// ```
#[must_use]
pub fn fuse<K: Ord + Copy>(config: FusionConfig, keyword: &[K], vector: &[K]) -> Vec<Fused<K>> {
    let mut ranks: BTreeMap<K, (Option<u32>, Option<u32>)> = BTreeMap::new();
    for (key, place) in keyword.iter().zip(1..) {
        ranks.entry(*key).or_default().0.get_or_insert(place);
    }
    for (key, place) in vector.iter().zip(1..) {
        ranks.entry(*key).or_default().1.get_or_insert(place);
    }
    let part = |weight: f64, rank: Option<u32>| {
        rank.map_or(0.0, |place| weight / (config.k + f64::from(place)))
    };
    let mut fused: Vec<_> = ranks
        .into_iter()
        .map(|(key, (keyword_rank, vector_rank))| Fused {
            key,
            score: part(config.keyword_weight, keyword_rank)
                + part(config.vector_weight, vector_rank),
            keyword_rank,
            vector_rank,
        })
        .collect();
    // Stable, and the map gave the keys in order.
    fused.sort_by(|a, b| b.score.total_cmp(&a.score));
    fused
}

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prelude::*};

    use super::*;

    #[test]
    fn one_ranking_alone_keeps_its_order() {
        let keys = [5, 3, 9];
        let order = |fused: Vec<Fused<i32>>| fused.iter().map(|f| f.key).collect::<Vec<_>>();
        assert_eq!(order(fuse(FusionConfig::default(), &keys, &[])), keys);
        assert_eq!(order(fuse(FusionConfig::default(), &[], &keys)), keys);
        assert!(fuse::<i32>(FusionConfig::default(), &[], &[]).is_empty());
    }

    const EVEN: FusionConfig = FusionConfig { k: 60.0, keyword_weight: 1.0, vector_weight: 1.0 };

    #[test]
    fn equal_scores_are_ordered_by_key() {
        let fused = fuse(EVEN, &[2], &[1]);
        assert_eq!(fused.iter().map(|f| f.key).collect::<Vec<_>>(), [1, 2]);
    }

    #[test]
    fn weights_move_the_balance() {
        let config = FusionConfig { vector_weight: 2.0, ..EVEN };
        assert_eq!(fuse(config, &["k"], &["v"])[0].key, "v");
    }

    proptest! {
        /// Each item once, with the sum of its parts, best first.
        #[test]
        fn fusion_is_the_sum_over_places(
            keyword in vec(0_u32..40, 0..30),
            vector in vec(0_u32..40, 0..30),
        ) {
            let fused = fuse(EVEN, &keyword, &vector);
            let place = |list: &[u32], key| list.iter().position(|k| *k == key);
            for item in &fused {
                let parts = [place(&keyword, item.key), place(&vector, item.key)];
                let sum: f64 = parts.iter().flatten().map(|p| 1.0 / (61.0 + *p as f64)).sum();
                prop_assert!((item.score - sum).abs() < 1e-12);
            }
            let mut all: Vec<_> = keyword.iter().chain(&vector).copied().collect();
            all.sort_unstable();
            all.dedup();
            let mut found: Vec<_> = fused.iter().map(|f| f.key).collect();
            let in_order = |w: &[Fused<u32>]| {
                w[0].score > w[1].score || (w[0].score == w[1].score && w[0].key < w[1].key)
            };
            prop_assert!(fused.windows(2).all(in_order));
            found.sort_unstable();
            prop_assert_eq!(found, all);
        }
    }
}
