//! What stands around models that make vectors or judge passages.

use std::{sync::Arc, time::Duration};

use notebook_core::{
    Result,
    chat::layers::{CallLayers, Hedge, HedgeSnapshot, Limit, LimitSnapshot},
    embed::{BatchSize, Embedder, layers::EmbedStack},
    rerank::{Reranker, layers::LayeredReranker},
};
use parking_lot::Mutex;

use super::{
    layers::Layers,
    state::{ProviderState, Route},
};
use crate::config::{EmbeddingResilience, Rerank};

/// How busy the embedding model is.
#[derive(Default)]
pub(super) struct EmbeddingLoad(Mutex<Option<Known>>);

struct Known {
    provider: String,
    limits: [Option<Arc<Limit>>; 2],
    hedge: Option<Arc<Hedge>>,
}

impl EmbeddingLoad {
    pub(super) fn limits(&self) -> Vec<ProviderState> {
        let known = self.0.lock();
        let Some(Known { provider, limits, .. }) = &*known else { return Vec::new() };
        let named = ["questions", "sources"].into_iter().zip(limits);
        let states = named.filter_map(|(purpose, limit)| {
            let LimitSnapshot { calling, at_once, waiting } = limit.as_ref()?.snapshot();
            Some(ProviderState { provider: provider.clone(), purpose, calling, waiting, at_once })
        });
        states.collect()
    }
}

impl Layers {
    /// An embedding model of another process. The retries are those of its provider, so that answers and vectors have one budget.
    ///
    /// # Errors
    /// `InvalidInput` for settings that the check of the configuration refuses too.
    pub(super) fn around_embedder(
        &self,
        settings: &EmbeddingResilience,
        (provider, is_local): (&str, bool),
        model: Arc<dyn Embedder>,
        batch: BatchSize,
    ) -> Result<EmbedStack> {
        let label = model.space().model.clone();
        let breaker = self.breaker(Route::Embeddings, label, &settings.breaker)?;
        let retries = self.provider(provider.to_owned())?.retries;
        let limits = settings.limits()?;
        // A model on this machine may take minutes for a batch; and a second call would make the first one slower.
        let [question, source] = if is_local { [None, None] } else { settings.timeouts() };
        let hedge = settings.hedge().filter(|_| !is_local);
        let hedge = hedge.map(Hedge::new).transpose()?.map(Arc::new);
        let shared = CallLayers { breaker, retries, ..CallLayers::default() };
        let [of_questions, of_sources] = limits.clone();
        let mut stack = EmbedStack::new(model);
        stack.batch = Some(batch);
        stack.waiting = CallLayers {
            timeout: question,
            hedge: hedge.clone(),
            limit: of_questions,
            ..shared.clone()
        };
        stack.sources = CallLayers { timeout: source, limit: of_sources, ..shared };
        *self.embedding.0.lock() = Some(Known { provider: provider.to_owned(), limits, hedge });
        Ok(stack)
    }

    /// A reranker of another process. It is not asked again: the question goes on without it.
    ///
    /// # Errors
    /// `InvalidInput` for settings that the check of the configuration refuses too.
    pub(super) fn around_reranker(
        &self,
        settings: &Rerank,
        model: Arc<dyn Reranker>,
    ) -> Result<Arc<dyn Reranker>> {
        let label = format!("{}/{}", settings.provider, model.model());
        let breaker = self.breaker(Route::Rerank, label, &settings.breaker)?;
        // Over before whoever asks gives up, so that a server that says nothing is one that fails.
        let timeout = Some(settings.limit() * 9 / 10).filter(|limit| *limit > Duration::ZERO);
        let layers = CallLayers { timeout, breaker, ..CallLayers::default() };
        Ok(Arc::new(LayeredReranker::new(model, layers)))
    }

    /// How often questions were embedded, and calls for them made twice, where that is done.
    pub(crate) fn hedging(&self) -> Option<HedgeSnapshot> {
        self.embedding.0.lock().as_ref()?.hedge.as_ref().map(|hedge| hedge.snapshot())
    }
}
