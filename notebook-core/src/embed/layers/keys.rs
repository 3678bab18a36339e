//! Several keys for one embedding model.

use std::sync::Arc;

use async_trait::async_trait;

use crate::{
    Clock, Result,
    chat::layers::{KeyPolicy, Keys, Pooled},
    embed::{EmbedKind, Embedder},
    key_usage::KeyUsage,
    vector::VectorSpace,
};

/// An embedding model with several keys, used as [`KeyPool`](crate::chat::layers::KeyPool) uses those of a model that answers.
/// A key that both have is counted once for each call of either, and rests for both.
pub struct EmbedKeyPool(Keys<dyn Embedder>);

impl EmbedKeyPool {
    /// A pool of these keys, used in this order. All adapters are of one vector space.
    ///
    /// # Errors
    /// `InvalidInput` when there is no key, or a setting is wrong.
    pub fn new(
        keys: Vec<Pooled<dyn Embedder>>,
        policy: KeyPolicy,
        usage: Arc<dyn KeyUsage>,
        clock: Arc<dyn Clock>,
    ) -> Result<Self> {
        Keys::new(keys, policy, usage, clock).map(Self)
    }
}

#[async_trait]
impl Embedder for EmbedKeyPool {
    fn space(&self) -> &VectorSpace {
        self.0.first().space()
    }

    fn max_tokens(&self) -> usize {
        self.0.first().max_tokens()
    }

    async fn embed(&self, kind: EmbedKind, texts: &[String]) -> Result<Vec<Vec<f32>>> {
        if texts.is_empty() {
            return Ok(Vec::new());
        }
        let once = |model: Arc<dyn Embedder>| async move { model.embed(kind, texts).await };
        self.0.call("embed texts", once).await
    }

    fn count_tokens(&self, text: &str) -> usize {
        self.0.first().count_tokens(text)
    }
}
