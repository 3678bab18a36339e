use notebook_core::{ConversationId, Error, ErrorKind, MessageId, Result, model::ModelSettings};
use serde::Serialize;
use sha2::{Digest, Sha256};

use super::ChatConfig;

/// What is asked.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Ask {
    /// Where.
    pub conversation: ConversationId,
    /// What.
    pub question: Question,
    /// Settings for this message alone.
    pub settings: ModelSettings,
    /// Makes a repeated request return the first run; 1 to 200 bytes.
    #[serde(skip)]
    pub idempotency_key: Option<String>,
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
        let key_length = self.idempotency_key.as_ref().map_or(1, String::len);
        if key_length == 0 || key_length > 200 {
            return Err(Error::invalid(OPERATION, "Idempotency-Key", "use 1 to 200 bytes"));
        }
        validate_settings(&self.settings)
    }

    /// What tells this request from another one under the same idempotency key.
    pub(super) fn hash(&self) -> Result<String> {
        let json = serde_json::to_vec(self)
            .map_err(|error| Error::new(ErrorKind::Internal, "ask").caused_by(error))?;
        Ok(notebook_core::hex(Sha256::digest(json)))
    }
}

/// Checks the ranges of model settings.
///
/// # Errors
/// `InvalidInput` naming the field and its range.
pub fn validate_settings(settings: &ModelSettings) -> Result<()> {
    const OPERATION: &str = "check model settings";
    if settings.temperature.is_some_and(|t| !(0.0..=2.0).contains(&t)) {
        return Err(Error::invalid(OPERATION, "temperature", "use a number from 0 to 2"));
    }
    if settings.top_p.is_some_and(|p| !(p > 0.0 && p <= 1.0)) {
        return Err(Error::invalid(OPERATION, "top_p", "use a number over 0, up to 1"));
    }
    if settings.max_tokens.is_some_and(|n| n == 0 || n > 32_768) {
        return Err(Error::invalid(OPERATION, "max_tokens", "use 1 to 32,768"));
    }
    if settings.system_prompt.as_ref().is_some_and(|text| text.len() > 16 * 1024) {
        return Err(Error::invalid(OPERATION, "system_prompt", "use at most 16 KiB"));
    }
    Ok(())
}
