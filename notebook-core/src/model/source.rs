use serde::{Deserialize, Serialize};

use crate::{NotebookId, SourceId, Timestamp, document::SourceKind};

/// One document in a notebook. Its canonical text lives in the store beside it, its
/// original bytes in the blob store.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Source {
    /// Identifies it.
    pub id: SourceId,
    /// The notebook it belongs to.
    pub notebook: NotebookId,
    /// The user's file name or title: metadata only, never a path.
    pub name: String,
    /// What it was recognised as.
    pub kind: SourceKind,
    /// Size of the original in bytes.
    pub bytes: u64,
    /// Lower-case hex SHA-256 of the original.
    pub sha256: String,
    /// Random key of the original in the blob store; `None` when it was deleted.
    pub blob: Option<String>,
    /// Where ingestion stands.
    pub stage: Stage,
    /// How far the current stage is.
    pub progress: Progress,
    /// Whether questions find it by keywords already.
    pub keywords_ready: bool,
    /// Whether questions find it by vectors already.
    pub vectors_ready: bool,
    /// Why ingestion ended early, when `stage` is [`Stage::Failed`].
    pub failure: Option<SourceFailure>,
    /// Title found in the document.
    pub title: Option<String>,
    /// Number of pages, for formats that have them.
    pub pages: Option<u32>,
    /// Length of the canonical text in bytes.
    pub text_bytes: u64,
    /// Number of chunks.
    pub chunks: u32,
    /// What parsing noticed, as text for a person (embedded files, legacy encoding, …).
    pub notes: Vec<String>,
    /// Where on the web it comes from, when it was added by an address.
    #[serde(default)]
    pub origin: Option<WebOrigin>,
    /// When it was added.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
    /// How often it was changed. A change names the revision it was made from, so that none undoes another.
    pub revision: u32,
}

/// The place on the web that a source was read from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct WebOrigin {
    /// The address that was asked for.
    pub url: String,
    /// Where redirects led; `None` until it was fetched.
    pub final_url: Option<String>,
    /// The content type that came with it, with its parameters; it may lie.
    pub content_type: Option<String>,
    /// When it was fetched last.
    pub fetched_at: Option<Timestamp>,
}

/// Where the ingestion of a source stands, in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Stage {
    /// Waiting for a worker.
    Queued,
    /// Being fetched from its address on the web.
    Fetch,
    /// Being turned into canonical text: by the child process, by text recognition, by transcription.
    Parse,
    /// Being cut into chunks.
    Chunk,
    /// Being added to the keyword index.
    Index,
    /// Being added to the vector index, searchable by keywords meanwhile.
    Embed,
    /// Done.
    Ready,
    /// Ended early; see [`Source::failure`].
    Failed,
    /// Being removed; invisible to retrieval.
    Deleting,
}

impl Stage {
    /// Whether a worker still has something to do for this source.
    #[must_use]
    pub const fn is_unfinished(self) -> bool {
        !matches!(self, Self::Ready | Self::Failed)
    }
}

/// Units done of units known. `total` is zero while it is unknown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Progress {
    /// Units done.
    pub done: u64,
    /// Units known, or zero.
    pub total: u64,
}

/// Why a source could not be ingested.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct SourceFailure {
    /// Stable snake-case code, such as `password_protected`.
    pub code: String,
    /// A sentence for a person, with the fix.
    pub message: String,
    /// The stage that failed, and from which a retry starts.
    pub stage: Stage,
}
