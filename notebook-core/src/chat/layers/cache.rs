//! Answers identical prompts from memory.

use std::{
    collections::{HashSet, VecDeque},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use async_trait::async_trait;
use futures::{FutureExt, Stream, future::BoxFuture, stream};
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use tracing::warn;

use crate::{
    Clock, Result, TenantScope, Timestamp,
    cache::{Cache, CacheKey},
    chat::{
        ChatEvent, ChatModel, ChatModelInfo, ChatRequest, ChatStream, FinishReason, TokenCount,
        ToolCall, check_request,
    },
    model::Usage,
};

/// What is kept, and for how long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ResponseCachePolicy {
    /// For how long an answer is given again.
    pub keep: Duration,
    /// Whether answers are kept of which the model would say another one each time. Without this, only those at temperature 0
    /// or with a seed.
    pub sampled: bool,
    /// The most bytes of an answer that is kept.
    pub answer_bytes: usize,
}

impl Default for ResponseCachePolicy {
    fn default() -> Self {
        Self { keep: Duration::from_secs(600), sampled: false, answer_bytes: 256 << 10 }
    }
}

/// Whole answers by their prompts, each tenant's for itself: a model gets its answers from here through
/// [`for_scope`](Self::for_scope), and there is no other way in.
pub struct ResponseCache {
    cache: Arc<dyn Cache>,
    clock: Arc<dyn Clock>,
    policy: ResponseCachePolicy,
    /// In the order in which they end.
    kept: Mutex<VecDeque<(Timestamp, TenantScope, CacheKey)>>,
}

/// The most answers whose end is remembered; what is over is forgotten early.
const MOST: usize = 100_000;

impl ResponseCache {
    /// Answers kept in this cache, whose bound is theirs.
    #[must_use]
    pub fn new(cache: Arc<dyn Cache>, policy: ResponseCachePolicy, clock: Arc<dyn Clock>) -> Self {
        Self { cache, clock, policy, kept: Mutex::default() }
    }

    /// The model, with this tenant's answers.
    #[must_use]
    pub fn for_scope(
        self: &Arc<Self>,
        scope: &TenantScope,
        inner: Arc<dyn ChatModel>,
    ) -> CachedChat {
        CachedChat { inner, cache: Arc::clone(self), scope: scope.clone() }
    }

    /// Forgets all answers of a tenant.
    ///
    /// # Errors
    /// Those of the cache.
    pub async fn clear(&self, scope: &TenantScope) -> Result<()> {
        self.kept.lock().retain(|(_, other, _)| other != scope);
        self.cache.clear(scope).await
    }

    /// The tenants of which something is kept.
    #[must_use]
    pub fn tenants(&self) -> HashSet<TenantScope> {
        self.kept.lock().iter().map(|(_, scope, _)| scope.clone()).collect()
    }

    /// Forgets what is over. It is not given out any more anyhow, but it takes room, and somebody may have deleted
    /// what it was made from.
    ///
    /// # Errors
    /// Those of the cache.
    pub async fn sweep(&self) -> Result<()> {
        let now = self.clock.now();
        loop {
            let next = {
                let mut kept = self.kept.lock();
                let over = kept.len() > MOST || kept.front().is_some_and(|(end, ..)| *end <= now);
                if over { kept.pop_front() } else { None }
            };
            let Some((_, scope, key)) = next else { return Ok(()) };
            self.cache.remove(&scope, &[key]).await?;
        }
    }

    async fn find(&self, scope: &TenantScope, key: CacheKey) -> Option<Kept> {
        if let Err(error) = self.sweep().await {
            warn!(%error, "old answers cannot be forgotten");
        }
        let found = match self.cache.get(scope, &[key]).await {
            Ok(found) => found.into_iter().next().flatten()?,
            Err(error) => {
                warn!(%error, "kept answers cannot be read; asking the model");
                return None;
            }
        };
        let kept: Kept = serde_json::from_slice(&found).ok()?;
        // Also where the clock was set back: nothing is kept for longer than it was meant to.
        let now = self.clock.now();
        (kept.ends > now && kept.ends.since(now) <= self.policy.keep).then_some(kept)
    }

    async fn keep(
        self: Arc<Self>,
        scope: TenantScope,
        key: CacheKey,
        parts: Vec<Part>,
        finish: FinishReason,
    ) {
        let ends = self.clock.now().after(self.policy.keep);
        let Ok(bytes) = serde_json::to_vec(&Kept { ends, parts, finish }) else { return };
        self.kept.lock().push_back((ends, scope.clone(), key));
        if let Err(error) = self.cache.put(&scope, vec![(key, bytes)]).await {
            warn!(%error, "an answer cannot be kept");
        }
    }

    fn keeps(&self, request: &ChatRequest) -> bool {
        self.policy.sampled || request.seed.is_some() || request.temperature == Some(0.0)
    }
}

#[derive(Serialize, Deserialize)]
struct Kept {
    ends: Timestamp,
    parts: Vec<Part>,
    finish: FinishReason,
}

#[derive(Serialize, Deserialize)]
enum Part {
    Text(String),
    Tool(ToolCall),
}

impl Part {
    fn bytes(&self) -> usize {
        match self {
            Self::Text(text) => text.len() + 16,
            Self::Tool(call) => call.id.len() + call.name.len() + call.arguments.len() + 64,
        }
    }
}

impl Kept {
    fn answer(self) -> ChatStream {
        let free =
            Usage { prompt_tokens: 0, completion_tokens: 0, exact: true, cost_micros: Some(0) };
        let parts = self.parts.into_iter().map(|part| match part {
            Part::Text(text) => ChatEvent::Delta(text),
            Part::Tool(call) => ChatEvent::ToolCall(call),
        });
        let end = [ChatEvent::Usage(free), ChatEvent::Finish(self.finish)];
        let events: Vec<_> = parts.chain(end).map(Ok).collect();
        Box::pin(stream::iter(events))
    }
}

/// A model with a tenant's kept answers. A repeated one says in its usage that it cost nothing.
///
/// Only whole answers of the model itself are kept: none that met a limit or was withheld, and none by another model
/// in its place.
pub struct CachedChat {
    inner: Arc<dyn ChatModel>,
    cache: Arc<ResponseCache>,
    scope: TenantScope,
}

impl CachedChat {
    /// Of all that the answer depends on.
    fn key(&self, request: &ChatRequest) -> Option<CacheKey> {
        let mut messages = serde_json::to_string(&request.messages).ok()?;
        let mut grounding = request.grounding.as_ref().map(|grounding| {
            serde_json::to_string(&(&grounding.question, &grounding.passages)).unwrap_or_default()
        });
        // The marker is random, so no text of a person has it.
        if let Some(marker) = request.call.marker.as_deref().filter(|marker| marker.len() >= 8) {
            messages = messages.replace(marker, "\n");
            grounding = grounding.map(|text| text.replace(marker, "\n"));
        }
        let rest = serde_json::to_vec(&(
            request.temperature,
            request.top_p,
            request.max_tokens,
            &request.stop,
            request.seed,
            &request.tools,
            &request.tool_choice,
            &grounding,
        ));
        let label = self.info().label();
        Some(CacheKey::of(&[b"answer 1", label.as_bytes(), messages.as_bytes(), &rest.ok()?]))
    }
}

#[async_trait]
impl ChatModel for CachedChat {
    fn info(&self) -> &ChatModelInfo {
        self.inner.info()
    }

    async fn stream(&self, request: ChatRequest) -> Result<ChatStream> {
        check_request(self.info(), &request)?;
        let key = self.key(&request).filter(|_| self.cache.keeps(&request));
        let Some(key) = key else { return self.inner.stream(request).await };
        if let Some(kept) = self.cache.find(&self.scope, key).await {
            return Ok(kept.answer());
        }
        Ok(Box::pin(Recording {
            inner: self.inner.stream(request).await?,
            cache: Arc::clone(&self.cache),
            scope: self.scope.clone(),
            key,
            parts: Some(Vec::new()),
            bytes: 0,
            keeping: None,
        }))
    }

    fn count_tokens(&self, text: &str) -> TokenCount {
        self.inner.count_tokens(text)
    }

    async fn check(&self) -> Result<()> {
        self.inner.check().await
    }
}

/// An answer that is kept when it is whole.
struct Recording {
    inner: ChatStream,
    cache: Arc<ResponseCache>,
    scope: TenantScope,
    key: CacheKey,
    /// None: not to be kept.
    parts: Option<Vec<Part>>,
    bytes: usize,
    /// The answer is being kept, and then ends.
    keeping: Option<(BoxFuture<'static, ()>, FinishReason)>,
}

impl Recording {
    fn note(&mut self, part: Part) {
        self.bytes += part.bytes();
        if self.bytes > self.cache.policy.answer_bytes {
            self.parts = None;
        } else if let Some(parts) = &mut self.parts {
            parts.push(part);
        }
    }
}

impl Stream for Recording {
    type Item = Result<ChatEvent>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = &mut *self;
        if this.keeping.is_none() {
            let item = ready!(this.inner.as_mut().poll_next(cx));
            match &item {
                Some(Ok(ChatEvent::Delta(text))) => this.note(Part::Text(text.clone())),
                Some(Ok(ChatEvent::ToolCall(call))) => this.note(Part::Tool(call.clone())),
                Some(Ok(ChatEvent::Replaced(_)) | Err(_)) => this.parts = None,
                Some(Ok(ChatEvent::Finish(
                    reason @ (FinishReason::Stop | FinishReason::ToolCalls),
                ))) => {
                    if let Some(parts) = this.parts.take() {
                        let cache = Arc::clone(&this.cache);
                        let keeping = cache.keep(this.scope.clone(), this.key, parts, *reason);
                        this.keeping = Some((keeping.boxed(), *reason));
                    }
                }
                _ => {}
            }
            if this.keeping.is_none() {
                return Poll::Ready(item);
            }
        }
        if let Some((keeping, reason)) = &mut this.keeping {
            ready!(keeping.as_mut().poll(cx));
            let reason = *reason;
            this.keeping = None;
            return Poll::Ready(Some(Ok(ChatEvent::Finish(reason))));
        }
        Poll::Ready(None)
    }
}
