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

/// What a reranker did when it was asked last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum LastAsked {
    /// It was not asked yet.
    #[default]
    Never,
    /// It gave the passages their order.
    Well,
    /// It failed; [`ErrorKind::Timeout`] when it was too slow.
    Failed(ErrorKind),
}

impl LastAsked {
    pub(super) fn of(result: &Result<()>) -> Self {
        result.as_ref().map_or_else(|error| Self::Failed(error.kind()), |()| Self::Well)
    }
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
        let ask = self.scores(question, &texts);
        let Staged { result, timing } = staged(StageName::Rerank, limit, ask).await;
        Staged { result: result.map(|scores| put_in_order(judged, &scores)), timing }
    }

    /// What the model says of passages, one number each, as it has promised.
    ///
    /// # Errors
    /// Those of the model; `Protocol` when a number is missing or is none.
    pub(crate) async fn scores(&self, question: &str, passages: &[String]) -> Result<Vec<f32>> {
        checked(self.model.scores(question, passages).await?, passages.len())
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

fn put_in_order(passages: &mut [Passage], scores: &[f32]) {
    for (passage, score) in passages.iter_mut().zip(scores) {
        passage.rerank_score = Some(*score);
    }
    passages.sort_by(|one, other| match (one.rerank_score, other.rerank_score) {
        (Some(one), Some(other)) => best_first(one, other),
        _ => Ordering::Equal,
    });
}

/// The best first; a stable sort leaves what is judged alike in fused order.
pub(crate) fn best_first(one: f32, other: f32) -> Ordering {
    // Equal numbers with unlike signs are equal: zero has two.
    other.partial_cmp(&one).unwrap_or(Ordering::Equal)
}
