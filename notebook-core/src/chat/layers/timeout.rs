//! Ends calls that take too long.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use async_trait::async_trait;
use futures::Stream;
use tokio::time::{Instant, Sleep, sleep_until, timeout_at};

use super::guarded::is_answer;
use crate::{
    Error, ErrorKind, Result, Retry,
    chat::{ChatEvent, ChatModel, ChatModelInfo, ChatRequest, ChatStream, TokenCount},
};

/// How long what may take. What is absent has no limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Timeouts {
    /// From the call to the first token.
    pub first: Option<Duration>,
    /// Between two tokens.
    pub between: Option<Duration>,
    /// The whole answer. The layers within know the moment.
    pub whole: Option<Duration>,
}

/// A model with [`Timeouts`], which also keeps the request's [deadline](crate::chat::CallOptions::deadline).
pub struct TimeoutChat {
    inner: Arc<dyn ChatModel>,
    timeouts: Timeouts,
}

impl TimeoutChat {
    /// The model with these timeouts.
    #[must_use]
    pub const fn new(inner: Arc<dyn ChatModel>, timeouts: Timeouts) -> Self {
        Self { inner, timeouts }
    }
}

fn too_long(what: &'static str) -> Error {
    // Where nobody waits any more, trying again is of no use; else it may be quicker next time.
    let retry = if what == WHOLE { Retry::Never } else { Retry::Backoff };
    Error::new(ErrorKind::Timeout, "answer").with("limit", what).retry(retry)
}

const FIRST: &str = "time to the first token";
const BETWEEN: &str = "time between tokens";
const WHOLE: &str = "time of the whole answer";

/// What happens first of what may happen.
fn sooner(one: Option<Instant>, other: Option<Instant>) -> Option<Instant> {
    one.into_iter().chain(other).min()
}

#[async_trait]
impl ChatModel for TimeoutChat {
    fn info(&self) -> &ChatModelInfo {
        self.inner.info()
    }

    async fn stream(&self, mut request: ChatRequest) -> Result<ChatStream> {
        let now = Instant::now();
        let after = |limit: Option<Duration>| limit.and_then(|limit| now.checked_add(limit));
        let whole =
            sooner(after(self.timeouts.whole), request.call.deadline.map(Instant::from_std));
        request.call.deadline = whole.map(Instant::into_std);
        let first = after(self.timeouts.first);
        let start = self.inner.stream(request);
        let inner = match sooner(first, whole) {
            None => start.await?,
            Some(due) => match timeout_at(due, start).await {
                Ok(started) => started?,
                Err(_) => return Err(too_long(if whole == Some(due) { WHOLE } else { FIRST })),
            },
        };
        let timed = Timed {
            inner: Some(inner),
            between: self.timeouts.between,
            step: first.map(|due| (due, FIRST)),
            whole,
            sleep: None,
        };
        Ok(Box::pin(timed))
    }

    fn count_tokens(&self, text: &str) -> TokenCount {
        self.inner.count_tokens(text)
    }

    async fn check(&self) -> Result<()> {
        self.inner.check().await
    }
}

/// An answer with limits. The timer is set when it fires, not with each token: a token costs a look at the clock.
struct Timed {
    inner: Option<ChatStream>,
    between: Option<Duration>,
    /// By when something has to come, and what the limit is called.
    step: Option<(Instant, &'static str)>,
    whole: Option<Instant>,
    sleep: Option<Pin<Box<Sleep>>>,
}

impl Timed {
    fn due(&self) -> Option<(Instant, &'static str)> {
        let whole = self.whole.map(|due| (due, WHOLE));
        self.step.into_iter().chain(whole).min_by_key(|(due, _)| *due)
    }

    /// What is said when a limit is over.
    fn poll_late(&mut self, cx: &mut Context<'_>) -> Poll<Error> {
        loop {
            let Some((due, what)) = self.due() else { return Poll::Pending };
            let sleep = self.sleep.get_or_insert_with(|| Box::pin(sleep_until(due)));
            // It may stand for a moment that is no limit any more; one that is later than the limit would not do.
            if sleep.deadline() > due {
                sleep.as_mut().reset(due);
            }
            ready!(sleep.as_mut().poll(cx));
            if sleep.deadline() >= due {
                return Poll::Ready(too_long(what));
            }
            sleep.as_mut().reset(due);
        }
    }
}

impl Stream for Timed {
    type Item = Result<ChatEvent>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = &mut *self;
        let Some(inner) = &mut this.inner else { return Poll::Ready(None) };
        let Poll::Ready(item) = inner.as_mut().poll_next(cx) else {
            let error = ready!(this.poll_late(cx));
            // Dropped at once: the connection is closed, the generation ends.
            this.inner = None;
            return Poll::Ready(Some(Err(error)));
        };
        if let Some(Ok(event)) = &item
            && is_answer(event)
        {
            let next = this.between.and_then(|limit| Instant::now().checked_add(limit));
            this.step = next.map(|due| (due, BETWEEN));
            // One that never waits would never see that the whole time is over.
            if !matches!(event, ChatEvent::Finish(_))
                && this.whole.is_some_and(|whole| whole <= Instant::now())
            {
                this.inner = None;
                return Poll::Ready(Some(Err(too_long(WHOLE))));
            }
        }
        Poll::Ready(item)
    }
}
