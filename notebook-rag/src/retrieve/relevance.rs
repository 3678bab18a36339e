//! Whether what was found has to do with the question at all.

use std::collections::{BTreeSet, HashSet};

use crate::words::{Stemming, Words, is_stop_word};

/// How near the passages are to the question.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Relevance {
    /// The best cosine between the question and a chunk; none without a vector search.
    pub best_cosine: Option<f32>,
    /// The share of the question's content words that occur in the best passages, 0 to 1;
    /// 1 when the question has no content word.
    pub coverage: f32,
}

/// From where on passages are relevant.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RelevanceConfig {
    /// A best cosine from here on is enough by itself.
    pub cosine: f32,
    /// Below this cosine nothing is relevant, whatever words it shares.
    pub least_cosine: f32,
    /// With a cosine between the two, this coverage is needed.
    pub coverage: f32,
    /// Without a vector search, this coverage is needed.
    pub keyword_coverage: f32,
}

impl Default for RelevanceConfig {
    fn default() -> Self {
        Self { cosine: 0.45, least_cosine: 0.15, coverage: 0.6, keyword_coverage: 0.5 }
    }
}

/// Whether to answer from the passages, or to say that the sources do not say.
#[must_use]
pub fn is_relevant(relevance: &Relevance, config: &RelevanceConfig) -> bool {
    match relevance.best_cosine {
        Some(cosine) if cosine >= config.cosine => true,
        Some(cosine) => cosine >= config.least_cosine && relevance.coverage >= config.coverage,
        None => relevance.coverage >= config.keyword_coverage,
    }
}

/// Measures the best passages that were found for a question; `best_cosine` is that of the best
/// vector hit, none without a vector search.
pub fn assess<'p>(
    question: &str,
    best_cosine: Option<f32>,
    passages: impl Iterator<Item = &'p str>,
) -> Relevance {
    Relevance { best_cosine, coverage: coverage(question, passages) }
}

/// The share of the question's content words that occur in `passages`.
fn coverage<'p>(question: &str, passages: impl Iterator<Item = &'p str>) -> f32 {
    let (plain, stems) = (Words::new(Stemming::Off), Words::new(Stemming::English));
    let content: BTreeSet<String> = plain
        .of(question)
        .iter()
        .filter(|word| !is_stop_word(word))
        .flat_map(|w| stems.of(w))
        .collect();
    let mut found = HashSet::new();
    for passage in passages {
        stems.each(passage, |word| {
            if let Some(word) = content.get(word) {
                found.insert(word.as_str());
            }
        });
    }
    if content.is_empty() { 1.0 } else { found.len() as f32 / content.len() as f32 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn coverage_counts_content_words_once_and_by_stem() {
        let question = "Which bees are dancing, and how do bees know the flowers?";
        let passages = ["A bee danced.", "Nothing else."];
        assert_eq!(coverage(question, passages.into_iter()), 0.5);
        assert_eq!(coverage(question, [].into_iter()), 0.0);
        assert_eq!(coverage("What is it?", [].into_iter()), 1.0);
        assert_eq!(coverage("東京", ["東京都は"].into_iter()), 1.0);
    }

    #[test]
    fn either_signal_is_enough_when_strong() {
        let config = RelevanceConfig::default();
        let of = |best_cosine, coverage| is_relevant(&Relevance { best_cosine, coverage }, &config);
        assert!(of(Some(0.9), 0.0));
        assert!(of(Some(0.3), 1.0));
        assert!(!of(Some(0.3), 0.0));
        assert!(!of(Some(0.0), 1.0));
        assert!(of(None, 1.0) && !of(None, 0.1));
    }
}
