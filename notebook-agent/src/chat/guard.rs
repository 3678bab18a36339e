//! Where the guard stands in the chat: at the way in, and between the model and the reader.

use notebook_core::{
    Error, ErrorKind, Result,
    model::{Chunk, EventBody},
};

use super::{Ask, Inner, Question};
use crate::{
    answer::AnswerBuilder,
    guard::{
        redact::{RedactConfig, Redactor},
        screen::{ScreenPolicy, Verdict, screen},
    },
    runs::RunWriter,
};

/// What is looked for in questions, and taken out of answers.
#[derive(Debug, Clone, Default)]
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

/// Tells the one who asks of labels, where the policy says so.
pub(super) fn warn_of_labels(chat: &Inner, question: &str, writer: &mut RunWriter) {
    let policy = &chat.config.guard.screening;
    if !policy.warn {
        return;
    }
    if let Verdict::Warn(families) = policy.verdict(&screen(question)) {
        let names: Vec<&str> = families.into_iter().map(|family| family.name()).collect();
        writer.emit(EventBody::Warning {
            code: "question_labelled".to_owned(),
            message: format!(
                "The question looks like an attempt to change what the assistant does ({}). It is answered all the same.",
                names.join(", ")
            ),
        });
    }
}

/// The filter of an answer from these passages.
pub(super) fn redactor(chat: &Inner, passages: &[Chunk]) -> Redactor {
    let passages = passages.iter().map(|chunk| chunk.text.as_str());
    Redactor::new(&chat.config.guard.redaction, None, passages)
}

/// Says that something was taken out.
pub(super) fn tell_redacted(builder: &AnswerBuilder, writer: &mut RunWriter) {
    let count = builder.redacted();
    if count > 0 {
        writer.emit(EventBody::Warning {
            code: "answer_redacted".to_owned(),
            message: format!(
                "Taken out of the answer, for it looks like a key, a password or a path: {count}. Sources show their own words."
            ),
        });
    }
}
