//! The last word on the order of passages: a model that reads question and passages together.

use std::{cmp::Ordering, fmt, sync::Arc, time::Duration};

use notebook_core::{Error, ErrorKind, Result, rerank::Reranker};

use super::{
    Passage, StageName,
    stage::{Staged, staged},
};
use crate::chunk::search_text;

/// The most passages that a reranker is given.
const MOST: usize = 100;

/// The model that has the last word on the order of passages.
#[derive(Clone)]
pub struct Reranking {
    /// The model.
    pub model: Arc<dyn Reranker>,
    /// How many of the fused passages it judges: 1 to 100. Those behind stay behind.
    pub candidates: usize,
}

impl fmt::Debug for Reranking {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reranking")
            .field("model", &self.model.model())
            .field("candidates", &self.candidates)
            .finish()
    }
}

impl Reranking {
    pub(super) fn check(&self) -> Result<()> {
        if (1..=MOST).contains(&self.candidates) {
            return Ok(());
        }
        Err(Error::invalid("configure retrieval", "candidates", "set it to 1 to 100"))
    }

    /// Puts the first passages in the order of their scores. When the model fails or is late they stay as they are.
    pub(super) async fn stage(
        &self,
        question: &str,
        passages: &mut [Passage],
        limit: Duration,
    ) -> Staged<()> {
        let (judged, _) = passages.split_at_mut(self.candidates.min(passages.len()));
        let texts: Vec<String> = judged.iter().map(|passage| search_text(&passage.chunk)).collect();
        let ask = async {
            let scores = self.model.scores(question, &texts).await?;
            checked(scores, texts.len())
        };
        let Staged { result, timing } = staged(StageName::Rerank, limit, ask).await;
        Staged { result: result.map(|scores| order(judged, &scores)), timing }
    }
}

/// An adapter that breaks its promise must not break the order.
fn checked(scores: Vec<f32>, passages: usize) -> Result<Vec<f32>> {
    if scores.len() == passages && scores.iter().all(|score| score.is_finite()) {
        return Ok(scores);
    }
    Err(Error::new(ErrorKind::Protocol, "rerank passages")
        .with("passages", passages.to_string())
        .with("scores", scores.len().to_string())
        .with("reason", "a score is missing or is not finite"))
}

/// The best first; what is judged alike stays in fused order.
fn order(passages: &mut [Passage], scores: &[f32]) {
    for (passage, score) in passages.iter_mut().zip(scores) {
        passage.rerank_score = Some(*score);
    }
    passages.sort_by(|one, other| match (one.rerank_score, other.rerank_score) {
        // Equal numbers with unlike signs are equal: zero has two.
        (Some(one), Some(other)) => other.partial_cmp(&one).unwrap_or(Ordering::Equal),
        _ => Ordering::Equal,
    });
}
