//! Where the guard stands in the chat: at the way in, and between the model and the reader.

use notebook_core::{
    Error, ErrorKind, Result,
    model::{Chunk, EventBody},
};
use serde::{Deserialize, Serialize};

use super::{Ask, Question};
use crate::{
    answer::AnswerBuilder,
    guard::{
        pattern::Family,
        redact::{RedactConfig, Redactor},
        screen::{ScreenPolicy, Verdict, screen},
    },
};

/// What is looked for in questions, and taken out of answers.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct GuardConfig {
    /// What is done about the labels of questions.
    pub screening: ScreenPolicy,
    /// What is taken out of answers, beside keys, passwords and home folders.
    pub redaction: RedactConfig,
}

/// Screens a new question: its labels go to the log, and where the policy says so it is refused.
pub(super) fn admit(config: &GuardConfig, ask: &Ask) -> Result<()> {
    let Question::New { text, .. } = &ask.question else { return Ok(()) };
    let found = screen(text);
    if found.labels.is_empty() {
        return Ok(());
    }
    let verdict = config.screening.verdict(&found);
    let labels: Vec<&str> = found.names().into_iter().collect();
    tracing::info!(conversation = %ask.conversation, ?labels, ?verdict, "a question has labels");
    let Verdict::Refuse(family, label) = verdict else { return Ok(()) };
    Err(Error::new(ErrorKind::InvalidInput, "ask")
        .with("field", "question")
        .with("family", family.name())
        .with("labels", labels.join(","))
        .with(
            "fix",
            format!(
                "this server refuses questions of the family `{family}` (found: {label}); ask in other words, or report \
                 a wrong refusal with POST /api/guard/reports"
            ),
        ))
}

/// What the one who asks is told of labels, where the policy says so.
pub(super) fn warning(config: &GuardConfig, question: &str) -> Option<EventBody> {
    if !config.screening.warn {
        return None;
    }
    let Verdict::Warn(families) = config.screening.verdict(&screen(question)) else { return None };
    let names: Vec<&str> = families.into_iter().map(Family::name).collect();
    Some(EventBody::Warning {
        code: "question_labelled".to_owned(),
        message: format!(
            "The question looks like an attempt to change what the assistant does ({}). It is answered all the same.",
            names.join(", ")
        ),
    })
}

/// The filter of an answer from these passages.
pub(super) fn redactor(config: &GuardConfig, passages: &[Chunk]) -> Redactor {
    let passages = passages.iter().map(|chunk| chunk.text.as_str());
    Redactor::new(&config.redaction, None, passages)
}

/// Says that something was taken out.
pub(super) fn taken_out(builder: &AnswerBuilder) -> Option<EventBody> {
    let count = builder.redacted();
    (count > 0).then(|| EventBody::Warning {
        code: "answer_redacted".to_owned(),
        message: format!(
            "What looks like a key, a password or a path was taken out of the answer in {count} {}. Sources show their own words.",
            if count == 1 { "place" } else { "places" }
        ),
    })
}
