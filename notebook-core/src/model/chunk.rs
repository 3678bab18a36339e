use serde::{Deserialize, Serialize};

use crate::{SourceId, document::Span};

/// Names one chunk: its source and its place in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ChunkKey {
    /// The source that the chunk is part of.
    pub source: SourceId,
    /// Its place among the source's chunks, from 0.
    pub ordinal: u32,
}

/// A span of a source's canonical text, small enough to embed and to quote.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Chunk {
    /// Names it.
    pub key: ChunkKey,
    /// Where it stands in the canonical text, in bytes.
    pub span: Span,
    /// The page it starts on, from 1, for formats that have pages.
    pub page: Option<u32>,
    /// The headings above it, outermost first.
    pub headings: Vec<String>,
    /// Its length in tokens of the embedder, or as estimated without one.
    pub tokens: u32,
    /// Exactly the canonical text at `span`.
    pub text: String,
}
