//! What a reader is told of an answer that failed: which model, what happened, and what they can do.
//!
//! The page has the same sentences in its languages (`web/src/i18n/failure`), by the same codes.

use notebook_core::{Error, ErrorKind, model::EventBody, model::FailureCode};

use super::flow::Answer;
use crate::guard::redact::redacted;

/// The end of an answer that failed by this error.
pub(super) fn failed(error: &Error, model: &str, answer: &Answer) -> EventBody {
    let code = FailureCode::from(error.kind());
    let kept = if answer.text.is_empty() { "" } else { " What it wrote so far is kept." };
    EventBody::Failed {
        code: code.name().to_owned(),
        message: redacted(&format!("{}{kept}", sentence(code, model))),
        retryable: error.is_retryable(),
        // A provider may repeat the key that it refused.
        detail: Some(redacted(&format!("{model}: {error}"))),
    }
}

/// The end of an answer that no model can give.
pub(super) fn no_model(error: &Error) -> EventBody {
    let code = FailureCode::NoModel;
    EventBody::Failed {
        code: code.name().to_owned(),
        message: sentence(code, ""),
        retryable: false,
        detail: Some(redacted(&error.to_string())),
    }
}

/// One or two plain sentences, without anything of the error itself.
pub(super) fn sentence(code: FailureCode, model: &str) -> String {
    let kind = match code {
        FailureCode::Interrupted => {
            return "The server stopped before the answer was finished. What was written is kept; ask again for the rest."
                .to_owned();
        }
        FailureCode::NotStored => {
            return "The answer could not be stored. Ask again in a moment.".to_owned();
        }
        FailureCode::NoModel => {
            return "This server has no model for these settings. Choose another model in the notebook's settings."
                .to_owned();
        }
        FailureCode::Kind(kind) => kind,
    };
    let (about, what) = of_kind(kind);
    if about { format!("{model} {what}") } else { what.to_owned() }
}

/// Why another model answers, after the name of the one that was asked.
pub(super) const fn why(kind: ErrorKind) -> &'static str {
    match kind {
        ErrorKind::Unavailable => "cannot be reached",
        ErrorKind::Timeout => "took too long",
        ErrorKind::RateLimited => "takes no more questions for now",
        ErrorKind::Unauthorized => "does not accept this server's key",
        _ => "could not answer",
    }
}

/// Whether the sentence begins with the model's name, and what it says.
fn of_kind(kind: ErrorKind) -> (bool, &'static str) {
    match kind {
        ErrorKind::Unavailable => (
            true,
            "cannot be reached, or broke off. Try again in a moment, or choose another model.",
        ),
        ErrorKind::Timeout => {
            (true, "took too long to answer. Try again, or choose another model.")
        }
        ErrorKind::RateLimited => {
            (true, "takes no more questions for now. Try again later, or choose another model.")
        }
        ErrorKind::Unauthorized => (
            true,
            "does not accept this server's key. Choose another model, or ask whoever runs this server to check the key.",
        ),
        ErrorKind::Forbidden | ErrorKind::Unauthenticated => (
            true,
            "may not be used by this server. Choose another model, or ask whoever runs this server.",
        ),
        ErrorKind::ContextTooLong => (
            true,
            "cannot read that much at once. Ask a shorter question, or choose a model that reads more.",
        ),
        ErrorKind::Protocol => (
            true,
            "answered in a way that this server does not understand. Try again, or choose another model.",
        ),
        ErrorKind::Unsupported => (true, "cannot do what this answer needs. Choose another model."),
        ErrorKind::InvalidInput => (
            true,
            "does not take questions with these settings. Check the notebook's settings, or choose another model.",
        ),
        ErrorKind::NotFound => (
            true,
            "was not found, or something else that the answer needs is gone. Choose another model, or ask again.",
        ),
        ErrorKind::TooLarge => (
            false,
            "The answer needed more than one answer may use. Ask for less at once, or divide the question.",
        ),
        ErrorKind::StorageFull => (
            false,
            "The server's disk is full. Ask again when whoever runs this server has made room.",
        ),
        ErrorKind::Corrupt => {
            (false, "Something that this server stored is damaged. Tell whoever runs this server.")
        }
        ErrorKind::Cancelled => (false, "The answer was ended before it was finished. Ask again."),
        ErrorKind::Conflict | ErrorKind::AlreadyExists => {
            (false, "Something was changed while the answer was made. Ask again.")
        }
        _ => (
            false,
            "A fault in this server ended the answer. Try again; if it happens again, tell whoever runs this server.",
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// H8: whatever a run fails with, a person reads whole sentences, and the error itself stands beside them.
    #[test]
    fn h8_no_failure_is_told_as_an_error() {
        for kind in ErrorKind::ALL {
            let error = Error::new(kind, "call model").with("status", "503").with(
                "url",
                "http://127.0.0.1:1/v1 sk-abcdefghijklmnopqrstuvwxyz0123456789ABCDEFGHIJ",
            );
            let EventBody::Failed { code, message, detail, .. } =
                failed(&error, "ollama/llama", &Answer::default())
            else {
                panic!("not failed");
            };
            assert_eq!(code, kind.code());
            assert!(message.ends_with('.') && message.len() > 30, "{message}");
            for dump in ["503", "127.0.0.1", "call model", "(", "_", ": "] {
                assert!(!message.contains(dump), "{kind:?}: {message}");
            }
            let detail = detail.unwrap();
            assert!(detail.contains("503") && detail.contains("call model"), "{detail}");
            assert!(!detail.contains("sk-abc"), "{detail}");
        }
        for code in FailureCode::OWN {
            let message = sentence(code, "ollama/llama");
            assert!(message.ends_with('.') && !message.contains('('), "{message}");
        }
    }

    #[test]
    fn h8_what_a_broken_model_wrote_is_said_to_be_kept() {
        let answer = Answer { text: "It is".into(), ..Answer::default() };
        let error = Error::new(ErrorKind::Unavailable, "call model");
        let EventBody::Failed { message, .. } = failed(&error, "a/b", &answer) else {
            panic!("not failed");
        };
        assert!(
            message.starts_with("a/b cannot be reached") && message.ends_with("kept."),
            "{message}"
        );
    }
}
