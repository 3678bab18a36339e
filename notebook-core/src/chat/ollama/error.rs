//! What the dialect's errors mean: `{"error": "…"}`, words only.

use serde_json::Value;

use crate::{ErrorKind, http::Refusal};

/// Finds the error in a body; `None` if it holds none, or is no JSON.
pub(crate) fn of_body(body: &[u8]) -> Option<Refusal> {
    read(&serde_json::from_slice::<Value>(body).ok()?)
}

/// Finds the error in a body or a line; `None` if it holds none.
pub(crate) fn read(value: &Value) -> Option<Refusal> {
    let message = match value.get("error")? {
        Value::String(message) => message.clone(),
        Value::Null => return None,
        other => other
            .get("message")
            .and_then(Value::as_str)
            .map_or_else(|| other.to_string(), str::to_owned),
    };
    let kind = kind_of(&message);
    Some(Refusal { message: Some(message), kind, ..Refusal::default() })
}

fn kind_of(message: &str) -> Option<ErrorKind> {
    let message = message.to_ascii_lowercase();
    let has = |words: &[&str]| words.iter().any(|words| message.contains(words));
    if has(&[
        "context length",
        "context window",
        "exceeds the available context",
        "too large to process",
    ]) {
        Some(ErrorKind::ContextTooLong)
    } else if has(&["unauthorized"]) {
        Some(ErrorKind::Unauthorized)
    } else if has(&["server busy", "maximum pending requests"]) {
        Some(ErrorKind::RateLimited)
    } else if has(&["does not support tools"]) {
        Some(ErrorKind::Unsupported)
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn words_are_mapped() {
        for (message, kind) in [
            ("the input length exceeds the context length", Some(ErrorKind::ContextTooLong)),
            (
                "server busy, please try again.  maximum pending requests exceeded",
                Some(ErrorKind::RateLimited),
            ),
            (
                "registry.ollama.ai/library/x:1b does not support tools",
                Some(ErrorKind::Unsupported),
            ),
            ("model 'x' not found", None),
        ] {
            assert_eq!(read(&json!({"error": message})).unwrap().kind, kind, "{message}");
        }
        assert_eq!(read(&json!({"done": false})), None);
    }
}
