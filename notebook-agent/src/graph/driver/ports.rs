//! Who does what nodes ask for.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    future::Future,
    sync::Arc,
    time::Duration,
};

use async_trait::async_trait;
use futures::{StreamExt as _, future::BoxFuture};
use notebook_core::{
    Error, ErrorKind, RunId, TenantScope,
    chat::{CallOptions, ChatEvent, ChatModel, ChatRequest, FinishReason},
    model::Usage,
};
use serde_json::Value;

use crate::graph::{Approval, Failure, ModelCall, ModelReply, ToolCall, ToolReply, Verdict};

/// What is known of a call besides its content.
#[derive(Debug, Clone)]
pub struct CallInfo {
    /// Whose run it is.
    pub scope: TenantScope,
    /// The run.
    pub run: RunId,
    /// The node that asks.
    pub node: Arc<str>,
    /// The call's own. The same call made again after a crash has the same: keep it with what must not happen twice.
    pub key: Arc<str>,
    /// After how long the call is ended, by dropping its future.
    pub timeout: Duration,
    /// A larger answer is a failure.
    pub most_bytes: usize,
}

/// Asks models.
///
/// # Behaviour
/// - A call whose future is dropped is not wanted any more: generation ends.
/// - Failing and panicking are failures of this call alone.
#[async_trait]
pub trait Models: Send + Sync + 'static {
    /// The answer of the model that the call names.
    ///
    /// # Errors
    /// Whatever the node is to know; the model's own errors by [`Failure::from`].
    async fn call(&self, info: &CallInfo, call: ModelCall) -> Result<ModelReply, Failure>;
}

/// Calls tools. What arguments a tool takes is its own to check: what comes from a model may be anything.
///
/// # Behaviour
/// - As of [`Models`]. A tool that blocks its thread is waited for no longer than its time, but keeps the thread.
/// - At least once: see [`CallInfo::key`].
#[async_trait]
pub trait Tools: Send + Sync + 'static {
    /// The names of all that there are. A run is given some of them when it begins.
    fn names(&self) -> BTreeSet<String>;

    /// What the tool answers. It is called only with names of the run's own set.
    ///
    /// # Errors
    /// Whatever the node is to know.
    async fn call(&self, info: &CallInfo, call: ToolCall) -> Result<ToolReply, Failure>;
}

/// Asks people.
#[async_trait]
pub trait Approvals: Send + Sync + 'static {
    /// What a person said; `None` when nobody has said anything yet, and nobody is to wait: the run is parked, and asks again with the
    /// same key when it is resumed.
    ///
    /// # Errors
    /// Whatever the node is to know. A failure is not a yes.
    async fn ask(&self, info: &CallInfo, approval: &Approval) -> Result<Option<Verdict>, Failure>;
}

/// Nobody to ask: every question fails.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoApprovals;

#[async_trait]
impl Approvals for NoApprovals {
    async fn ask(&self, _: &CallInfo, _: &Approval) -> Result<Option<Verdict>, Failure> {
        Err(Failure::new("no_approvals", "this program has nobody to ask"))
    }
}

/// A model of the [`ChatModel`] port, whichever model a call names.
#[derive(Clone)]
pub struct OneModel(Arc<dyn ChatModel>);

impl OneModel {
    /// This one.
    #[must_use]
    pub fn new(model: Arc<dyn ChatModel>) -> Self {
        Self(model)
    }
}

impl fmt::Debug for OneModel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("OneModel").field(&self.0.info().label()).finish()
    }
}

#[async_trait]
impl Models for OneModel {
    async fn call(&self, info: &CallInfo, call: ModelCall) -> Result<ModelReply, Failure> {
        let request = ChatRequest {
            messages: call.messages,
            temperature: call.temperature,
            top_p: call.top_p,
            max_tokens: call.max_tokens,
            stop: call.stop,
            seed: call.seed,
            grounding: None,
            tools: call.tools,
            tool_choice: call.tool_choice,
            call: CallOptions::ending_in(info.timeout),
        };
        let mut stream = self.0.stream(request).await?;
        let (mut text, mut usage, mut finish) = (String::new(), Usage::default(), None);
        let (mut tool_calls, mut asked) = (Vec::new(), 0);
        while let Some(event) = stream.next().await {
            match event? {
                ChatEvent::Delta(delta) => text.push_str(&delta),
                ChatEvent::ToolCall(call) => {
                    asked += call.id.len() + call.name.len() + call.arguments.len();
                    tool_calls.push(call);
                }
                ChatEvent::Usage(told) => usage = told,
                ChatEvent::Finish(reason) => finish = Some(reason),
                _ => {}
            }
            if text.len() + asked > info.most_bytes {
                let most = info.most_bytes;
                return Err(Failure::new("too_large", format!("the answer is over {most} bytes")));
            }
        }
        let finish: FinishReason =
            finish.ok_or_else(|| Error::new(ErrorKind::Protocol, "read answer"))?;
        Ok(ModelReply { text, tool_calls, usage, finish })
    }
}

type Function = Box<dyn Fn(Value) -> BoxFuture<'static, Result<Value, Failure>> + Send + Sync>;

/// Functions as tools.
#[derive(Default)]
pub struct Functions(BTreeMap<String, Function>);

impl Functions {
    /// None yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// One more, from its arguments to its result. One of the same name is replaced.
    #[must_use]
    pub fn with<F: Future<Output = Result<Value, Failure>> + Send + 'static>(
        mut self,
        name: impl Into<String>,
        function: impl Fn(Value) -> F + Send + Sync + 'static,
    ) -> Self {
        self.0.insert(name.into(), Box::new(move |arguments| Box::pin(function(arguments))));
        self
    }
}

impl fmt::Debug for Functions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

#[async_trait]
impl Tools for Functions {
    fn names(&self) -> BTreeSet<String> {
        self.0.keys().cloned().collect()
    }

    async fn call(&self, _: &CallInfo, call: ToolCall) -> Result<ToolReply, Failure> {
        let unknown = || Failure::new("unknown_tool", "there is no such tool");
        let function = self.0.get(&call.name).ok_or_else(unknown)?;
        Ok(function(call.arguments).await?.into())
    }
}
