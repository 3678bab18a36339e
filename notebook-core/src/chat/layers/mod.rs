//! Layers around models: each is a [`ChatModel`] that has another one.
//!
//! # The order
//! [`Stack`] holds it. From the outside:
//!
//! | layer | one for | does |
//! |---|---|---|
//! | [`CachedChat`] | a tenant | gives whole answers of identical prompts again |
//! | [`TimeoutChat`], `whole` | a call | bounds the whole answer, and tells those within the moment |
//! | [`FallbackChat`] | a call | asks the next model when one fails before the first token |
//! | [`RetryChat`] | a provider | makes a call again that failed before the first token, within a budget |
//! | [`LimitChat`] | a provider | bounds the calls at once, fair among tenants |
//! | [`BreakerChat`] | a model | makes no calls while the provider does not work |
//! | [`TimeoutChat`], `first` and `between` | a call | ends a try whose provider is silent |
//! | [`KeyPool`] | a provider | uses the next key when one has met its limit |
//!
//! A wrong order looks right and is not. With the breaker *around* the retries, three failed tries count as one failure,
//! so that a provider that is down gets three times the calls until it opens, and the tries go on against one that has
//! opened meanwhile. With the limit around the retries, calls that only wait for their next try hold places that others need. With the
//! timeout of a try outside the breaker, a provider that is silent never fails: the breaker sees a caller who went away.
//! With the cache within the fallback, another model's answer is kept as this one's.
//!
//! A try that fails after the first token is not made again by anybody: the reader has seen its text.
//!
//! Calls whose answer comes whole, as vectors do, have the same states around them: [`CallLayers`] holds their order.
//!
//! ```
//! use std::{sync::Arc, time::Duration};
//! use futures::StreamExt;
//! use notebook_core::{ErrorKind, Retry, clock::SystemClock};
//! use notebook_core::chat::{ChatEvent, ChatMessage, ChatModel, ChatRequest, ChatRole};
//! use notebook_core::chat::layers::{Breaker, BreakerPolicy, Layered, Stack};
//! use notebook_core::chat::scripted::{Script, ScriptedChat};
//!
//! # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
//! let broken = ScriptedChat::new(Script::refusal(ErrorKind::Unavailable, Retry::Never));
//! let breaker = Arc::new(Breaker::new("scripted/test", BreakerPolicy::by_count(), Arc::new(SystemClock))?);
//! let mut first = Layered::new(Arc::new(broken));
//! first.breaker = Some(Arc::clone(&breaker));
//! let mut stack = Stack::new(first);
//! stack.others.push(Layered::new(Arc::new(ScriptedChat::new(Script::answer("Good day")))));
//! stack.whole = Some(Duration::from_secs(60));
//! let model = stack.for_scope(None);
//!
//! let question = ChatMessage::new(ChatRole::User, "Hello");
//! let request = ChatRequest { messages: vec![question], ..ChatRequest::default() };
//! let mut answer = model.stream(request).await?;
//! assert!(matches!(answer.next().await, Some(Ok(ChatEvent::Replaced(_)))));
//! assert_eq!(breaker.snapshot().in_a_row, 1);
//! # Ok::<(), notebook_core::Error>(()) }).unwrap();
//! ```

mod breaker;
mod cache;
mod call;
mod dice;
mod elapsed;
mod fallback;
mod guarded;
mod hedge;
mod keys;
mod limit;
mod retry;
#[cfg(test)]
mod tests;
mod timeout;

use std::{sync::Arc, time::Duration};

pub use breaker::{
    Breaker, BreakerChat, BreakerPolicy, BreakerSnapshot, Circuit, Event, Forced, Outcome, Passing,
    Permit, Phase, Reply, Slow, is_fault,
};
pub use cache::{CachedChat, ResponseCache, ResponseCachePolicy};
pub use call::{Asked, CallLayers};
pub use fallback::FallbackChat;
pub use hedge::{Hedge, HedgeEvent, HedgePolicy, HedgeReply, HedgeSnapshot, Hedging};
pub(crate) use keys::Keys;
pub use keys::{KeyPolicy, KeyPool, Pooled, PooledKey};
pub use limit::{
    AdaptPolicy, Adaptive, Entry, Limit, LimitChat, LimitPolicy, LimitSnapshot, Line, Sample, Turn,
    Whose,
};
pub use retry::{Budget, BudgetPolicy, Failed, Retries, RetryChat, RetryPolicy, decide};
pub use timeout::{TimeoutChat, Timeouts};

use super::ChatModel;
use crate::TenantScope;

/// A model and the layers that are its own or its provider's.
#[derive(Clone)]
pub struct Layered {
    /// The adapter, or a [`KeyPool`] of them.
    pub model: Arc<dyn ChatModel>,
    /// How long a try may be silent. What is said of the whole answer is for [`Stack::whole`] to say.
    pub timeouts: Timeouts,
    /// The breaker of this model.
    pub breaker: Option<Arc<Breaker>>,
    /// The limit of its provider.
    pub limit: Option<Arc<Limit>>,
    /// The retries of its provider.
    pub retries: Option<Arc<Retries>>,
}

impl Layered {
    /// A model without layers.
    #[must_use]
    pub fn new(model: Arc<dyn ChatModel>) -> Self {
        Self { model, timeouts: Timeouts::default(), breaker: None, limit: None, retries: None }
    }

    fn build(&self, scope: Option<&TenantScope>) -> Arc<dyn ChatModel> {
        let mut model = Arc::clone(&self.model);
        if self.timeouts.first.is_some() || self.timeouts.between.is_some() {
            let timeouts = Timeouts { whole: None, ..self.timeouts };
            model = Arc::new(TimeoutChat::new(model, timeouts));
        }
        if let Some(breaker) = &self.breaker {
            model = Arc::new(BreakerChat::new(model, Arc::clone(breaker)));
        }
        if let Some(limit) = &self.limit {
            model = Arc::new(LimitChat::new(model, Arc::clone(limit), scope.cloned()));
        }
        if let Some(retries) = &self.retries {
            model = Arc::new(RetryChat::new(model, Arc::clone(retries)));
        }
        model
    }
}

/// All layers in their [order](self), for a model and those that stand in for it.
#[derive(Clone)]
pub struct Stack {
    /// The model that is asked.
    pub first: Layered,
    /// Those that are asked when it fails, in this order.
    pub others: Vec<Layered>,
    /// How long the whole answer may take, all models together.
    pub whole: Option<Duration>,
    /// Answers that are kept, for tenants.
    pub cache: Option<Arc<ResponseCache>>,
}

impl Stack {
    /// A model alone.
    #[must_use]
    pub const fn new(first: Layered) -> Self {
        Self { first, others: Vec::new(), whole: None, cache: None }
    }

    /// The model with all its layers as a tenant has it. For nobody's calls (`None`) no answers are kept.
    #[must_use]
    pub fn for_scope(&self, scope: Option<&TenantScope>) -> Arc<dyn ChatModel> {
        let mut model = self.first.build(scope);
        if !self.others.is_empty() {
            let others = self.others.iter().map(|other| other.build(scope)).collect();
            model = Arc::new(FallbackChat::new(model, others));
        }
        let whole = Timeouts { whole: self.whole, ..Timeouts::default() };
        model = Arc::new(TimeoutChat::new(model, whole));
        match (&self.cache, scope) {
            (Some(cache), Some(scope)) => Arc::new(cache.for_scope(scope, model)),
            _ => model,
        }
    }
}
