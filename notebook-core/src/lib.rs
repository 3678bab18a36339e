//! Types and ports of an AI notebook, with in-memory implementations.
//!
//! A **port** is a small trait that the rest of the system talks to: [`store::Store`],
//! [`run_log::RunLog`], [`vector::VectorIndex`], [`keyword::KeywordIndex`],
//! [`queue::Queue`], [`webhook::WebhookStore`], [`usage::UsageStore`], [`chat::ChatModel`],
//! [`embed::Embedder`], [`rerank::Reranker`], [`transcribe::Transcriber`], [`cache::Cache`], [`rate_limit::RateLimits`],
//! [`checkpoint::Checkpoints`], [`key_usage::KeyUsage`],
//! [`breaker_setting::BreakerSettings`]. Each has an in-memory
//! implementation here, adapters behind features, and a public conformance suite
//! behind the feature `conformance`. Mail goes out by [`mail::Mailer`].
//!
//! Everything that touches a tenant's data takes a [`TenantScope`] as its first
//! argument. There is no way to ask a port for "all tenants".
#![cfg_attr(
    test,
    allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)
)]

pub mod approval;
pub mod breaker_setting;
pub mod cache;
pub mod chat;
pub mod checkpoint;
pub mod clock;
#[cfg(feature = "conformance")]
pub mod conformance;
pub mod document;
pub mod embed;
pub mod error;
mod hex;
#[cfg(feature = "http")]
pub mod http;
pub mod id;
pub mod identity;
pub mod key_usage;
pub mod keyword;
pub mod mail;
pub mod model;
#[cfg(feature = "postgres")]
pub mod postgres;
pub mod pubsub;
pub mod queue;
pub mod rate_limit;
pub mod recording;
#[cfg(feature = "redis")]
pub mod redis;
pub mod report;
pub mod rerank;
pub mod run_log;
pub mod scope;
mod secret;
#[cfg(any(feature = "sqlite", feature = "postgres"))]
mod sql;
#[cfg(feature = "sqlite")]
pub mod sqlite;
pub mod sse;
pub mod store;
pub mod transcribe;
pub mod usage;
pub mod vector;
pub mod webhook;

pub use clock::{Clock, Timestamp};
pub use error::{Error, ErrorKind, Result, Retry};
pub use hex::hex;
pub use id::{
    ApiKeyId, ApprovalId, ConversationId, DeliveryId, InvitationId, JobId, LinkId, MessageId,
    NotebookId, ReportId, RunId, SessionId, SourceId, TenantId, UserId, WebhookId, WorkerId,
};
pub use scope::{TenantScope, Tenants};
pub use secret::Secret;
