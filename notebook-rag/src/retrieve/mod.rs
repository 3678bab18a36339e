//! Finds the passages that a question is answered from.
//!
//! Keyword search and vector search run side by side, each with a deadline; their ranks are
//! fused; the chunks come from the store, so that nothing deleted is shown. What fails or is
//! late is left out with a warning as long as the other half delivered. Where there is a reranker,
//! it has the last word on the order of the first of them; without it they stay as they were fused.

mod config;
mod dedup;
mod fusion;
mod relevance;
mod request;
mod rerank;
mod retriever;
mod stage;
#[cfg(test)]
mod tests;

pub use config::{RetrieveConfig, StageLimits};
pub use fusion::{Fused, FusionConfig, fuse};
pub use relevance::{Relevance, RelevanceConfig, assess, is_relevant};
pub use request::{Passage, RetrieveRequest, Retrieved};
#[cfg(feature = "keyword")]
pub(crate) use rerank::best_first;
pub use rerank::{LastAsked, Reranking};
pub use retriever::{CatchUp, Retriever, VectorSearch};
pub use stage::{StageName, StageWarning};
