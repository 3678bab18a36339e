//! What every [`Reranker`] must do, as scenarios that an adapter's tests run.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use super::Reranker;
use crate::conformance::Scenario;

const QUESTION: &str = "Why do bees dance?";
/// How much rounding may change a number.
const ROUNDING: f32 = 1e-3;

/// All scenarios.
#[must_use]
pub fn scenarios() -> Vec<Scenario<dyn Reranker>> {
    crate::scenarios![dyn Reranker;
        the_model_is_named,
        no_passages_have_no_numbers,
        every_passage_has_a_finite_number,
        the_order_does_not_matter,
        repeats_have_the_same_number,
        long_texts_are_read_as_far_as_possible,
        calls_at_once_do_not_mix,
        a_dropped_call_harms_no_other,
    ]
}

/// Runs all scenarios.
///
/// # Panics
/// When the reranker does not keep what the port says.
pub async fn run_all(reranker: &dyn Reranker) {
    crate::conformance::run_all(scenarios(), reranker).await;
}

/// Passages of many lengths and scripts, with what trips tokenizers.
fn passages() -> Vec<String> {
    let mut passages: Vec<String> = [
        "Bees dance to show where flowers are.",
        "",
        " ",
        "a",
        "日本語のテキスト",
        "🙂 👩\u{200d}👩\u{200d}👧",
        "\u{0}\u{fffd}\r\n\t",
        "naïve cafe\u{301}",
        "[CLS] [SEP] <|endoftext|>",
    ]
    .map(str::to_owned)
    .to_vec();
    passages.extend((1..20).map(|n| format!("Sentence number {n} {}", "and more ".repeat(n % 7))));
    passages
}

fn same(one: f32, other: f32) -> bool {
    (one - other).abs() <= ROUNDING * one.abs().max(1.0)
}

async fn scores(reranker: &dyn Reranker, question: &str, passages: &[String]) -> Vec<f32> {
    let scores = reranker.scores(question, passages).await.unwrap();
    assert_eq!(scores.len(), passages.len(), "as many numbers as passages");
    assert!(scores.iter().all(|score| score.is_finite()), "{scores:?}");
    scores
}

/// People must see which model it was.
pub async fn the_model_is_named(reranker: &dyn Reranker) {
    assert!(!reranker.model().trim().is_empty());
}

/// Nothing is asked, and nothing told.
pub async fn no_passages_have_no_numbers(reranker: &dyn Reranker) {
    assert!(scores(reranker, QUESTION, &[]).await.is_empty());
    assert!(scores(reranker, "", &[]).await.is_empty());
}

/// Whatever stands in it.
pub async fn every_passage_has_a_finite_number(reranker: &dyn Reranker) {
    scores(reranker, QUESTION, &passages()).await;
    for passage in passages() {
        scores(reranker, QUESTION, &[passage]).await;
    }
    scores(reranker, "", &passages()).await;
}

/// Numbers belong to passages, not to places.
pub async fn the_order_does_not_matter(reranker: &dyn Reranker) {
    let mut all = passages();
    let there = scores(reranker, QUESTION, &all).await;
    all.reverse();
    let back = scores(reranker, QUESTION, &all).await;
    let pairs = there.iter().zip(back.iter().rev());
    assert!(pairs.clone().all(|(a, b)| same(*a, *b)), "{:?}", pairs.collect::<Vec<_>>());
}

/// Also when many others are between them.
pub async fn repeats_have_the_same_number(reranker: &dyn Reranker) {
    let mut all = passages();
    all.extend(passages());
    let scores = scores(reranker, QUESTION, &all).await;
    let (first, second) = scores.split_at(scores.len() / 2);
    assert!(first.iter().zip(second).all(|(a, b)| same(*a, *b)), "{first:?} {second:?}");
}

/// Of passage, question, and both.
pub async fn long_texts_are_read_as_far_as_possible(reranker: &dyn Reranker) {
    let (long, one) = ("many words ".repeat(3_000), "x".repeat(5_000));
    scores(reranker, QUESTION, &[long.clone(), "short".to_owned(), one.clone()]).await;
    scores(reranker, &long, &[long.clone(), "short".to_owned()]).await;
    scores(reranker, &one, &[one.clone(), String::new()]).await;
}

/// Each call has the numbers of its own passages.
pub async fn calls_at_once_do_not_mix(reranker: &dyn Reranker) {
    let all = passages();
    let alone = scores(reranker, QUESTION, &all).await;
    let (few, many) = (all.get(..3).unwrap_or_default(), &all);
    let (a, b, c) = futures::join!(
        scores(reranker, QUESTION, many),
        scores(reranker, QUESTION, few),
        scores(reranker, QUESTION, many),
    );
    for (at, score) in alone.iter().enumerate() {
        assert!(same(a[at], *score) && same(c[at], *score));
        assert!(b.get(at).is_none_or(|other| same(*other, *score)));
    }
}

/// Whether it had begun or not.
pub async fn a_dropped_call_harms_no_other(reranker: &dyn Reranker) {
    let all = passages();
    for _ in 0..8 {
        let mut call = Box::pin(reranker.scores(QUESTION, &all));
        let polled = futures::poll!(&mut call);
        drop((call, polled));
    }
    scores(reranker, QUESTION, &all).await;
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{conformance::unlisted, rerank::OverlapReranker};

    #[tokio::test]
    async fn b3_the_reranker_in_memory_keeps_the_port() {
        run_all(&OverlapReranker).await;
    }

    #[test]
    fn every_scenario_is_listed() {
        let names: Vec<&str> = scenarios().iter().map(|scenario| scenario.name).collect();
        assert_eq!(unlisted(include_str!("conformance.rs"), &names), Vec::<&str>::new());
    }
}
