//! What stands around an embedding model: [`EmbedStack`] is the model as tenants have it.

mod keys;
#[cfg(test)]
mod tests;

use std::{fmt, sync::Arc, time::Instant};

use async_trait::async_trait;

pub use keys::EmbedKeyPool;

use super::{
    EmbedKind, Embedder,
    batch::{BatchSize, batches},
};
use crate::{
    Result, TenantScope,
    chat::layers::{Asked, CallLayers},
    vector::VectorSpace,
};

/// What vectors are made for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// Somebody waits for them.
    Waiting,
    /// A source becomes searchable, which may take its time.
    Source,
}

/// An embedding model and what stands around it. From the outside:
///
/// 1. where tenants have a cache, [`CachingEmbedder`](super::CachingEmbedder), which whoever embeds sources puts around this;
/// 2. texts are cut into calls of [`batch`](Self::batch), so that what follows is about one call of the provider, and of
///    a thousand texts those are embedded again that failed;
/// 3. [`CallLayers`], in their order: those of questions or those of sources;
/// 4. [`EmbedKeyPool`], where there are several keys;
/// 5. the adapter.
///
/// Both [`waiting`](Self::waiting) and [`sources`](Self::sources) have the breaker of the model and the retries of its provider,
/// but each a limit of its own: a question does not wait behind the sources of a book. Only `waiting` has a
/// [hedge](CallLayers::hedge), which knows calls of one text.
#[derive(Clone)]
pub struct EmbedStack {
    /// The adapter, or an [`EmbedKeyPool`] of them.
    pub model: Arc<dyn Embedder>,
    /// What stands around calls that somebody waits for.
    pub waiting: CallLayers,
    /// What stands around calls for sources.
    pub sources: CallLayers,
    /// How much one call takes. `None` hands all texts on at once, as fits a model in this process.
    pub batch: Option<BatchSize>,
}

impl EmbedStack {
    /// A model alone.
    #[must_use]
    pub fn new(model: Arc<dyn Embedder>) -> Self {
        let (waiting, sources) = (CallLayers::default(), CallLayers::default());
        Self { model, waiting, sources, batch: None }
    }

    /// Model and dimensions.
    #[must_use]
    pub fn space(&self) -> &VectorSpace {
        self.model.space()
    }

    /// The most tokens that are read of one text.
    #[must_use]
    pub fn max_tokens(&self) -> usize {
        self.model.max_tokens()
    }

    /// As [`Embedder::count_tokens`].
    #[must_use]
    pub fn count_tokens(&self, text: &str) -> usize {
        self.model.count_tokens(text)
    }

    /// The model with all its layers as a tenant has it for this purpose.
    #[must_use]
    pub fn for_scope(&self, scope: Option<&TenantScope>, purpose: Purpose) -> LayeredEmbedder {
        let stack = self.clone();
        LayeredEmbedder { stack, scope: scope.cloned(), purpose, deadline: None }
    }
}

impl From<Arc<dyn Embedder>> for EmbedStack {
    fn from(model: Arc<dyn Embedder>) -> Self {
        Self::new(model)
    }
}

impl fmt::Debug for EmbedStack {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EmbedStack").field("space", self.space()).finish_non_exhaustive()
    }
}

/// An [`EmbedStack`] for one tenant and purpose.
pub struct LayeredEmbedder {
    stack: EmbedStack,
    scope: Option<TenantScope>,
    purpose: Purpose,
    deadline: Option<Instant>,
}

impl LayeredEmbedder {
    /// Ends every call at this moment, and begins no try that cannot end before.
    #[must_use]
    pub const fn until(mut self, deadline: Option<Instant>) -> Self {
        self.deadline = deadline;
        self
    }
}

#[async_trait]
impl Embedder for LayeredEmbedder {
    fn space(&self) -> &VectorSpace {
        self.stack.space()
    }

    fn max_tokens(&self) -> usize {
        self.stack.max_tokens()
    }

    async fn embed(&self, kind: EmbedKind, texts: &[String]) -> Result<Vec<Vec<f32>>> {
        let layers = match self.purpose {
            Purpose::Waiting => &self.stack.waiting,
            Purpose::Source => &self.stack.sources,
        };
        let one = BatchSize { texts: texts.len(), bytes: usize::MAX };
        let mut all = Vec::with_capacity(texts.len());
        for range in batches(texts, self.stack.batch.unwrap_or(one)) {
            let batch = texts.get(range).unwrap_or_default();
            let asked = Asked {
                scope: self.scope.as_ref(),
                deadline: self.deadline,
                hedged: texts.len() == 1,
            };
            all.extend(layers.call(asked, || self.stack.model.embed(kind, batch)).await?);
        }
        Ok(all)
    }

    fn count_tokens(&self, text: &str) -> usize {
        self.stack.count_tokens(text)
    }
}
