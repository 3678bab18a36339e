//! The embedder port: texts in, unit vectors out.

use async_trait::async_trait;

use crate::{Result, vector::VectorSpace};

mod batch;
mod caching;
#[cfg(feature = "conformance")]
pub mod conformance;
#[cfg(feature = "google")]
pub mod google;
pub mod layers;
mod memory;
#[cfg(feature = "ollama")]
pub mod ollama;
#[cfg(feature = "openai")]
pub mod openai;
#[cfg(any(feature = "google", feature = "ollama", feature = "openai"))]
mod remote;

pub use batch::BatchSize;
pub use caching::{CachingEmbedder, ScopedEmbedder};
pub use memory::HashingEmbedder;
#[cfg(any(feature = "google", feature = "ollama", feature = "openai"))]
pub use remote::RemoteEmbedOptions;
#[cfg(feature = "openai")]
pub(crate) use remote::cut;

/// What a text is embedded for. Some models put another prefix before each.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum EmbedKind {
    /// A question.
    Query,
    /// A chunk of a source.
    Passage,
}

/// Turns texts into unit vectors.
#[async_trait]
pub trait Embedder: Send + Sync + 'static {
    /// Model and dimensions; the model's name changes whenever its output would.
    fn space(&self) -> &VectorSpace;

    /// The most tokens that are read of one text; what follows is ignored by the model.
    fn max_tokens(&self) -> usize;

    /// Vectors of unit length, one for each text, in the order of the texts. No text gives no vector.
    ///
    /// - Order and batching do not change a vector (beyond rounding, 1e-4).
    /// - Cancelled: queued work is dropped.
    ///
    /// # Errors
    /// `Protocol` when a provider returns another number or length of vectors, or numbers that are
    /// not finite; for remote ones as [`ChatModel::stream`](crate::chat::ChatModel::stream).
    async fn embed(&self, kind: EmbedKind, texts: &[String]) -> Result<Vec<Vec<f32>>>;

    /// The length of `text` in this model's tokens, without special tokens; an estimate on the high
    /// side where the tokenizer is not public.
    fn count_tokens(&self, text: &str) -> usize;
}
