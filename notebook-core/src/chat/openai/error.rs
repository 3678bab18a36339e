//! What the dialect's error bodies mean.

use serde_json::Value;

use crate::{
    Error, ErrorKind,
    http::{Redactor, Refusal, kind_of as kind_of_status, refused},
};

/// Finds the error in a body; `None` if it holds none, or is no JSON.
pub(crate) fn of_body(body: &[u8]) -> Option<Refusal> {
    read(&serde_json::from_slice::<Value>(body).ok()?)
}

/// Finds the error in a body or an event; `None` if it holds none.
///
/// The usual form is `{"error": {"message", "type", "code", "param"}}`. Others are seen too: a bare
/// text under `error` or `detail`, and `{"object": "error", …}` without the outer object.
pub(crate) fn read(value: &Value) -> Option<Refusal> {
    let error = match value.get("error") {
        Some(error) if !error.is_null() => error,
        _ if value.get("object").and_then(Value::as_str) == Some("error") => value,
        _ => value.get("detail").filter(|detail| !detail.is_null())?,
    };
    let text = |key: &str| error.get(key).and_then(Value::as_str).map(str::to_owned);
    let message = match error {
        Value::String(message) => Some(message.clone()),
        // FastAPI lists what is wrong with a body as an array.
        Value::Array(_) => Some(error.to_string()),
        _ => text("message").or_else(|| text("error")),
    };
    let code = text("code").or_else(|| text("type"));
    let names = [text("code"), text("type")];
    let kind = kind_of(&names, message.as_deref().unwrap_or_default());
    let permanent = names.iter().flatten().any(|name| name == "insufficient_quota");
    Some(Refusal { code, message, kind, permanent, retry_after: None })
}

/// The status that an error within a stream stands for: some servers give it as `code`.
fn status_within(value: &Value) -> Option<u16> {
    let error = value.get("error").filter(|error| error.is_object()).unwrap_or(value);
    let code = ["code", "status"].iter().find_map(|key| error.get(*key)?.as_u64())?;
    u16::try_from(code).ok().filter(|code| (400..=599).contains(code))
}

/// S33: the error that came with status 200, as a document or an event.
pub(super) fn of_event(
    operation: &'static str,
    value: &Value,
    redactor: &Redactor,
) -> Option<Error> {
    let refusal = read(value)?;
    let kind = status_within(value).map_or(ErrorKind::Unavailable, kind_of_status);
    Some(refused(operation, refusal, kind, redactor))
}

/// The same for bytes that may be no JSON at all.
pub(super) fn within(operation: &'static str, body: &[u8], redactor: &Redactor) -> Option<Error> {
    of_event(operation, &serde_json::from_slice(body).ok()?, redactor)
}

fn kind_of(names: &[Option<String>], message: &str) -> Option<ErrorKind> {
    names.iter().flatten().find_map(|name| by_name(name)).or_else(|| by_message(message))
}

fn by_name(name: &str) -> Option<ErrorKind> {
    Some(match name {
        "context_length_exceeded" | "exceed_context_size_error" | "string_above_max_length" => {
            ErrorKind::ContextTooLong
        }
        "invalid_api_key" | "authentication_error" | "permission_error" => ErrorKind::Unauthorized,
        "insufficient_quota" | "rate_limit_exceeded" | "rate_limit_error" => ErrorKind::RateLimited,
        "overloaded_error" | "engine_overloaded" | "service_unavailable" => ErrorKind::Unavailable,
        _ => return None,
    })
}

/// Servers that only say it in words, llama.cpp's HTTP 500 for an input over its batch among them.
fn by_message(message: &str) -> Option<ErrorKind> {
    let message = message.to_ascii_lowercase();
    let too_long = [
        "maximum context length",
        "context length exceeded",
        "exceeds the context length",
        "exceeds the available context size",
        "exceeds the maximum context",
        "too large to process",
        "is longer than the maximum",
        "prompt is too long",
        "input is too long",
        "reduce the length of the",
    ];
    let no_tools = [
        "does not support tool",
        "does not support function",
        "support tool use",
        "tool use is not supported",
        "requires --jinja",
        "requires --enable-auto-tool-choice",
    ];
    let has = |list: &[&str]| list.iter().any(|words| message.contains(words));
    if has(&too_long) {
        Some(ErrorKind::ContextTooLong)
    } else {
        has(&no_tools).then_some(ErrorKind::Unsupported)
    }
}

/// Whether a filter of contents refused the prompt.
pub(super) fn is_filtered(refusal: &Refusal) -> bool {
    refusal.code.as_deref() == Some("content_filter")
}

/// Whether a refusal is about this field of the request.
pub(super) fn names_field(body: &[u8], field: &str) -> bool {
    let Ok(value) = serde_json::from_slice::<Value>(body) else { return false };
    let param = value.pointer("/error/param").and_then(Value::as_str);
    match param {
        Some(param) => param.split('.').next() == Some(field),
        None => read(&value)
            .and_then(|refusal| refusal.message)
            .is_some_and(|message| message.contains(field)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn every_form_of_error_is_read() {
        for (body, kind) in [
            (
                json!({"error": {"message": "m", "code": "context_length_exceeded"}}),
                Some(ErrorKind::ContextTooLong),
            ),
            (
                json!({"error": {"message": "request (3031 tokens) exceeds the available context size (1024 tokens)", "type": "exceed_context_size_error", "code": 400}}),
                Some(ErrorKind::ContextTooLong),
            ),
            (
                json!({"error": {"message": "input (3001 tokens) is too large to process. increase the physical batch size", "type": "server_error", "code": 500}}),
                Some(ErrorKind::ContextTooLong),
            ),
            (
                json!({"object": "error", "message": "This model's maximum context length is 4096 tokens.", "code": 400}),
                Some(ErrorKind::ContextTooLong),
            ),
            (
                json!({"error": {"message": "tools param requires --jinja flag", "code": 500}}),
                Some(ErrorKind::Unsupported),
            ),
            (
                json!({"error": {"message": "No endpoints found that support tool use.", "code": 404}}),
                Some(ErrorKind::Unsupported),
            ),
            (json!({"error": "model not loaded"}), None),
            (json!({"detail": "Not authenticated"}), None),
            (json!({"detail": [{"loc": ["body", "messages"], "msg": "field required"}]}), None),
        ] {
            let refusal = read(&body).unwrap();
            assert_eq!(refusal.kind, kind, "{body}");
            assert!(refusal.message.is_some_and(|m| !m.is_empty()), "{body}");
        }
        for none in [json!({"choices": []}), json!({"error": null}), json!([1]), json!("x")] {
            assert_eq!(read(&none), None, "{none}");
        }
    }

    #[test]
    fn a_refused_field_is_recognised() {
        let by_param = br#"{"error":{"message":"m","param":"stream_options.include_usage"}}"#;
        let by_words = br#"{"error":{"message":"Unsupported parameter: 'max_tokens'. Use 'max_completion_tokens'"}}"#;
        let other = br#"{"error":{"message":"about max_tokens","param":"messages"}}"#;
        assert!(names_field(by_param, "stream_options"));
        assert!(names_field(by_words, "max_tokens"));
        assert!(!names_field(other, "max_tokens"));
        assert!(!names_field(b"<html>max_tokens", "max_tokens"));
    }
}
