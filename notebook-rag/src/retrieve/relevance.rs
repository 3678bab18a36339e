//! Whether what was found has to do with the question at all.

use std::collections::{BTreeSet, HashSet};

use crate::words::{Stemming, Words, is_stop_word, weight, without_stray};

/// How near the passages are to the question.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Relevance {
    /// The best cosine between the question and a chunk; none without a vector search.
    pub best_cosine: Option<f32>,
    /// The share of the question's content words that occur in the best passages, 0 to 1, short numbers
    /// counting little; none when the question has no content word, as "what is this about?".
    pub coverage: Option<f32>,
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
    /// Chosen so that about 2 % of the answerable questions of SQuAD 2.0 are refused. With MiniLM
    /// nine of ten questions about something else are refused, by keywords alone more than half.
    /// Questions that are about the sources but not answered by them pass: that takes a
    /// reader.
    fn default() -> Self {
        Self { cosine: 0.38, least_cosine: 0.2, coverage: 0.8, keyword_coverage: 0.55 }
    }
}

/// Whether to answer from the passages, or to say that the sources do not say. A question
/// without content words fits any passage.
#[must_use]
pub fn is_relevant(relevance: &Relevance, config: &RelevanceConfig) -> bool {
    let Some(coverage) = relevance.coverage else { return true };
    match relevance.best_cosine {
        Some(cosine) if cosine >= config.cosine => true,
        Some(cosine) => cosine >= config.least_cosine && coverage >= config.coverage,
        None => coverage >= config.keyword_coverage,
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
fn coverage<'p>(question: &str, passages: impl Iterator<Item = &'p str>) -> Option<f32> {
    let (plain, stems) = (Words::new(Stemming::Off), Words::new(Stemming::English));
    let content: BTreeSet<String> = plain
        .of(&without_stray(question))
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
    let all: f32 = content.iter().map(|word| weight(word)).sum();
    let found: f32 = found.into_iter().map(weight).sum();
    (!content.is_empty()).then_some(found / all)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn coverage_counts_content_words_once_and_by_stem() {
        let question = "Which bees are dancing, and how do bees know the flowers?";
        let passages = ["A bee danced.", "Nothing else."];
        assert_eq!(coverage(question, passages.into_iter()), Some(0.5));
        assert_eq!(coverage(question, [].into_iter()), Some(0.0));
        assert_eq!(coverage("What is it about?", [].into_iter()), None);
        assert_eq!(coverage("東京", ["東京都は"].into_iter()), Some(1.0));
    }

    /// B5: a number that slipped in does not outweigh the words, and does not stand for them either.
    #[test]
    fn b5_a_stray_number_does_not_decide() {
        let config = RelevanceConfig::default();
        let oven = ["The oven is heated with beech wood.", "Bread rests for an hour."];
        let fits = |question: &str, best_cosine| {
            is_relevant(&assess(question, best_cosine, oven.into_iter()), &config)
        };
        // With a cosine that alone says nothing, and by keywords alone.
        for cosine in [Some(0.3), None] {
            assert!(fits("How is the oven heated?", cosine));
            for stray in ["? 0", "? 12345", "?? - 7 !", " 0", ", 42?", "? x", "?\n1 2 3"] {
                assert!(fits(&format!("How is the oven heated{stray}"), cosine), "{stray}");
            }
            for foreign in ["How do quasars emit radiation?", "Who won the election of 1984?"] {
                for stray in ["", " 0", " 60", " 1 2 3", " -- x"] {
                    assert!(!fits(&format!("{foreign}{stray}"), cosine), "{foreign}{stray}");
                }
            }
            // A year and a longer number are what is asked for.
            assert!(!fits("What was heated in 1984, according to 2051?", cosine));
        }
        assert!(!is_relevant(
            &assess("Who won in round 7?", Some(0.3), ["7 loaves"].into_iter()),
            &config
        ));
        // Numbers alone are asked for as such.
        assert_eq!(coverage("42?", ["42 loaves"].into_iter()), Some(1.0));
        assert_eq!(coverage("42?", oven.into_iter()), Some(0.0));
    }

    #[test]
    fn either_signal_is_enough_when_strong() {
        let config = RelevanceConfig::default();
        let of = |best_cosine, coverage| {
            is_relevant(&Relevance { best_cosine, coverage: Some(coverage) }, &config)
        };
        assert!(of(Some(0.9), 0.0));
        assert!(of(Some(0.3), 1.0));
        assert!(!of(Some(0.3), 0.0));
        assert!(!of(Some(0.0), 1.0));
        assert!(of(None, 1.0) && !of(None, 0.1));
        assert!(is_relevant(&Relevance { best_cosine: Some(0.0), coverage: None }, &config));
    }
}
