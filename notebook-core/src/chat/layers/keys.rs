//! Several keys for one provider: the next one when the one before has done its part.

use std::{future::Future, sync::Arc, time::Duration};

use async_trait::async_trait;
use tracing::warn;

use super::guarded::{LAYER, begun};
use crate::{
    Clock, Error, ErrorKind, Result, Retry, Secret, Timestamp,
    chat::{ChatModel, ChatModelInfo, ChatRequest, ChatStream, TokenCount},
    key_usage::{Day, KeyHash, KeyUsage, Use, Zone},
};

/// How keys are used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyPolicy {
    /// The most calls of a key in a day.
    pub daily: Option<u64>,
    /// Where the provider's days begin.
    pub zone: Zone,
    /// For how long a key is left alone that met a limit without being told for how long, or was refused.
    pub rest: Duration,
}

impl Default for KeyPolicy {
    fn default() -> Self {
        Self { daily: None, zone: Zone::default(), rest: Duration::from_secs(60) }
    }
}

/// One key of several, and the model as it is called with it.
pub struct Pooled<M: ?Sized> {
    /// Under which its uses are counted.
    pub key: KeyHash,
    /// The adapter that has the key.
    pub model: Arc<M>,
}

/// One of several keys of a model that answers.
pub type PooledKey = Pooled<dyn ChatModel>;

impl<M: ?Sized> Pooled<M> {
    /// An adapter that has this key. The key itself is not kept here.
    #[must_use]
    pub fn new(key: &Secret, model: Arc<M>) -> Self {
        Self { key: KeyHash::of(key), model }
    }
}

/// Several keys, and which of them is used: what all pools have in common.
pub(crate) struct Keys<M: ?Sized> {
    first: Pooled<M>,
    others: Vec<Pooled<M>>,
    policy: KeyPolicy,
    usage: Arc<dyn KeyUsage>,
    clock: Arc<dyn Clock>,
}

/// A model with several keys, used one after the other: the first that has met no limit. A call that a key is refused for
/// (429, 401) before anything was said is made with the next one, and the key rests: as long as the provider says; to the
/// end of its day where there is no credit left; else for [`KeyPolicy::rest`].
///
/// Uses are counted in a [`KeyUsage`], so that processes share them and a restart forgets none. While that is away the keys are
/// used uncounted, with a warning in the log.
pub struct KeyPool(Keys<dyn ChatModel>);

impl KeyPool {
    /// A pool of these keys, used in this order.
    ///
    /// # Errors
    /// `InvalidInput` when there is no key, or a setting is wrong.
    pub fn new(
        keys: Vec<PooledKey>,
        policy: KeyPolicy,
        usage: Arc<dyn KeyUsage>,
        clock: Arc<dyn Clock>,
    ) -> Result<Self> {
        Keys::new(keys, policy, usage, clock).map(Self)
    }
}

impl<M: ?Sized> Keys<M> {
    pub(crate) fn new(
        keys: Vec<Pooled<M>>,
        policy: KeyPolicy,
        usage: Arc<dyn KeyUsage>,
        clock: Arc<dyn Clock>,
    ) -> Result<Self> {
        let mut others = keys.into_iter();
        let first = others
            .next()
            .ok_or_else(|| Error::invalid("configure keys", "api_keys", "give at least one"))?;
        if policy.daily == Some(0) {
            return Err(Error::invalid("configure keys", "daily", "give at least 1"));
        }
        Ok(Self { first, others: others.collect(), policy, usage, clock })
    }

    /// The model as it is called with the first key.
    pub(crate) fn first(&self) -> &M {
        &self.first.model
    }

    fn keys(&self) -> impl Iterator<Item = &Pooled<M>> {
        std::iter::once(&self.first).chain(&self.others)
    }

    /// Counts a call of a key. How long there is none, where it may not be called.
    async fn take(&self, key: KeyHash, day: Day, now: Timestamp) -> Option<Duration> {
        match self.usage.take(key, day, self.policy.daily, now).await {
            Ok(Use::Counted { .. }) => None,
            Ok(Use::Spent) => Some(day.end(&self.policy.zone).since(now)),
            Ok(Use::Resting { until }) => Some(until.since(now)),
            Err(error) => {
                warn!(%error, "uses of keys cannot be counted; going on without");
                None
            }
        }
    }

    /// Leaves a key alone that was refused.
    async fn rest(&self, key: KeyHash, error: &Error, day: Day, now: Timestamp) -> Duration {
        let until = match (error.kind(), error.retry_status()) {
            (_, Retry::After(wait)) => now.after(wait),
            // No credit: nothing changes before the day does.
            (ErrorKind::RateLimited, Retry::Never) => day.end(&self.policy.zone),
            _ => now.after(self.policy.rest),
        };
        warn!(?key, kind = error.kind().code(), "a key was refused and rests");
        if let Err(error) = self.usage.rest(key, until).await {
            warn!(%error, "that a key rests cannot be noted");
        }
        until.since(now)
    }

    /// Calls with the first key that may be used, and with the next one where it is refused.
    pub(crate) async fn call<T, F: Future<Output = Result<T>>>(
        &self,
        operation: &'static str,
        once: impl Fn(Arc<M>) -> F,
    ) -> Result<T> {
        let mut soonest: Option<Duration> = None;
        let mut refused = None;
        for pooled in self.keys() {
            let now = self.clock.now();
            let day = Day::of(now, &self.policy.zone);
            let wait = match self.take(pooled.key, day, now).await {
                Some(wait) => wait,
                None => match once(Arc::clone(&pooled.model)).await {
                    Err(error) if is_of_the_key(&error) => {
                        let wait = self.rest(pooled.key, &error, day, now).await;
                        refused = Some(error);
                        wait
                    }
                    answered => return answered,
                },
            };
            soonest = Some(soonest.map_or(wait, |soonest| soonest.min(wait)));
        }
        let wait = Retry::After(soonest.unwrap_or(self.policy.rest));
        // A key that is wrong is told as such: waiting would not help.
        Err(match refused.filter(|error| error.kind() == ErrorKind::Unauthorized) {
            Some(error) => error.with(LAYER, "keys"),
            None => Error::new(ErrorKind::RateLimited, operation)
                .with(LAYER, "keys")
                .with("problem", "every key has met its limit")
                .retry(wait),
        })
    }
}

#[async_trait]
impl ChatModel for KeyPool {
    fn info(&self) -> &ChatModelInfo {
        self.0.first().info()
    }

    async fn stream(&self, request: ChatRequest) -> Result<ChatStream> {
        let once = |model: Arc<dyn ChatModel>| {
            let request = request.clone();
            async move { begun(model.stream(request)).await }
        };
        self.0.call("start answer", once).await
    }

    fn count_tokens(&self, text: &str) -> TokenCount {
        self.0.first().count_tokens(text)
    }

    /// Whether any key is accepted. Counts no use.
    async fn check(&self) -> Result<()> {
        let mut first = None;
        for pooled in self.0.keys() {
            match pooled.model.check().await {
                Ok(()) => return Ok(()),
                Err(error) => first = first.or(Some(error)),
            }
        }
        first.map_or(Ok(()), Err)
    }
}

/// Whether another key may be let through.
fn is_of_the_key(error: &Error) -> bool {
    matches!(error.kind(), ErrorKind::RateLimited | ErrorKind::Unauthorized)
}
