use serde::{Deserialize, Serialize};

use super::{AnswerWarning, Citation, StageTiming, Usage};
use crate::{ConversationId, MessageId, NotebookId, RunId, SourceId, Timestamp};

/// One thread of questions and answers about a notebook's sources.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Conversation {
    /// Identifies it.
    pub id: ConversationId,
    /// The notebook it belongs to.
    pub notebook: NotebookId,
    /// Shown in lists; generated from the first question.
    pub title: String,
    /// Sources switched off for this conversation.
    pub excluded_sources: Vec<SourceId>,
    /// When it was created.
    pub created_at: Timestamp,
    /// When it, or a message in it, last changed.
    pub updated_at: Timestamp,
}

impl Conversation {
    /// A new one, without a title and with all sources.
    #[must_use]
    pub fn new(notebook: NotebookId, now: Timestamp) -> Self {
        Self {
            id: ConversationId::new(),
            notebook,
            title: String::new(),
            excluded_sources: Vec::new(),
            created_at: now,
            updated_at: now,
        }
    }
}

/// Who wrote a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// The person asking.
    User,
    /// The system answering.
    Assistant,
}

/// One question or one answer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Message {
    /// Identifies it. Ids order messages within a conversation.
    pub id: MessageId,
    /// The conversation it belongs to.
    pub conversation: ConversationId,
    /// The message that this one follows, so that edits and regenerations branch.
    pub parent: Option<MessageId>,
    /// Who wrote it.
    pub role: Role,
    /// The text, without citation marks. For an answer it equals the run's concatenated deltas.
    pub text: String,
    /// Verified citations, in order of [`Citation::at`].
    pub citations: Vec<Citation>,
    /// Citations that the model gave and that failed verification.
    pub dropped_citations: u32,
    /// The run that made this answer.
    pub run: Option<RunId>,
    /// The provider and model that made this answer, such as `openai/gpt-5`.
    pub model: Option<String>,
    /// Tokens used for this answer.
    pub usage: Option<Usage>,
    /// How long each stage of this answer took.
    pub timings: Vec<StageTiming>,
    /// What its reader was told while it was made, in that order.
    #[serde(default)]
    pub warnings: Vec<AnswerWarning>,
    /// Whether the answer was ended before the model finished (stopped or failed).
    pub partial: bool,
    /// When it was stored.
    pub created_at: Timestamp,
}
