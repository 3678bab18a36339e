//! The agent engine: runs of typed graphs that always end, survive crashes, and can be done again.
//!
//! A [`Graph`] is made of nodes over a state of your own type, and is checked when it is made. A [`Run`] is where one stands, as it is
//! stored. [`Graph::step`] is pure: the same run, input and moment give the same run and [`Effect`]s. A [`Driver`] does these
//! effects and feeds back what comes of them. The engine holds the [`Budget`]: nothing that nodes, tools or models do passes it, and each run
//! has exactly one [`End`].
//!
//! An agent with a tool:
//!
//! ```
//! use std::sync::Arc;
//! use notebook_agent::graph::{Driver, END, End, Functions, Graph, ModelCall, NewRun, OneModel, ToolCall, Watch};
//! use notebook_core::{RunId, chat::{ChatMessage, ChatRole, scripted::{Script, ScriptedChat}}, queue::Fence};
//! use serde_json::json;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), notebook_core::Error> {
//! // What was said so far.
//! type Talk = Vec<ChatMessage>;
//! let say = |talk: &mut Talk, role, text: &str| talk.push(ChatMessage::new(role, text));
//!
//! let agent = Graph::<Talk>::builder("calculator", 1)
//!     .model("think", |talk, _| Ok(ModelCall::new(talk.clone())),
//!         move |talk, reply, _| { say(talk, ChatRole::Assistant, &reply?.text); Ok(()) })
//!     .tool("add", |talk, _| Ok(ToolCall::new("add", json!(talk[talk.len() - 1].content.trim_start_matches("add ")))),
//!         move |talk, reply, _| { say(talk, ChatRole::User, &reply?.output.to_string()); Ok(()) })
//!     .choose("think", |talk| if talk[talk.len() - 1].content.starts_with("add ") { "add" } else { END }, &["add", END])
//!     .edge("add", "think")
//!     .build()?;
//!
//! let tools = Functions::new().with("add", |numbers| async move {
//!     let numbers = numbers.as_str().unwrap_or_default().split(' ').filter_map(|n| n.parse::<i64>().ok());
//!     Ok(json!(numbers.sum::<i64>()))
//! });
//! let model = ScriptedChat::playing([Script::answer("add 19 23"), Script::answer("It is 42.")]);
//! let driver = Driver::new(Arc::new(OneModel::new(Arc::new(model))), Arc::new(tools));
//!
//! let question = ChatMessage::new(ChatRole::User, "What is 19 + 23?");
//! let run = NewRun { tools: ["add".to_owned()].into(), ..NewRun::new(RunId::new(), vec![question]) };
//! let scope = notebook_auth::single_user();
//! let outcome = driver.start(&scope, &Arc::new(agent), run, Fence(0), &Watch::default()).await?;
//! let ended = outcome.ended().expect("it asks nobody");
//! assert_eq!(ended.end, End::Done);
//! assert_eq!(ended.state.unwrap().last().unwrap().content, "It is 42.");
//! assert_eq!((ended.spent.model_calls, ended.spent.tool_calls), (2, 1));
//! # Ok(())
//! # }
//! ```
//!
//! # Order
//! A step changes the run, then its checkpoint is stored, then its events are told, then its calls are made. So a result is stored before
//! anything follows from it. After a crash [`Driver::resume`] tells the last step's events again, with the same numbers, and makes the calls
//! under way again, with the same keys: **events and calls happen at least once**, and their numbers and keys tell which are the same.

mod admit;
mod budget;
mod build;
mod call;
mod context;
mod driver;
mod event;
mod record;
mod state;
mod step;

pub use budget::{Budget, BudgetName, Spent};
pub use build::{END, Graph, GraphBuilder};
pub use call::{
    Answer, Approval, Call, Failure, ModelCall, ModelReply, Reply, ToolCall, ToolReply, Verdict,
};
pub use context::Context;
pub use driver::{
    Approvals, CallInfo, Driver, DriverConfig, Ended, Functions, Listener, Models, NoApprovals,
    OneModel, Outcome, Steps, Tools, Watch,
};
pub use event::{End, Event, EventBody};
pub(crate) use record::Moment;
pub use record::{Difference, Entry, Output, Recorder, Recording, ReplayError, Replayed};
pub use state::{Branch, NewRun, Run, State};
pub(crate) use step::panicked;
pub use step::{Effect, Input, Request, Stepped};

#[cfg(test)]
mod tests;
