//! The reranker port: a question and passages in, how well each passage answers it out.
//!
//! Searches compare what was computed of question and passage apart from each other. A reranker reads both together,
//! which is better and some hundred times dearer: it is given the few passages that the searches found, and a time limit
//! by whoever calls it.

use async_trait::async_trait;

use crate::Result;

#[cfg(feature = "conformance")]
pub mod conformance;
pub mod layers;
mod memory;
#[cfg(feature = "openai")]
pub mod remote;

pub use memory::OverlapReranker;

/// Judges how well passages answer a question.
#[async_trait]
pub trait Reranker: Send + Sync + 'static {
    /// The model's name, for people.
    fn model(&self) -> &str;

    /// One number for each passage, in the order of the passages: more is better.
    ///
    /// - All are finite. They are compared within one call only: where they begin and end is the model's own.
    /// - No passages give no numbers; an empty passage has a number as any other.
    /// - The order of the passages does not change their numbers (beyond rounding, 1e-3), and a passage that is given
    ///   twice has the same number twice.
    /// - What of a passage is longer than the model reads is left out; of the question only what leaves the passages
    ///   no room.
    /// - There is no time limit here. Cancelled: what has not begun is not done; other calls are not concerned.
    ///
    /// # Errors
    /// `Corrupt` or `Internal` when a model in this process fails. `Protocol` when a provider returns another number of
    /// scores than of passages, an index twice or out of range, or numbers that are not finite; for remote ones as
    /// [`ChatModel::stream`](crate::chat::ChatModel::stream).
    async fn scores(&self, question: &str, passages: &[String]) -> Result<Vec<f32>>;
}
