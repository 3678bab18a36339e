//! Passages in the order of how well they answer a question, as a model judges that reads both together.
//!
//! Searches compare what was computed of question and passage apart; a cross-encoder reads them as one text, which is
//! better and some hundred times dearer: it is given what the searches found, and has a time limit
//! ([`StageLimits`](crate::retrieve::StageLimits)).

#[cfg(feature = "candle")]
pub use crate::embed::candle::cross::{CrossEncoder, MODEL_FILES};

use async_trait::async_trait;
use notebook_core::Result;

/// Judges passages.
#[async_trait]
pub trait Reranker: Send + Sync + 'static {
    /// The model's name, for people.
    fn model(&self) -> &str;

    /// How well each passage answers the question: more is better, and numbers of different questions are not compared.
    ///
    /// - As many numbers as passages, in their order, all finite.
    /// - No passages: no numbers.
    /// - Longer texts than the model reads are cut at their ends.
    /// - Cancelled: what has not begun is not done.
    ///
    /// # Errors
    /// `Internal` or `Corrupt` when the model fails; for remote ones as
    /// [`ChatModel::stream`](notebook_core::chat::ChatModel::stream).
    async fn scores(&self, question: &str, passages: &[String]) -> Result<Vec<f32>>;
}
