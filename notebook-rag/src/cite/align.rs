//! Finds the words of a passage that support a claim.

use std::{
    collections::{HashMap, HashSet},
    ops::Range,
};

use super::terms::{sentences, terms};

/// The words of a passage that support a claim.
#[derive(Debug, Clone, PartialEq)]
pub struct Support {
    /// Byte range in the passage, on character boundaries, never empty.
    pub range: Range<usize>,
    /// How much of the claim's weight the words cover, 0 to 1; 1 for a literal quote.
    pub score: f32,
}

/// The least share of a claim's weight that its support must cover.
const LEAST_COVERAGE: f32 = 0.34;
/// The most adjacent sentences that one citation may span.
const MOST_SENTENCES: usize = 3;
/// What each further sentence must add to be worth its length.
const COST_OF_SENTENCE: f32 = 0.2;
/// The shortest literal quote that counts by itself.
const SHORTEST_QUOTE: usize = 12;

/// The part of `passage` that supports `claim`, or `None` when nothing in it does.
///
/// A literal quote is found as it stands. Otherwise the sentences of the passage are weighed by
/// the content words that they share with the claim: words rare in the passage and numbers
/// count more. A claim with numbers of which the passage has none is unsupported.
///
/// ```
/// let passage = "Paris lies on the Seine. The tower was finished in 1889.";
/// let support = notebook_rag::cite::align("It was completed, the tower, in 1889", passage).unwrap();
/// assert_eq!(&passage[support.range], "The tower was finished in 1889.");
/// assert_eq!(notebook_rag::cite::align("Bananas are yellow fruit", passage), None);
/// ```
#[must_use]
pub fn align(claim: &str, passage: &str) -> Option<Support> {
    literal(claim, passage).or_else(|| by_words(claim, passage))
}

fn literal(claim: &str, passage: &str) -> Option<Support> {
    let quoted = claim.trim_start_matches(['>', '-', '*', ' ', '\t']).trim();
    let bare = quoted.trim_matches(['"', '“', '”', '„', '«', '»', '\'', '*']).trim();
    let stopless = bare.trim_end_matches(['.', ',', ';', ':']);
    [quoted, bare, stopless]
        .into_iter()
        .filter(|text| text.len() >= SHORTEST_QUOTE)
        .find_map(|text| passage.find(text).map(|at| at..at + text.len()))
        .map(|range| Support { range, score: 1.0 })
}

fn by_words(claim: &str, passage: &str) -> Option<Support> {
    let claim_terms: HashSet<String> = terms(claim).into_iter().collect();
    let sentences = sentences(passage);
    let sentence_terms: Vec<HashSet<String>> = sentences
        .iter()
        .map(|range| terms(passage.get(range.clone()).unwrap_or_default()).into_iter().collect())
        .collect();
    let weights = weights(&claim_terms, &sentence_terms);
    let total: f32 = weights.values().sum();
    if total <= 0.0 || numbers_missing(&claim_terms, &sentence_terms) {
        return None;
    }

    let mut best: Option<(f32, Support)> = None;
    for start in 0..sentences.len() {
        let mut covered: HashSet<&str> = HashSet::new();
        for (length, (range, words)) in
            sentences.iter().zip(&sentence_terms).skip(start).take(MOST_SENTENCES).enumerate()
        {
            covered.extend(
                words.iter().filter(|word| claim_terms.contains(*word)).map(String::as_str),
            );
            let score = covered.iter().filter_map(|word| weights.get(*word)).sum::<f32>() / total;
            let value = COST_OF_SENTENCE.mul_add(-(length as f32), score);
            let enough = covered.len() >= 2.min(claim_terms.len());
            if score >= LEAST_COVERAGE && enough && best.as_ref().is_none_or(|(b, _)| value > *b) {
                let first = sentences.get(start).map_or(range.start, |first| first.start);
                best = Some((value, Support { range: first..range.end, score }));
            }
        }
    }
    best.map(|(_, support)| support)
}

/// Words in few sentences of the passage tell more; numbers and words with digits tell most.
fn weights(claim: &HashSet<String>, sentences: &[HashSet<String>]) -> HashMap<String, f32> {
    let count = sentences.len() as f32;
    claim
        .iter()
        .map(|term| {
            let holding = sentences.iter().filter(|words| words.contains(term)).count() as f32;
            let rarity = (1.0 + count / (1.0 + holding)).ln();
            let digits = if is_number(term) { 2.0 } else { 1.0 };
            (term.clone(), rarity * digits)
        })
        .collect()
}

fn numbers_missing(claim: &HashSet<String>, sentences: &[HashSet<String>]) -> bool {
    let mut numbers = claim.iter().filter(|term| is_number(term)).peekable();
    numbers.peek().is_some()
        && !numbers.any(|number| sentences.iter().any(|words| words.contains(number)))
}

fn is_number(term: &str) -> bool {
    term.bytes().any(|b| b.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const PASSAGE: &str = "The Amazon is a river in South America. It carries more water than any other river.\n\
        Its length is about 6,400 km. Brazil holds most of its basin.";

    fn support(claim: &str) -> Option<&'static str> {
        align(claim, PASSAGE).map(|support| PASSAGE.get(support.range).unwrap())
    }

    #[test]
    fn a_literal_quote_is_found_as_it_stands() {
        assert_eq!(
            support("> Brazil holds most of its basin."),
            Some("Brazil holds most of its basin.")
        );
        assert_eq!(support("“carries more water than any”"), Some("carries more water than any"));
    }

    #[test]
    fn a_paraphrase_finds_its_sentence() {
        assert_eq!(
            support("The river's length is 6,400 km"),
            Some("Its length is about 6,400 km.")
        );
        assert_eq!(
            support("Most of the basin lies in Brazil"),
            Some("Brazil holds most of its basin.")
        );
    }

    #[test]
    fn an_unsupported_claim_finds_nothing() {
        assert_eq!(support("Penguins live in Antarctica"), None);
        assert_eq!(support("The river is 9,999 km long in South America"), None);
        assert_eq!(support(""), None);
        assert_eq!(align("anything at all", ""), None);
    }

    proptest! {
        #[test]
        fn support_is_a_part_of_the_passage(claim in ".{0,60}", passage in "(?s).{0,200}") {
            if let Some(support) = align(&claim, &passage) {
                let quote = passage.get(support.range);
                prop_assert!(quote.is_some_and(|quote| !quote.is_empty()));
                prop_assert!((0.0..=1.001).contains(&support.score));
            }
        }
    }
}
