//! The engine: graphs that are refused, budgets, crashes, replay, and everything hostile.

mod budgets;
mod build;
mod driver;
mod hostile;
mod replay;
mod resume;
mod store;

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use async_trait::async_trait;
use notebook_core::{
    Clock, RunId, Timestamp,
    chat::{ChatMessage, ChatRole, FinishReason},
    model::Usage,
};
use serde_json::{Value, json};
use tokio::time::Instant;

use super::*;

/// The runtime's time, which a test can stop, as a clock.
struct TokioClock(Instant);

impl TokioClock {
    fn new() -> Arc<Self> {
        Arc::new(Self(Instant::now()))
    }
}

impl Clock for TokioClock {
    fn now(&self) -> Timestamp {
        at(0).after(self.0.elapsed())
    }
}

/// A moment, in milliseconds from some beginning.
fn at(millis: i64) -> Timestamp {
    Timestamp::from_millis(1_700_000_000_000 + millis)
}

fn prompt(text: &str) -> ModelCall {
    ModelCall::new(vec![ChatMessage::new(ChatRole::User, text)])
}

fn said(text: &str, tokens: (u64, u64), cost: Option<u64>) -> ModelReply {
    let usage = Usage {
        prompt_tokens: tokens.0,
        completion_tokens: tokens.1,
        exact: true,
        cost_micros: cost,
    };
    ModelReply { text: text.to_owned(), tool_calls: vec![], usage, finish: FinishReason::Stop }
}

/// Answers every model call with its last message, and every tool call with its arguments; `stall` and `panic` do that.
struct Echo;

#[async_trait]
impl Models for Echo {
    async fn call(&self, _: &CallInfo, call: ModelCall) -> Result<ModelReply, Failure> {
        let text = call.messages.last().map(|message| message.content.clone());
        Ok(said(&text.unwrap_or_default(), (1, 1), None))
    }
}

#[async_trait]
impl Tools for Echo {
    fn names(&self) -> BTreeSet<String> {
        ["echo", "stall", "panic"].map(str::to_owned).into()
    }

    async fn call(&self, _: &CallInfo, call: ToolCall) -> Result<ToolReply, Failure> {
        match call.name.as_str() {
            "stall" => std::future::pending().await,
            "panic" => panic!("hostile tool"),
            _ => Ok(call.arguments.into()),
        }
    }
}

fn echo() -> Driver {
    Driver::new(Arc::new(Echo), Arc::new(Echo)).with_clock(TokioClock::new())
}

/// The same by its place of work.
fn stepping(driver: Driver, steps: Steps) -> Driver {
    driver.with_config(DriverConfig { steps, ..DriverConfig::default() })
}

fn new_run<S>(state: S, budget: Budget) -> NewRun<S> {
    NewRun { budget, tools: Echo.names(), ..NewRun::new(RunId::new(), state) }
}

/// What a step asks for, without checkpoints.
fn calls(effects: &[Effect]) -> Vec<Request> {
    let call = |effect: &Effect| match effect {
        Effect::Call(request) => Some(request.clone()),
        _ => None,
    };
    effects.iter().filter_map(call).collect()
}

fn events(effects: &[Effect]) -> Vec<Event> {
    let event = |effect: &Effect| match effect {
        Effect::Emit(event) => Some(event.clone()),
        _ => None,
    };
    effects.iter().filter_map(event).collect()
}

/// Panics of things that are to panic are not worth a line each.
fn quiet_panics() {
    static ONCE: std::sync::Once = std::sync::Once::new();
    ONCE.call_once(|| {
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            let said = info.payload().downcast_ref::<&str>().copied();
            if !said.is_some_and(|said| said.starts_with("hostile")) {
                before(info);
            }
        }));
    });
}

/// A loop that asks for this call, with what comes back as its state.
fn asking(call: impl Fn(&Value) -> Call + Send + Sync + 'static) -> Graph<Value> {
    Graph::<Value>::builder("asking", 1)
        .call(
            "ask",
            move |state, _| Ok(call(state)),
            |state, answer, _| {
                *state = match answer {
                    Ok(Reply::Model(reply)) => json!(reply.text),
                    Ok(Reply::Tool(reply)) => reply.output,
                    Ok(Reply::Approval(verdict)) => json!(verdict),
                    Err(failure) => json!({ "failed": failure.code }),
                };
                Ok(())
            },
        )
        .choose("ask", |state| if state == "enough" { END } else { "ask" }, &["ask", END])
        .build()
        .unwrap()
}
