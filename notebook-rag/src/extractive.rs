//! Answers without a model: the sentences of the passages that fit the question best, quoted word
//! for word.
//!
//! A fresh machine without a network still answers, and what it says cannot be invented.

use std::collections::{HashMap, HashSet};

use async_trait::async_trait;
use futures::stream;
use notebook_core::{
    Error, ErrorKind, Result,
    chat::{
        ChatEvent, ChatModel, ChatModelInfo, ChatRequest, ChatStream, FinishReason, Grounding,
        TokenCount, check_tools,
    },
};

use crate::{
    cite::{sentences, terms},
    words,
};

/// What a model says, alone, when the passages hold no answer.
pub const NOT_IN_SOURCES: &str = "NOT_IN_SOURCES";

/// The most quotes in one answer.
const MOST_QUOTES: usize = 4;
/// A quote must score at least this share of the best one.
const NEXT_TO_BEST: f32 = 0.55;
/// The least share of the question's weight that the best quote must cover.
const LEAST_COVERAGE: f32 = 0.2;
/// Longer sentences (a page without full stops) are quoted up to a word near this many bytes.
const LONGEST_QUOTE: usize = 600;

/// A [`ChatModel`] that quotes. It needs [`ChatRequest::grounding`].
///
/// Each quote is a line `> words [n]`, so the usual citation path verifies it like any other.
#[derive(Debug)]
pub struct ExtractiveModel {
    info: ChatModelInfo,
}

impl Default for ExtractiveModel {
    fn default() -> Self {
        Self {
            info: ChatModelInfo {
                provider: "extractive".to_owned(),
                model: "quotes".to_owned(),
                context_tokens: None,
                local: true,
                tools: false,
            },
        }
    }
}

#[async_trait]
impl ChatModel for ExtractiveModel {
    fn info(&self) -> &ChatModelInfo {
        &self.info
    }

    async fn stream(&self, request: ChatRequest) -> Result<ChatStream> {
        check_tools(&self.info, &request)?;
        let grounding = request.grounding.ok_or_else(|| {
            Error::new(ErrorKind::Unsupported, "answer by quotes").with(
                "reason",
                "without a language model only questions about sources can be answered",
            )
        })?;
        let mut events: Vec<Result<ChatEvent>> =
            answer(&grounding).into_iter().map(|text| Ok(ChatEvent::Delta(text))).collect();
        events.push(Ok(ChatEvent::Finish(FinishReason::Stop)));
        Ok(Box::pin(stream::iter(events)))
    }

    fn count_tokens(&self, text: &str) -> TokenCount {
        TokenCount::estimate(text)
    }

    async fn check(&self) -> Result<()> {
        Ok(())
    }
}

struct Candidate<'a> {
    passage: usize,
    text: &'a str,
    terms: HashSet<String>,
}

/// The lines of the answer: quotes, best first, or [`NOT_IN_SOURCES`] alone.
fn answer(grounding: &Grounding) -> Vec<String> {
    let asked = words::without_stray(&grounding.question);
    let question: HashSet<String> = terms(&asked).into_iter().collect();
    let candidates = candidates(&grounding.passages);
    let weights = weights(&question, &candidates);
    let total: f32 = weights.values().sum();
    let mut scored: Vec<(f32, &Candidate<'_>)> = candidates
        .iter()
        .map(|candidate| (score(candidate, &weights), candidate))
        .filter(|(score, _)| *score > 0.0)
        .collect();
    scored.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.passage.cmp(&b.1.passage)));
    let Some((best, _)) =
        scored.first().filter(|(_, best)| coverage(best, &weights) >= LEAST_COVERAGE * total)
    else {
        return vec![NOT_IN_SOURCES.to_owned()];
    };
    let bar = best * NEXT_TO_BEST;
    let mut seen = HashSet::new();
    scored
        .iter()
        .filter(|(score, candidate)| *score >= bar && seen.insert(candidate.text))
        .take(MOST_QUOTES)
        .enumerate()
        .map(|(i, (_, candidate))| {
            let gap = if i == 0 { "" } else { "\n\n" };
            format!("{gap}> {} [{}]", candidate.text, candidate.passage + 1)
        })
        .collect()
}

fn candidates(passages: &[String]) -> Vec<Candidate<'_>> {
    passages
        .iter()
        .enumerate()
        .flat_map(|(passage, text)| {
            sentences(text).into_iter().filter_map(move |range| {
                let text = shortened(text.get(range)?);
                let terms: HashSet<String> = terms(text).into_iter().collect();
                // A heading or a page number is no answer.
                (terms.len() >= 3).then_some(Candidate { passage, text, terms })
            })
        })
        .collect()
}

fn shortened(sentence: &str) -> &str {
    if sentence.len() <= LONGEST_QUOTE {
        return sentence;
    }
    let end = sentence.floor_char_boundary(LONGEST_QUOTE);
    let cut = sentence.get(..end).unwrap_or(sentence);
    cut.rfind(char::is_whitespace).and_then(|space| cut.get(..space)).unwrap_or(cut)
}

/// Weight of each word of the question: rarer among the sentences is heavier, and a short number light.
fn weights(question: &HashSet<String>, candidates: &[Candidate<'_>]) -> HashMap<String, f32> {
    let count = candidates.len() as f32;
    question
        .iter()
        .map(|term| {
            let holding = candidates.iter().filter(|c| c.terms.contains(term)).count() as f32;
            let rarity = (1.0 + count / (1.0 + holding)).ln();
            (term.clone(), rarity * words::weight(term))
        })
        .collect()
}

fn coverage(candidate: &Candidate<'_>, weights: &HashMap<String, f32>) -> f32 {
    candidate.terms.iter().filter_map(|term| weights.get(term)).sum()
}

/// Coverage, with a mild preference for passages ranked higher and against long lists of words.
fn score(candidate: &Candidate<'_>, weights: &HashMap<String, f32>) -> f32 {
    let rank = 1.0 / (1.0 + 0.08 * candidate.passage as f32);
    let length = 1.0 / (1.0 + 0.01 * candidate.terms.len() as f32);
    coverage(candidate, weights) * rank * length
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ask(question: &str, passages: &[&str]) -> String {
        answer(&Grounding {
            question: question.to_owned(),
            passages: passages.iter().map(|&text| text.to_owned()).collect(),
        })
        .concat()
    }

    #[test]
    fn quotes_the_sentence_that_answers() {
        let passages = [
            "Norwich is a city in Norfolk. It lies on the River Wensum and has a cathedral.",
            "The football club was founded in 1902. Its colours are yellow and green.",
        ];
        let answer = ask("When was the football club founded?", &passages);
        assert_eq!(answer, "> The football club was founded in 1902. [2]");
    }

    #[test]
    fn b5_says_so_when_the_passages_do_not_answer() {
        let passages = ["Norwich is a city in Norfolk, on the River Wensum."];
        assert_eq!(ask("How do quasars emit radiation?", &passages), NOT_IN_SOURCES);
        assert_eq!(ask("anything", &[]), NOT_IN_SOURCES);
        assert_eq!(ask("?!", &passages), NOT_IN_SOURCES);
    }

    /// B5: a number that slipped in does not outweigh the words, and is no answer either.
    #[test]
    fn b5_a_stray_number_does_not_decide() {
        // The oven is in so many sentences that it weighs little, and nothing says "heated".
        let oven = (0..20).map(|i| format!("The oven burns beech wood in month {}.", 100 + i));
        let loaves = (0..60).map(|i| format!("Loaf number {} rests beside many others.", 200 + i));
        let passages: Vec<String> = oven.chain(loaves).collect();
        let passages: Vec<&str> = passages.iter().map(String::as_str).collect();
        let told = ask("How is the oven heated?", &passages);
        assert!(told.contains("beech wood"), "{told}");
        for stray in ["? 0", " 0", "? 99999", "?? -- x"] {
            assert_eq!(ask(&format!("How is the oven heated{stray}"), &passages), told, "{stray}");
            assert_eq!(
                ask(&format!("How do quasars emit radiation{stray}"), &passages),
                NOT_IN_SOURCES
            );
        }
    }

    #[test]
    fn every_quote_is_a_part_of_its_passage() {
        let long = "word salad about towers ".repeat(100);
        let passages = ["Towers are tall buildings, often of stone.", long.as_str()];
        let text = ask("Are towers tall?", &passages);
        for line in text.lines().filter(|line| !line.is_empty()) {
            let (quote, number) = line.trim_start_matches("> ").rsplit_once(" [").unwrap();
            let number: usize = number.trim_end_matches(']').parse().unwrap();
            assert!(passages[number - 1].contains(quote), "{line}");
        }
    }
}
