//! What clients say, in the shapes of OpenAI's interfaces.

use notebook_core::{
    Error, Result,
    chat::{ChatMessage, ChatRole},
};
use serde::Deserialize;
use utoipa::ToSchema;

/// A message.
#[derive(Debug, Clone, Deserialize, ToSchema)]
pub(super) struct InputMessage {
    /// `user`, `assistant`, `system` or `developer`.
    role: String,
    /// Text, or parts of text.
    #[serde(default)]
    content: Content,
}

/// Text, or parts of it.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(untagged, expecting = "send text, or a list of parts with `type` and `text`")]
pub(super) enum Content {
    Text(String),
    Parts(Vec<Part>),
    Nothing(()),
}

impl Default for Content {
    fn default() -> Self {
        Self::Nothing(())
    }
}

/// A part of a message.
#[derive(Debug, Clone, Deserialize, ToSchema)]
pub(super) struct Part {
    /// `text`, `input_text` or `output_text`.
    #[serde(rename = "type")]
    kind: String,
    #[serde(default)]
    text: String,
    /// What a `refusal` says, which is a part of what was said before.
    #[serde(default)]
    refusal: String,
}

/// What a client's messages come to.
#[derive(Debug, Default)]
pub(crate) struct Said {
    /// What stands in the system's place, put together.
    pub(crate) system: Option<String>,
    /// What was said before, oldest first.
    pub(crate) history: Vec<ChatMessage>,
    /// The question.
    pub(crate) question: String,
}

fn wrong(field: &str, fix: &str) -> Error {
    Error::invalid("read messages", field, fix)
}

impl Content {
    fn text(self, field: &str) -> Result<String> {
        match self {
            Self::Text(text) => Ok(text),
            Self::Nothing(()) => Ok(String::new()),
            Self::Parts(parts) => {
                let text = |part: Part| match part.kind.as_str() {
                    "text" | "input_text" | "output_text" => Ok(part.text),
                    "refusal" => Ok(part.refusal),
                    _ => Err(wrong(field, "send text; add files as sources of the notebook")),
                };
                parts.into_iter().map(text).collect()
            }
        }
    }
}

impl InputMessage {
    /// A question.
    pub(super) fn user(text: String) -> Self {
        Self { role: "user".to_owned(), content: Content::Text(text) }
    }
}

/// Reads messages: the last one is the question.
pub(super) fn read(messages: Vec<InputMessage>, field: &str) -> Result<Said> {
    let mut said = Said::default();
    let mut system = Vec::new();
    for message in messages {
        let role = match message.role.as_str() {
            "system" | "developer" => {
                system.push(message.content.text(field)?);
                continue;
            }
            "user" => ChatRole::User,
            "assistant" => ChatRole::Assistant,
            _ => return Err(wrong(field, "use the roles user, assistant, system and developer")),
        };
        said.history.push(ChatMessage::new(role, message.content.text(field)?));
    }
    let question = said.history.pop().filter(|message| message.role == ChatRole::User);
    said.question = question.ok_or_else(|| wrong(field, "end with the user's question"))?.content;
    said.system = (!system.is_empty()).then(|| system.join("\n\n"));
    Ok(said)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn said(messages: serde_json::Value) -> Result<Said> {
        read(serde_json::from_value(messages).unwrap(), "messages")
    }

    #[test]
    fn e6_messages_become_a_question_with_what_was_before() {
        let said = said(json!([
            { "role": "developer", "content": "Be brief." },
            { "role": "user", "content": "One?" },
            { "role": "assistant", "content": [{ "type": "output_text", "text": "1" }, { "type": "text", "text": "." }] },
            { "role": "user", "content": "Two?" },
            { "role": "assistant", "content": [{ "type": "refusal", "refusal": "No." }] },
            { "role": "user", "content": [{ "type": "input_text", "text": "Three?" }] },
        ]))
        .unwrap();
        assert_eq!(said.system.as_deref(), Some("Be brief."));
        assert_eq!(said.question, "Three?");
        let history: Vec<_> = said.history.iter().map(|m| (m.role, m.content.as_str())).collect();
        assert_eq!(
            history,
            [
                (ChatRole::User, "One?"),
                (ChatRole::Assistant, "1."),
                (ChatRole::User, "Two?"),
                (ChatRole::Assistant, "No.")
            ]
        );
    }

    #[test]
    fn e6_what_cannot_be_read_is_refused_by_name() {
        for wrong in [
            json!([]),
            json!([{ "role": "assistant", "content": "a" }]),
            json!([{ "role": "tool", "content": "a" }, { "role": "user", "content": "b" }]),
            json!([{ "role": "user", "content": [{ "type": "image_url" }] }]),
        ] {
            assert_eq!(
                said(wrong.clone()).unwrap_err().context("field"),
                Some("messages"),
                "{wrong}"
            );
        }
    }
}
