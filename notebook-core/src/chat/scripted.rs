//! A model that plays a script: for tests, and for showing recorded answers again.
//!
//! ```
//! use futures::TryStreamExt;
//! use notebook_core::chat::{ChatMessage, ChatModel, ChatRequest, ChatRole};
//! use notebook_core::chat::scripted::{Ended, Gate, Script, ScriptedChat, Step};
//!
//! # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
//! let gate = Gate::closed();
//! let script = Script::new([Step::text("Good "), Step::Gate(gate.clone()), Step::text("day"), Step::STOP]);
//! let model = ScriptedChat::new(script);
//! let question = ChatMessage::new(ChatRole::User, "Hello");
//! let request = ChatRequest { messages: vec![question], ..ChatRequest::default() };
//!
//! let mut answer = model.stream(request).await?;
//! answer.try_next().await?; // "Good "; the rest waits for the gate
//! drop(answer);
//! assert_eq!(model.ended(0).await, Ended::Dropped);
//! assert_eq!(model.requests()[0].messages[0].content, "Hello");
//! # Ok::<(), notebook_core::Error>(()) }).unwrap();
//! ```

use std::{collections::VecDeque, sync::Arc, time::Duration};

use async_trait::async_trait;
use futures::stream;
use parking_lot::Mutex;
use tokio::sync::{Semaphore, watch};

use super::{
    ChatEvent, ChatModel, ChatModelInfo, ChatRequest, ChatStream, FinishReason, TokenCount,
    check_request,
};
use crate::{Error, ErrorKind, Result, Retry, model::Usage};

/// Holds an answer until a test lets it go on. Clones are the same gate.
#[derive(Debug, Clone)]
pub struct Gate(Arc<Semaphore>);

impl Gate {
    /// A gate that nothing passes yet.
    #[must_use]
    pub fn closed() -> Self {
        Self(Arc::new(Semaphore::new(0)))
    }

    /// Lets this many pass.
    pub fn pass(&self, count: usize) {
        self.0.add_permits(count);
    }

    /// Lets everything pass, for ever.
    pub fn open(&self) {
        self.0.close();
    }

    async fn wait(&self) {
        if let Ok(permit) = self.0.acquire().await {
            permit.forget();
        }
    }
}

/// One step of a script.
#[derive(Debug, Clone)]
pub enum Step {
    /// Yields an event.
    Event(ChatEvent),
    /// Waits for a gate.
    Gate(Gate),
    /// Waits for this long.
    Sleep(Duration),
    /// Ends the stream with an error of this kind and retry status.
    Fail(ErrorKind, Retry),
    /// Waits for ever: only dropping the stream ends it.
    Hang,
}

impl Step {
    /// The usual end.
    pub const STOP: Self = Self::Event(ChatEvent::Finish(FinishReason::Stop));

    /// More text.
    #[must_use]
    pub fn text(text: impl Into<String>) -> Self {
        Self::Event(ChatEvent::Delta(text.into()))
    }

    /// Token counts as a provider reports them.
    #[must_use]
    pub const fn usage(prompt_tokens: u64, completion_tokens: u64) -> Self {
        let usage = Usage { prompt_tokens, completion_tokens, exact: true, cost_micros: None };
        Self::Event(ChatEvent::Usage(usage))
    }
}

/// What happens on one call.
#[derive(Debug, Clone, Default)]
pub struct Script {
    refusal: Option<(ErrorKind, Retry)>,
    before: Vec<Step>,
    steps: VecDeque<Step>,
}

impl Script {
    /// Accepts the request and plays the steps. A script that runs out without an end breaks off,
    /// as a provider does whose connection is lost.
    #[must_use]
    pub fn new(steps: impl IntoIterator<Item = Step>) -> Self {
        Self { steps: steps.into_iter().collect(), ..Self::default() }
    }

    /// Answers with a text, word by word, and counts a token for each.
    #[must_use]
    pub fn answer(text: &str) -> Self {
        let words: Vec<Step> = text.split_inclusive(' ').map(Step::text).collect();
        let usage = Step::usage(1, words.len() as u64);
        Self::new(words.into_iter().chain([usage, Step::STOP]))
    }

    /// Refuses the request.
    #[must_use]
    pub fn refusal(kind: ErrorKind, retry: Retry) -> Self {
        Self { refusal: Some((kind, retry)), ..Self::default() }
    }

    /// Waits for a gate before the request is accepted or refused.
    #[must_use]
    pub fn behind(mut self, gate: Gate) -> Self {
        self.before.push(Step::Gate(gate));
        self
    }
}

/// How a call ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// It has not.
    Open,
    /// It was refused before a stream began.
    Refused,
    /// The stream yielded its end.
    Finished,
    /// The stream yielded an error.
    Failed,
    /// The caller dropped the call or the stream.
    Dropped,
}

/// A model that plays scripts: one for each call in turn, the last one again and again.
pub struct ScriptedChat {
    info: ChatModelInfo,
    scripts: Mutex<VecDeque<Script>>,
    requests: Mutex<Vec<ChatRequest>>,
    ends: Arc<watch::Sender<Vec<Ended>>>,
}

impl ScriptedChat {
    /// A model called `scripted/test` that plays this script on every call.
    #[must_use]
    pub fn new(script: Script) -> Self {
        Self::playing([script])
    }

    /// A model that plays these scripts in turn.
    #[must_use]
    pub fn playing(scripts: impl IntoIterator<Item = Script>) -> Self {
        Self {
            info: ChatModelInfo {
                provider: "scripted".into(),
                model: "test".into(),
                context_tokens: Some(8192),
                local: true,
                tools: true,
            },
            scripts: Mutex::new(scripts.into_iter().collect()),
            requests: Mutex::default(),
            ends: Arc::new(watch::Sender::new(Vec::new())),
        }
    }

    /// The same model under another description.
    #[must_use]
    pub fn described(mut self, info: ChatModelInfo) -> Self {
        self.info = info;
        self
    }

    /// The requests so far, in order; refused ones too, but not those with wrong fields.
    #[must_use]
    pub fn requests(&self) -> Vec<ChatRequest> {
        self.requests.lock().clone()
    }

    /// How the calls ended, in the order of [`requests`](Self::requests).
    #[must_use]
    pub fn ends(&self) -> Vec<Ended> {
        self.ends.borrow().clone()
    }

    /// Waits until a call has ended, and before that, until it has been made.
    pub async fn ended(&self, call: usize) -> Ended {
        let mut ends = self.ends.subscribe();
        let has_ended = |ends: &Vec<Ended>| ends.get(call).is_some_and(|end| *end != Ended::Open);
        // The sender lives as long as this model, so the wait cannot fail.
        match ends.wait_for(has_ended).await {
            Ok(ends) => ends.get(call).copied().unwrap_or(Ended::Open),
            Err(_) => Ended::Open,
        }
    }

    fn next_script(&self) -> Script {
        let mut scripts = self.scripts.lock();
        if scripts.len() > 1 { scripts.pop_front() } else { scripts.front().cloned() }
            .unwrap_or_default()
    }

    fn record(&self, request: ChatRequest) -> Call {
        let mut requests = self.requests.lock();
        requests.push(request);
        self.ends.send_modify(|ends| ends.push(Ended::Open));
        Call { number: requests.len() - 1, ends: Arc::clone(&self.ends) }
    }
}

/// Reports how a call ended, also when it is dropped.
struct Call {
    number: usize,
    ends: Arc<watch::Sender<Vec<Ended>>>,
}

impl Call {
    fn end(&self, how: Ended) {
        self.ends.send_if_modified(|ends| match ends.get_mut(self.number) {
            Some(end) if *end == Ended::Open => {
                *end = how;
                true
            }
            _ => false,
        });
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        self.end(Ended::Dropped);
    }
}

fn failure(kind: ErrorKind, retry: Retry) -> Error {
    Error::new(kind, "play script").retry(retry)
}

/// Plays up to the next event; `Err` is the end.
async fn next_event(steps: &mut VecDeque<Step>) -> Result<ChatEvent> {
    loop {
        match steps.pop_front() {
            Some(Step::Event(event)) => return Ok(event),
            Some(Step::Gate(gate)) => gate.wait().await,
            Some(Step::Sleep(time)) => tokio::time::sleep(time).await,
            Some(Step::Hang) => std::future::pending().await,
            Some(Step::Fail(kind, retry)) => return Err(failure(kind, retry)),
            None => return Err(failure(ErrorKind::Unavailable, Retry::Backoff)),
        }
    }
}

#[async_trait]
impl ChatModel for ScriptedChat {
    fn info(&self) -> &ChatModelInfo {
        &self.info
    }

    async fn stream(&self, request: ChatRequest) -> Result<ChatStream> {
        check_request(&self.info, &request)?;
        let (call, script) = (self.record(request), self.next_script());
        for step in script.before {
            if let Step::Gate(gate) = step {
                gate.wait().await;
            }
        }
        if let Some((kind, retry)) = script.refusal {
            call.end(Ended::Refused);
            return Err(failure(kind, retry));
        }
        Ok(Box::pin(stream::unfold(
            (call, script.steps, false),
            |(call, mut steps, over)| async move {
                if over {
                    return None;
                }
                let item = next_event(&mut steps).await;
                let over = match &item {
                    Ok(ChatEvent::Finish(_)) => Some(Ended::Finished),
                    Ok(_) => None,
                    Err(_) => Some(Ended::Failed),
                };
                if let Some(how) = over {
                    call.end(how);
                }
                Some((item, (call, steps, over.is_some())))
            },
        )))
    }

    fn count_tokens(&self, text: &str) -> TokenCount {
        TokenCount::estimate(text)
    }

    async fn check(&self) -> Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use futures::StreamExt;

    use super::*;
    use crate::chat::{ChatMessage, ChatRole};

    fn request() -> ChatRequest {
        let messages = vec![ChatMessage::new(ChatRole::User, "Hi")];
        ChatRequest { messages, ..ChatRequest::default() }
    }

    #[tokio::test]
    async fn scripts_are_played_in_turn_and_the_last_again() {
        let refusal = Script::refusal(ErrorKind::RateLimited, Retry::Backoff);
        let model = ScriptedChat::playing([refusal, Script::answer("Good day")]);
        assert!(model.stream(request()).await.is_err());
        for _ in 0..2 {
            let events: Vec<_> = model.stream(request()).await.unwrap().collect().await;
            let texts = events.iter().filter(|e| matches!(e, Ok(ChatEvent::Delta(_)))).count();
            assert_eq!((texts, events.len()), (2, 4));
        }
        assert_eq!(model.ends(), [Ended::Refused, Ended::Finished, Ended::Finished]);
    }

    #[tokio::test]
    async fn running_out_and_failing_are_errors_and_hanging_ends_by_drop() {
        let scripts = [
            Script::new([Step::text("a")]),
            Script::new([Step::Fail(ErrorKind::Timeout, Retry::Never)]),
            Script::new([Step::text("a"), Step::Hang]),
        ];
        let model = ScriptedChat::playing(scripts);
        let cut: Vec<_> = model.stream(request()).await.unwrap().collect().await;
        assert_eq!(cut.last().unwrap().as_ref().unwrap_err().kind(), ErrorKind::Unavailable);
        let failed: Vec<_> = model.stream(request()).await.unwrap().collect().await;
        assert_eq!(failed.last().unwrap().as_ref().unwrap_err().kind(), ErrorKind::Timeout);
        let mut hanging = model.stream(request()).await.unwrap();
        assert!(hanging.next().await.is_some());
        assert!(futures::poll!(hanging.next()).is_pending());
        drop(hanging);
        assert_eq!(model.ended(2).await, Ended::Dropped);
    }

    #[tokio::test]
    async fn a_call_dropped_before_it_is_accepted_is_seen() {
        let gate = Gate::closed();
        let model = ScriptedChat::new(Script::answer("x").behind(gate.clone()));
        {
            let mut start = Box::pin(model.stream(request()));
            assert!(futures::poll!(&mut start).is_pending());
        }
        assert_eq!(model.ends(), [Ended::Dropped]);
        gate.pass(1);
        assert!(model.stream(request()).await.is_ok());
    }
}
