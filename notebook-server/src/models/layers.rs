//! What stands around the models, composed once: the order is [`Stack`]'s. What is of embedding models alone is in
//! `embedding_layers`.
//!
//! Breakers are of a model, retries and limits of a provider, kept answers of a tenant. Models in this process have none but
//! the timeout of the whole answer: nothing between us and them can break.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    sync::Arc,
};

use notebook_core::{
    Clock, Error, ErrorKind, Result, Secret, TenantScope, Timestamp,
    cache::memory::MemoryCache,
    chat::{
        ChatModel,
        layers::{
            Breaker, BreakerSnapshot, KeyPool, Layered, Limit, LimitSnapshot, Phase, PooledKey,
            ResponseCache, Retries, Stack, Timeouts,
        },
    },
    key_usage::{Day, KeyHash, KeyUsage, Zone},
};
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::embedding_layers::EmbeddingLoad;
use crate::config::{BreakerSettings, Chat, Config, KeySettings, Resilience};

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
    providers: Mutex<HashMap<String, Provider>>,
    breakers: Mutex<BTreeMap<(Route, String), Arc<Breaker>>>,
    pools: Vec<Pool>,
}

#[derive(Clone)]
pub(super) struct Provider {
    limit: Option<Arc<Limit>>,
    pub(super) retries: Option<Arc<Retries>>,
}

/// What a model is called for. A model that does several has a breaker for each.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Route {
    /// Answers.
    Answers,
    /// Vectors.
    Embeddings,
    /// The order of passages.
    Rerank,
}

/// The keys of a provider, as they are counted.
struct Pool {
    provider: &'static str,
    daily_calls: Option<u64>,
    zone: Zone,
    keys: Vec<(String, KeyHash)>,
}

impl Route {
    /// Its name on the wire.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Answers => "answers",
            Self::Embeddings => "embeddings",
            Self::Rerank => "rerank",
        }
    }

    /// The one of a name.
    pub(super) fn named(name: &str) -> Option<Self> {
        [Self::Answers, Self::Embeddings, Self::Rerank]
            .into_iter()
            .find(|route| route.name() == name)
    }
}

/// How a model stands.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(crate) struct ModelState {
    /// `provider/model`.
    pub(crate) model: String,
    /// What it is called for.
    pub(crate) route: Route,
    /// Whether somebody has decided by hand how it stands.
    pub(crate) forced: bool,
    /// `closed`: calls are made; `open`: none are; `half_open`: some are, to try.
    #[schema(value_type = String)]
    state: Phase,
    /// Calls in the window that is looked at.
    calls: u32,
    /// Those of them that failed.
    failed: u32,
    /// Failures one after the other.
    in_a_row: u32,
    /// For how many milliseconds no calls are made.
    open_millis: u64,
}

/// How many calls of a provider there are.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(crate) struct ProviderState {
    /// The provider.
    pub(super) provider: String,
    /// What is called: `answers`, or vectors for `questions` or for `sources`.
    pub(super) purpose: &'static str,
    /// Calls under way.
    pub(super) calling: usize,
    /// Those that wait.
    pub(super) waiting: usize,
    /// The most at once.
    pub(super) at_once: usize,
}

/// How a key is used.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(crate) struct KeyState {
    /// The provider.
    pub(crate) provider: String,
    /// The key's name in the configuration.
    pub(crate) name: String,
    /// Calls on the provider's day.
    pub(crate) used: u64,
    /// The most in a day.
    pub(crate) daily_calls: Option<u64>,
    /// For how many milliseconds it rests.
    pub(crate) resting_millis: u64,
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

    /// A provider's model: with one key, or with each of several.
    ///
    /// # Errors
    /// Those of `make`.
    pub(super) fn keyed(
        &self,
        chat: &Chat,
        provider: &str,
        make: impl Fn(&Chat) -> Result<Arc<dyn ChatModel>>,
    ) -> Result<Arc<dyn ChatModel>> {
        let Some((keys, settings)) = keys_of(chat, provider) else { return make(chat) };
        let keys = keys.values().map(|key| {
            let mut with_key = chat.clone();
            with_key.openai.api_key = Some(key.clone());
            with_key.google.api_key = Some(key.clone());
            Ok(PooledKey::new(key, make(&with_key)?))
        });
        let (usage, clock) = (Arc::clone(&self.usage), Arc::clone(&self.clock));
        let pool = KeyPool::new(keys.collect::<Result<_>>()?, settings.policy()?, usage, clock)?;
        Ok(Arc::new(pool))
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

    /// Whether any model is left alone now.
    pub(crate) fn is_degraded(&self) -> bool {
        let breakers = self.breakers.lock();
        breakers.values().any(|breaker| breaker.snapshot().phase != Phase::Closed)
    }

    /// Whether the model that makes vectors is.
    pub(crate) fn embeds(&self) -> bool {
        let breakers = self.breakers.lock();
        let mut of_it = breakers.iter().filter(|((route, _), _)| *route == Route::Embeddings);
        of_it.all(|(_, breaker)| breaker.snapshot().phase == Phase::Closed)
    }

    /// How many models stand how: numbers that say nothing of a tenant.
    pub(crate) fn phases(&self) -> BTreeMap<&'static str, usize> {
        let mut phases = BTreeMap::from([("closed", 0), ("open", 0), ("half_open", 0)]);
        for breaker in self.breakers.lock().values() {
            let name = match breaker.snapshot().phase {
                Phase::Closed => "closed",
                Phase::Open => "open",
                Phase::HalfOpen => "half_open",
            };
            *phases.entry(name).or_default() += 1;
        }
        phases
    }

    /// How the models of which something was heard stand.
    pub(crate) fn models(&self) -> Vec<ModelState> {
        let breakers = self.breakers.lock();
        breakers.iter().map(|((route, model), breaker)| state(*route, model, breaker)).collect()
    }

    /// How busy the providers are.
    pub(crate) fn limits(&self) -> Vec<ProviderState> {
        let providers = self.providers.lock();
        let limits = providers.iter().filter_map(|(name, provider)| {
            let LimitSnapshot { calling, at_once, waiting } = provider.limit.as_ref()?.snapshot();
            let (provider, purpose) = (name.clone(), "answers");
            Some(ProviderState { provider, purpose, calling, waiting, at_once })
        });
        let mut limits: Vec<_> = limits.chain(self.embedding.limits()).collect();
        limits.sort_by(|a, b| (&a.provider, a.purpose).cmp(&(&b.provider, b.purpose)));
        limits
    }

    /// How the keys are used.
    ///
    /// # Errors
    /// Those of the store of keys' uses.
    pub(crate) async fn keys(&self) -> Result<Vec<KeyState>> {
        states(&self.pools, &*self.usage, self.clock.now()).await
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

/// How the keys of the configuration are used, for somebody who has no models.
///
/// # Errors
/// Those of the store of keys' uses.
pub(crate) async fn key_states(
    chat: &Chat,
    usage: &dyn KeyUsage,
    now: Timestamp,
) -> Result<Vec<KeyState>> {
    states(&pools(chat)?, usage, now).await
}

async fn states(pools: &[Pool], usage: &dyn KeyUsage, now: Timestamp) -> Result<Vec<KeyState>> {
    let mut states = Vec::new();
    for Pool { provider, daily_calls, zone, keys } in pools {
        let hashes: Vec<_> = keys.iter().map(|(_, key)| *key).collect();
        let today = Day::of(now, zone);
        for ((name, _), count) in keys.iter().zip(usage.counts(&hashes).await?) {
            states.push(KeyState {
                provider: (*provider).to_owned(),
                name: name.clone(),
                used: if count.day >= today { count.used } else { 0 },
                daily_calls: *daily_calls,
                resting_millis: count.resting_until.since(now).as_millis() as u64,
            });
        }
    }
    Ok(states)
}

fn pools(chat: &Chat) -> Result<Vec<Pool>> {
    let pools = ["openai", "google"].into_iter().filter_map(|provider| {
        let (keys, settings) = keys_of(chat, provider)?;
        let keys = keys.iter().map(|(name, key)| (name.clone(), KeyHash::of(key))).collect();
        let daily_calls = settings.daily_calls;
        Some(settings.zone().map(|zone| Pool { provider, daily_calls, zone, keys }))
    });
    pools.collect()
}

pub(super) fn state(route: Route, model: &str, breaker: &Breaker) -> ModelState {
    let BreakerSnapshot { phase, forced, calls, failed, in_a_row, open_millis, .. } =
        breaker.snapshot();
    let model = model.to_owned();
    ModelState { model, route, forced, state: phase, calls, failed, in_a_row, open_millis }
}

fn is_quiet(breaker: &Breaker) -> bool {
    let seen = breaker.snapshot();
    seen.phase == Phase::Closed && seen.in_a_row == 0 && !seen.forced
}

/// A provider's keys by their names, where it has several.
pub(super) fn keys_of<'c>(
    chat: &'c Chat,
    provider: &str,
) -> Option<(&'c BTreeMap<String, Secret>, &'c KeySettings)> {
    let (keys, settings) = match provider {
        "openai" => (&chat.openai.api_keys, &chat.openai.keys),
        "google" => (&chat.google.api_keys, &chat.google.keys),
        _ => return None,
    };
    (!keys.is_empty()).then_some((keys, settings))
}
