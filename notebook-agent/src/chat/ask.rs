use notebook_core::{
    ConversationId, Error, ErrorKind, MessageId, Result, chat::ChatMessage, model::ModelSettings,
};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::ChatConfig;

/// How many questions a history may be as long as.
const HISTORY: usize = 4;

/// What is asked.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Ask {
    /// Where.
    pub conversation: ConversationId,
    /// What.
    pub question: Question,
    /// Settings for this message alone.
    pub settings: ModelSettings,
    /// How the answer is made.
    #[serde(skip_serializing_if = "Mode::is_answer")]
    pub mode: Mode,
    /// What was said before, oldest first, instead of what the conversation holds: for clients that keep it themselves. At most as many
    /// bytes as four questions.
    pub history: Option<Vec<ChatMessage>>,
    /// Makes a repeated request return the first run; 1 to 200 bytes.
    #[serde(skip)]
    pub idempotency_key: Option<String>,
}

/// How an answer is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// Passages are found for the question, and the model answers from them.
    #[default]
    Answer,
    /// The model looks for itself, with the tools that the notebook allows.
    Research,
}

impl Mode {
    /// Whether it is the usual one.
    #[must_use]
    pub const fn is_answer(&self) -> bool {
        matches!(self, Self::Answer)
    }
}

/// A new question, or one that stands already.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub enum Question {
    /// A new message.
    New {
        /// What the person wrote.
        text: String,
        /// What it follows.
        parent: Parent,
    },
    /// Answers an existing question again.
    Again(MessageId),
}

/// What a new question follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub enum Parent {
    /// The newest message of the conversation.
    #[default]
    Newest,
    /// Nothing: it begins the conversation anew, as the edited first question does.
    Nothing,
    /// This message.
    Message(MessageId),
}

impl Ask {
    /// Checks everything that can be checked without the store.
    pub(super) fn validate(&self, config: &ChatConfig) -> Result<()> {
        const OPERATION: &str = "ask";
        if let Question::New { text, .. } = &self.question {
            if text.trim().is_empty() {
                return Err(Error::invalid(OPERATION, "question", "write a question"));
            }
            if text.len() > config.question_bytes {
                return Err(Error::new(ErrorKind::TooLarge, OPERATION)
                    .with("field", "question")
                    .with("bytes", text.len().to_string())
                    .with("limit", config.question_bytes.to_string())
                    .with("fix", "shorten the question, or add the text as a source"));
            }
        }
        let history = self.history.iter().flatten().map(|message| message.content.len());
        let most = config.question_bytes.saturating_mul(HISTORY);
        if history.sum::<usize>() > most {
            return Err(Error::new(ErrorKind::TooLarge, OPERATION)
                .with("field", "history")
                .with("limit", most.to_string())
                .with("fix", "send fewer of the earlier messages"));
        }
        let key_length = self.idempotency_key.as_ref().map_or(1, String::len);
        if key_length == 0 || key_length > 200 {
            return Err(Error::invalid(OPERATION, "Idempotency-Key", "use 1 to 200 bytes"));
        }
        self.settings.validate()
    }

    /// What tells this request from another one under the same idempotency key.
    pub(super) fn hash(&self) -> Result<String> {
        let json = serde_json::to_vec(self)
            .map_err(|error| Error::new(ErrorKind::Internal, "ask").caused_by(error))?;
        Ok(notebook_core::hex(Sha256::digest(json)))
    }
}
