//! How models and providers stand, as operators and clients are told.

use std::collections::BTreeMap;

use notebook_core::chat::layers::{Breaker, BreakerSnapshot, LimitSnapshot, Phase};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::layers::Layers;

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

impl Layers {
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
}

pub(super) fn state(route: Route, model: &str, breaker: &Breaker) -> ModelState {
    let BreakerSnapshot { phase, forced, calls, failed, in_a_row, open_millis, .. } =
        breaker.snapshot();
    let model = model.to_owned();
    ModelState { model, route, forced, state: phase, calls, failed, in_a_row, open_millis }
}
