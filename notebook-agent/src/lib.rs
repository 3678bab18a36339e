//! The notebook chat: context within a token budget, streamed answers, verified citations.
//!
//! - [`context`]: the prompt, within a budget of tokens (pure).
//! - [`answer`]: the model's stream turned into text and claims to cite (pure).
//! - [`runs`]: the events of an answer, live and stored, for any number of readers.
//! - [`chat`]: the flow itself: retrieve, build the context, generate, cite, finish.
//! - [`graph`]: the engine of agents: graphs that run within budgets, survive crashes, and replay.
//! - [`guard`]: screening, provenance, the policy of tools, redaction (pure).
//! - `tools` (feature): what models may ask for, within what policy and people allow, and the agent that uses it.
//! - `mcp` (feature): tools of other programs, by the Model Context Protocol.
//! - `export` (feature): a conversation as Markdown and PDF (pure).
//! - [`library`]: all of it inside your own program, without a server.
#![cfg_attr(
    test,
    allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)
)]

pub mod answer;
pub mod chat;
pub mod context;
#[cfg(feature = "export")]
pub mod export;
pub mod graph;
pub mod guard;
pub mod library;
#[cfg(feature = "mcp")]
pub mod mcp;
pub mod runs;
mod shown;
#[cfg(feature = "tools")]
pub mod tools;

pub use shown::shown_name;
