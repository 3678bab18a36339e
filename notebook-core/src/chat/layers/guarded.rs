//! What the layers share: streams that somebody watches, and the beginning of an answer.

use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll},
};

use futures::{Stream, StreamExt, stream};

use crate::{
    Error, ErrorKind, Result, Retry,
    chat::{ChatEvent, ChatStream},
};

/// Who watches an answer. It is dropped with the answer's last item, or with the stream.
pub(super) trait Watch: Send + Unpin + 'static {
    /// An item came.
    fn saw(&mut self, item: &Result<ChatEvent>);
}

/// An answer with somebody who watches it: no task, no channel, one more call for each item.
pub(super) struct Guarded<W> {
    inner: ChatStream,
    watch: Option<W>,
}

/// The answer, watched.
pub(super) fn guarded<W: Watch>(inner: ChatStream, watch: W) -> ChatStream {
    Box::pin(Guarded { inner, watch: Some(watch) })
}

impl<W: Watch> Stream for Guarded<W> {
    type Item = Result<ChatEvent>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let polled = self.inner.as_mut().poll_next(cx);
        match &polled {
            Poll::Ready(Some(item)) => {
                let last = matches!(item, Err(_) | Ok(ChatEvent::Finish(_)));
                if let Some(watch) = &mut self.watch {
                    watch.saw(item);
                }
                if last {
                    self.watch = None;
                }
            }
            Poll::Ready(None) => self.watch = None,
            Poll::Pending => {}
        }
        polled
    }
}

/// Whether it is of the answer itself: from here on nothing may be said anew.
pub(super) const fn is_answer(event: &ChatEvent) -> bool {
    matches!(event, ChatEvent::Delta(_) | ChatEvent::ToolCall(_) | ChatEvent::Finish(_))
}

/// Waits for the beginning of an answer, so that what fails before it can be made again.
pub(super) async fn begun(start: impl Future<Output = Result<ChatStream>>) -> Result<ChatStream> {
    let mut answer = start.await?;
    let mut head = Vec::with_capacity(1);
    loop {
        match answer.next().await {
            Some(Ok(event)) => {
                let begins = is_answer(&event);
                head.push(Ok(event));
                if begins {
                    return Ok(Box::pin(stream::iter(head).chain(answer)));
                }
            }
            Some(Err(error)) => return Err(error),
            None => {
                return Err(Error::new(ErrorKind::Unavailable, "read answer")
                    .with("problem", "the answer ended before it began")
                    .retry(Retry::Backoff));
            }
        }
    }
}

/// The context by which an error says that a layer refused the call, and no provider.
pub(super) const LAYER: &str = "refused_by";

/// Whether no provider was asked.
pub(super) fn is_ours(error: &Error) -> bool {
    error.context(LAYER).is_some()
}
