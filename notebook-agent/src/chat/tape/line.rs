//! What stands on a tape.

use std::{collections::BTreeSet, io};

use notebook_core::{
    Error, MessageId, Result, RunId, SourceId,
    chat::{ChatEvent, ChatMessage, ChatModelInfo, FinishReason, Replaced, TokenCount, ToolCall},
    document::Span,
    model::{
        Chunk, Conversation, EventBody, Message, ModelSettings, Notebook, RetrievalMode,
        StageTiming, Usage,
    },
};
use notebook_rag::retrieve::Retrieved;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::failed::{Failed, kind_named};
use crate::{chat::ChatConfig, runs::StopReason};

/// The version of what is written. Another program's newer one is refused.
pub(in crate::chat) const VERSION: u32 = 1;

/// What was recorded beside the engine's steps: the page's part.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(in crate::chat) struct Page {
    /// Of what follows.
    pub(in crate::chat) version: u32,
    /// What the answer began with; in the first piece only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(in crate::chat) facts: Option<Box<Facts>>,
    /// What came and what was shown, in order.
    pub(in crate::chat) lines: Vec<Line>,
    /// Whether the rest was left out, because it was too much to keep.
    pub(in crate::chat) cut: bool,
}

/// What an answer begins with.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(in crate::chat) struct Facts {
    pub(in crate::chat) run: RunId,
    pub(in crate::chat) answer: MessageId,
    pub(in crate::chat) notebook: Notebook,
    pub(in crate::chat) conversation: Conversation,
    pub(in crate::chat) question: Message,
    pub(in crate::chat) settings: ModelSettings,
    pub(in crate::chat) history: Option<Vec<ChatMessage>>,
    pub(in crate::chat) tools: Option<BTreeSet<String>>,
    pub(in crate::chat) model: ChatModelInfo,
    pub(in crate::chat) config: ChatConfig,
    /// Whether another worker goes on where this one gives the run back.
    pub(in crate::chat) can_be_released: bool,
}

impl PartialEq for Facts {
    fn eq(&self, other: &Self) -> bool {
        serde_json::to_value(self).ok() == serde_json::to_value(other).ok()
    }
}

/// What an answer asks of what is outside.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(in crate::chat) enum Ask {
    /// Passages for the question: so many at most, of these sources only where they are named.
    Passages(usize, Option<BTreeSet<SourceId>>),
    /// The ids of the notebook's sources.
    Sources,
    /// The name and kind of a source.
    Source(SourceId),
    /// What was said before.
    History,
    /// The canonical text of a place.
    Text(SourceId, Span),
    /// The pages of a source.
    Pages(SourceId),
    /// What a model says to a request of this digest.
    Model(String),
    /// Of a research: what stands for the events that the log has already.
    Told,
    /// Whether it goes on from a checkpoint.
    Begun,
    /// Which programs cannot be asked for their tools.
    Away,
    /// What it has told up to its checkpoint.
    Steps,
    /// The passages that it read, as they are stored at its end.
    Read,
}

/// A line of a tape.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(in crate::chat) enum Line {
    /// Something is asked for.
    Ask(Ask),
    /// It came.
    Came(Value),
    /// It failed.
    Failed(Failed),
    /// The model said this, after its `Came`.
    Said(Said),
    /// A text of so many bytes has so many tokens; whether they were counted.
    Count(usize, usize, bool),
    /// A word made by chance.
    Word(String),
    /// The page was shown this.
    Show(EventBody),
    /// A person is asked, or has answered.
    Heard(Value),
    /// The work was ended from outside.
    Stop(StopReason),
    /// The work ended by something outside that broke.
    Broke(Failed),
    /// The same, and somebody goes on when it is back.
    Away(Failed),
}

impl Line {
    pub(super) fn came<T: Serialize>(came: &Result<T>) -> Self {
        match came {
            // What has no JSON is seen when it is played back: it comes as nothing.
            Ok(came) => Self::Came(serde_json::to_value(came).unwrap_or_default()),
            Err(error) => Self::failed(error),
        }
    }

    pub(super) fn failed(error: &Error) -> Self {
        Self::Failed(Failed::of(error))
    }

    pub(super) fn broke(error: &Error) -> Self {
        Self::Broke(Failed::of(error))
    }

    #[cfg(feature = "tools")]
    pub(super) fn away(error: &Error) -> Self {
        Self::Away(Failed::of(error))
    }

    #[cfg(feature = "tools")]
    pub(super) fn heard<T: Serialize>(heard: &T) -> Self {
        Self::Heard(serde_json::to_value(heard).unwrap_or_default())
    }

    pub(super) fn count(text: &str, count: TokenCount) -> Self {
        Self::Count(text.len(), count.tokens, count.exact)
    }

    /// Its length as JSON, with the sign between two.
    pub(super) fn size(&self) -> usize {
        let mut size = Size(1);
        serde_json::to_writer(&mut size, self).map_or(usize::MAX, |()| size.0)
    }
}

/// Counts what is written.
struct Size(usize);

impl io::Write for Size {
    fn write(&mut self, written: &[u8]) -> io::Result<usize> {
        self.0 = self.0.saturating_add(written.len());
        Ok(written.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A piece of what a model says, as data.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(in crate::chat) enum Said {
    Delta(String),
    ToolCall(ToolCall),
    /// Who failed, why, and who answers.
    Replaced(String, String, String),
    Usage(Usage),
    Finish(FinishReason),
    Failed(Failed),
    /// Nothing more.
    End,
    /// A kind of piece that is not written down: what is played back ends here.
    Unknown,
}

impl Said {
    pub(super) fn of(event: Option<&Result<ChatEvent>>) -> Self {
        let Some(event) = event else { return Self::End };
        match event {
            Ok(ChatEvent::Delta(text)) => Self::Delta(text.clone()),
            Ok(ChatEvent::ToolCall(call)) => Self::ToolCall(call.clone()),
            Ok(ChatEvent::Replaced(Replaced { failed, reason, answers })) => {
                Self::Replaced(failed.clone(), reason.code().to_owned(), answers.clone())
            }
            Ok(ChatEvent::Usage(usage)) => Self::Usage(*usage),
            Ok(ChatEvent::Finish(reason)) => Self::Finish(*reason),
            Ok(_) => Self::Unknown,
            Err(error) => Self::Failed(Failed::of(error)),
        }
    }

    /// The piece again; `None` where nobody can know it.
    pub(super) fn event(&self) -> Option<Result<ChatEvent>> {
        Some(Ok(match self {
            Self::Delta(text) => ChatEvent::Delta(text.clone()),
            Self::ToolCall(call) => ChatEvent::ToolCall(call.clone()),
            Self::Replaced(failed, reason, answers) => ChatEvent::Replaced(Replaced {
                failed: failed.clone(),
                reason: kind_named(reason)?,
                answers: answers.clone(),
            }),
            Self::Usage(usage) => ChatEvent::Usage(*usage),
            Self::Finish(reason) => ChatEvent::Finish(*reason),
            Self::Failed(failed) => return failed.error().map(Err),
            Self::End | Self::Unknown => return None,
        }))
    }
}

/// What retrieval gave, as far as an answer uses it.
#[derive(Debug, Serialize, Deserialize)]
pub(in crate::chat) struct Looked {
    pub(in crate::chat) mode: RetrievalMode,
    pub(in crate::chat) partial: bool,
    pub(in crate::chat) timings: Vec<StageTiming>,
    pub(in crate::chat) warnings: Vec<String>,
    /// Best first.
    pub(in crate::chat) chunks: Vec<Chunk>,
    pub(in crate::chat) relevant: bool,
}

impl From<Retrieved> for Looked {
    fn from(found: Retrieved) -> Self {
        let Retrieved { passages, mode, relevance: _, relevant, timings, partial, warnings } =
            found;
        Self {
            mode,
            partial,
            timings,
            warnings: warnings.into_iter().map(|warning| warning.message).collect(),
            chunks: passages.into_iter().map(|passage| passage.chunk).collect(),
            relevant,
        }
    }
}
