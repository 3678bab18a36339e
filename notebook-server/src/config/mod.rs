//! The configuration: one typed tree, from defaults, a file, the environment and flags, in this order.
//!
//! Environment variables are `NOTEBOOK__SECTION__KEY`, such as `NOTEBOOK__SERVER__PORT=9000`. Unknown
//! names are errors, and all errors are reported at once.

mod auth;
mod check;
mod cors;
mod egress;
mod guard;
mod load;
mod mail;
mod mcp;
mod models;
mod oidc;
mod parse;
mod profile;
mod providers;
mod rate_limits;
mod rerank;
mod resilience;
mod secrets;
mod server;
mod storage;
mod tools;
mod transcription;

use std::path::PathBuf;

use serde::Deserialize;

pub use auth::{Auth, AuthMode, Registration};
pub use cors::Cors;
pub use egress::{Egress, Webhooks};
pub use guard::Guard;
pub use load::{ConfigErrors, Loaded, load, read};
pub use mail::{Language, Mail};
pub use mcp::{Mcp, McpServer};
pub use models::{Chat, Embedding, Gguf};
pub use oidc::OidcProvider;
pub use parse::{Ocr, Parse, Sound};
pub use profile::Profile;
#[cfg(test)]
pub(crate) use providers::preset_names;
pub use providers::{Anthropic, Azure, Google, Ollama, OpenAi, PresetServer, Price, TokenizerFile};
pub use rate_limits::{Anonymous, Rate, RateLimits, Tier, User};
pub use rerank::Rerank;
pub use resilience::{
    BreakerSettings, CacheSettings, EmbeddingResilience, KeySettings, Resilience,
};
pub(crate) use secrets::Place;
pub use secrets::{Secrets, Vault};
pub use server::{Limits, Server};
pub use storage::{Retention, Storage};
pub use tools::Tools;
pub use transcription::Transcription;

/// The whole configuration.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// `dev`, `staging` or `production`, which refuses to start with what is unsafe.
    pub profile: Profile,
    /// Everything that is stored lies here.
    pub data_dir: PathBuf,
    /// Where the server listens.
    pub server: Server,
    /// Who may use it.
    pub auth: Auth,
    /// Where rows are stored.
    pub storage: Storage,
    /// How what is slow is done.
    pub jobs: Jobs,
    /// How long things are kept.
    pub retention: Retention,
    /// Calls to addresses that users give.
    pub egress: Egress,
    /// How events are sent to webhooks.
    pub webhooks: Webhooks,
    /// Limits of what clients may send.
    pub limits: Limits,
    /// How often clients may do what.
    pub rate_limits: RateLimits,
    /// How files become text.
    pub parse: Parse,
    /// Which model answers.
    pub chat: Chat,
    /// Which model makes vectors.
    pub embedding: Embedding,
    /// Which model has the last word on the order of passages.
    pub rerank: Rerank,
    /// What is looked for in questions, and taken out of answers.
    pub guard: Guard,
    /// What writes down recordings.
    pub transcription: Transcription,
    /// What models may do in a research.
    pub tools: Tools,
    /// Other programs whose tools models may be given.
    pub mcp: Mcp,
    /// How mail is sent.
    pub mail: Mail,
    /// Where secrets come from.
    pub secrets: Secrets,
}

/// How what is slow is done.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Jobs {
    /// After how many seconds without a sign of life a worker is thought dead, and another takes its jobs.
    pub lease_seconds: u32,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            profile: Profile::default(),
            data_dir: PathBuf::from("data"),
            server: Server::default(),
            auth: Auth::default(),
            storage: Storage::default(),
            jobs: Jobs::default(),
            retention: Retention::default(),
            egress: Egress::default(),
            webhooks: Webhooks::default(),
            limits: Limits::default(),
            rate_limits: RateLimits::default(),
            parse: Parse::default(),
            chat: Chat::default(),
            embedding: Embedding::default(),
            rerank: Rerank::default(),
            guard: Guard::default(),
            transcription: Transcription::default(),
            tools: Tools::default(),
            mcp: Mcp::default(),
            mail: Mail::default(),
            secrets: Secrets::default(),
        }
    }
}

impl Default for Jobs {
    fn default() -> Self {
        Self { lease_seconds: 60 }
    }
}

#[cfg(test)]
mod tests;
