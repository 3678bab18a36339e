//! What the server says about itself: which models, and why.

use serde::Serialize;
use utoipa::ToSchema;

/// The choices made at start.
#[derive(Debug, Clone)]
pub struct Status {
    /// The model that answers.
    pub chat: ChatStatus,
    /// The model that makes vectors.
    pub embedding: Option<EmbeddingStatus>,
    /// Why that one, or why none.
    pub embedding_reason: String,
    /// The model that has the last word on the order of passages.
    pub rerank: Option<RerankStatus>,
}

/// The model that answers.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct ChatStatus {
    /// `provider/model`.
    pub label: String,
    /// The provider.
    pub provider: String,
    /// The model.
    pub model: String,
    /// Whether the text stays on this machine.
    pub local: bool,
    /// Why this one.
    pub reason: String,
}

/// The model that makes vectors.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct EmbeddingStatus {
    /// The model.
    pub model: String,
    /// Length of its vectors.
    pub dimensions: usize,
}

/// The model that has the last word on the order of passages.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct RerankStatus {
    /// The model.
    pub model: String,
    /// Where it runs: `on this machine`, or the server's address.
    pub place: String,
    /// How many passages it judges.
    pub candidates: usize,
}
