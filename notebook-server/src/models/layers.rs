//! What stands around the models, composed once: the order is [`Stack`]'s. What is of embedding models alone is in
//! `embedding_layers`, several keys of a provider in `keys`, how all of it stands in `state`.
//!
//! Breakers are of a model, retries and limits of a provider, kept answers of a tenant. Models in this process have none but
//! the timeout of the whole answer: nothing between us and them can break.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    sync::Arc,
};

use notebook_core::{
    Clock, Error, ErrorKind, Result, TenantScope,
    cache::memory::MemoryCache,
    chat::{
        ChatModel,
        layers::{Breaker, Layered, Limit, Phase, ResponseCache, Retries, Stack, Timeouts},
    },
    key_usage::{Day, KeyUsage, Zone},
};
use parking_lot::Mutex;

use super::{
    embedding_layers::EmbeddingLoad,
    keys::{Pool, pools},
    state::Route,
};
use crate::config::{BreakerSettings, Chat, Config, Resilience};

/// Providers whose models are in this process.
const HERE: [&str; 2] = ["gguf", "extractive"];
/// The most breakers: people may name any model.
const MOST: usize = 256;

/// What the layers share.
pub(crate) struct Layers {
    settings: Resilience,
    pub(super) embedding: EmbeddingLoad,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) usage: Arc<dyn KeyUsage>,
    cache: Option<Arc<ResponseCache>>,
    pub(super) providers: Mutex<HashMap<String, Provider>>,
    pub(super) breakers: Mutex<BTreeMap<(Route, String), Arc<Breaker>>>,
    pub(super) pools: Vec<Pool>,
}

#[derive(Clone)]
pub(super) struct Provider {
    pub(super) limit: Option<Arc<Limit>>,
    pub(super) retries: Option<Arc<Retries>>,
}

impl Layers {
    /// # Errors
    /// Those of the store of keys' uses, which forgets what is over.
    pub(crate) async fn new(
        chat: &Chat,
        usage: Arc<dyn KeyUsage>,
        clock: Arc<dyn Clock>,
    ) -> Result<Self> {
        let cache = chat.resilience.cache().map(|(bytes, policy)| {
            Arc::new(ResponseCache::new(
                Arc::new(MemoryCache::new(bytes)),
                policy,
                Arc::clone(&clock),
            ))
        });
        let now = clock.now();
        // Wherever their days begin, they were over two days ago.
        usage.prune(Day(Day::of(now, &Zone::default()).0 - 2), now).await?;
        Ok(Self {
            settings: chat.resilience,
            embedding: EmbeddingLoad::default(),
            pools: pools(chat)?,
            clock,
            usage,
            cache,
            providers: Mutex::default(),
            breakers: Mutex::default(),
        })
    }

    /// A model with those that stand in for it, and all that stands around them, as a tenant has it.
    ///
    /// # Errors
    /// `InvalidInput` for settings that the check of the configuration refuses too.
    pub(super) fn around(
        &self,
        scope: &TenantScope,
        model: Arc<dyn ChatModel>,
        fallback: &[Arc<dyn ChatModel>],
    ) -> Result<Arc<dyn ChatModel>> {
        let (asked, local) = (model.info().label(), model.info().local);
        let mut stack = Stack::new(self.layered(model)?);
        // Who asks a model on this machine has not agreed that the text leaves it.
        let fits = |other: &&Arc<dyn ChatModel>| {
            other.info().label() != asked && (other.info().local || !local)
        };
        for other in fallback.iter().filter(fits) {
            stack.others.push(self.layered(Arc::clone(other))?);
        }
        stack.cache.clone_from(&self.cache);
        Ok(stack.for_scope(Some(scope)))
    }

    fn layered(&self, model: Arc<dyn ChatModel>) -> Result<Layered> {
        let info = model.info();
        let (provider, label, local) = (info.provider.clone(), info.label(), info.local);
        let mut layered = Layered::new(model);
        if HERE.contains(&provider.as_str()) {
            return Ok(layered);
        }
        // A model on this machine may read a long prompt for minutes.
        let timeouts = self.settings.timeouts();
        layered.timeouts = if local { Timeouts::default() } else { timeouts };
        let Provider { limit, retries } = self.provider(provider)?;
        (layered.limit, layered.retries) = (limit, retries);
        layered.breaker = self.breaker(Route::Answers, label, &self.settings.breaker)?;
        Ok(layered)
    }

    pub(super) fn provider(&self, name: String) -> Result<Provider> {
        let mut providers = self.providers.lock();
        if let Some(provider) = providers.get(&name) {
            return Ok(provider.clone());
        }
        let limit = self.settings.limit()?;
        let retries = self.settings.retry();
        let retries = retries
            .map(|(policy, budget)| Retries::new(policy, budget, Arc::clone(&self.clock)))
            .transpose()?;
        let provider = Provider { limit, retries: retries.map(Arc::new) };
        providers.insert(name, provider.clone());
        Ok(provider)
    }

    pub(super) fn breaker(
        &self,
        route: Route,
        label: String,
        settings: &BreakerSettings,
    ) -> Result<Option<Arc<Breaker>>> {
        let Some(policy) = settings.policy() else { return Ok(None) };
        let mut breakers = self.breakers.lock();
        let key = (route, label);
        if let Some(breaker) = breakers.get(&key) {
            return Ok(Some(Arc::clone(breaker)));
        }
        if breakers.len() >= MOST {
            // One that is closed and new says the same as one that is forgotten.
            breakers.retain(|_, breaker| Arc::strong_count(breaker) > 1 || !is_quiet(breaker));
        }
        let breaker = Arc::new(Breaker::new(key.1.clone(), policy, Arc::clone(&self.clock))?);
        if breakers.len() < MOST {
            breakers.insert(key, Arc::clone(&breaker));
        }
        Ok(Some(breaker))
    }

    /// The breaker of a model, for somebody who decides by hand. Nothing is known about a model of answers before it is
    /// asked for the first time, so that those of the configuration are named in `configured`.
    ///
    /// # Errors
    /// `NotFound` where there is no such model; `Unsupported` where models of this kind have no breakers.
    pub(super) fn named(
        &self,
        (route, model): (Route, &str),
        configured: &[String],
    ) -> Result<Arc<Breaker>> {
        let known = self.breakers.lock().get(&(route, model.to_owned())).cloned();
        match known {
            Some(breaker) => Ok(breaker),
            None if route == Route::Answers && configured.iter().any(|known| known == model) => {
                self.breaker(route, model.to_owned(), &self.settings.breaker)?.ok_or_else(|| {
                    Error::new(ErrorKind::Unsupported, "set breaker")
                        .with("reason", "chat.resilience.breaker.enabled is false")
                })
            }
            None => Err(Error::not_found("set breaker", "model").with("field", "model")),
        }
    }

    /// The breaker of a model for which somebody has decided before this process began. One of a model of answers is made, for it
    /// may be asked for at any time; none where this process has no such model.
    ///
    /// # Errors
    /// Those of the settings.
    pub(super) fn decided(&self, route: Route, model: &str) -> Result<Option<Arc<Breaker>>> {
        match route {
            Route::Answers => self.breaker(route, model.to_owned(), &self.settings.breaker),
            _ => Ok(self.breakers.lock().get(&(route, model.to_owned())).cloned()),
        }
    }

    /// The tenants of which answers are kept in this process.
    pub(crate) fn tenants(&self) -> HashSet<TenantScope> {
        self.cache.as_ref().map(|cache| cache.tenants()).unwrap_or_default()
    }

    /// Forgets what is kept of a tenant.
    ///
    /// # Errors
    /// Those of the cache.
    pub(crate) async fn forget(&self, scope: &TenantScope) -> Result<()> {
        match &self.cache {
            Some(cache) => cache.clear(scope).await,
            None => Ok(()),
        }
    }

    /// Forgets what is kept for too long.
    ///
    /// # Errors
    /// Those of the cache.
    pub(crate) async fn sweep(&self) -> Result<()> {
        match &self.cache {
            Some(cache) => cache.sweep().await,
            None => Ok(()),
        }
    }
}

/// What stands around all models of this process.
///
/// # Errors
/// Those of the store of keys' uses, which forgets what is over.
pub(crate) async fn layers(
    config: &Config,
    usage: Arc<dyn KeyUsage>,
    clock: Arc<dyn Clock>,
) -> Result<Arc<Layers>> {
    Layers::new(&config.chat, usage, clock).await.map(Arc::new)
}

fn is_quiet(breaker: &Breaker) -> bool {
    let seen = breaker.snapshot();
    seen.phase == Phase::Closed && seen.in_a_row == 0 && !seen.forced
}
