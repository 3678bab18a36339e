//! A reranker without a model.

use std::collections::BTreeSet;

use async_trait::async_trait;

use super::Reranker;
use crate::Result;

/// Counts which share of the question's words a passage has: for tests of what is around a model.
///
/// ```
/// use notebook_core::rerank::{OverlapReranker, Reranker};
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// let passages = ["Ants follow trails.", "Bees dance."].map(str::to_owned);
/// let scores = OverlapReranker.scores("Why do bees dance?", &passages).await?;
/// assert_eq!(scores, [0.0, 0.5]);
/// # Ok::<(), notebook_core::Error>(()) }).unwrap();
/// ```
#[derive(Debug, Clone, Copy, Default)]
pub struct OverlapReranker;

fn words(text: &str) -> BTreeSet<String> {
    let parts = text.split(|c: char| !c.is_alphanumeric());
    parts.filter(|word| !word.is_empty()).map(str::to_lowercase).collect()
}

#[async_trait]
impl Reranker for OverlapReranker {
    fn model(&self) -> &str {
        "overlap"
    }

    async fn scores(&self, question: &str, passages: &[String]) -> Result<Vec<f32>> {
        let asked = words(question);
        let share = |passage: &String| {
            let shared = words(passage).intersection(&asked).count();
            shared as f32 / asked.len().max(1) as f32
        };
        Ok(passages.iter().map(share).collect())
    }
}
