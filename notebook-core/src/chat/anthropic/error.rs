//! What the dialect's errors mean: `{"type": "error", "error": {"type", "message"}}`, as a body and as an event.

use serde_json::Value;

use crate::{ErrorKind, http::Refusal};

/// Finds the error in a body; `None` if it holds none, or is no JSON.
pub(crate) fn of_body(body: &[u8]) -> Option<Refusal> {
    read(&serde_json::from_slice::<Value>(body).ok()?)
}

/// Finds the error in a body or an event; `None` if it holds none.
pub(crate) fn read(value: &Value) -> Option<Refusal> {
    let error = value.get("error").filter(|error| !error.is_null())?;
    let text = |key: &str| error.get(key).and_then(Value::as_str).map(str::to_owned);
    let message = text("message").or_else(|| error.as_str().map(str::to_owned));
    let code = text("type");
    let said = message.as_deref().unwrap_or_default().to_ascii_lowercase();
    let permanent = code.as_deref() == Some("billing_error") || said.contains("credit balance");
    let kind = kind_of(code.as_deref().unwrap_or_default(), &said);
    let kind = if permanent { Some(ErrorKind::RateLimited) } else { kind };
    Some(Refusal { code, message, kind, permanent, retry_after: None })
}

/// Whether a body is an error of the dialect itself, and not of a server that only lacks the path.
pub(super) fn is_their_own(body: &[u8]) -> bool {
    let value = serde_json::from_slice::<Value>(body).unwrap_or_default();
    value.get("type").and_then(Value::as_str) == Some("error")
}

fn kind_of(code: &str, message: &str) -> Option<ErrorKind> {
    let has = |list: &[&str]| list.iter().any(|words| message.contains(words));
    if has(&[
        "prompt is too long",
        "exceed context limit",
        "exceeds the context",
        "exceeds the available context size",
        "too large to process",
    ]) {
        return Some(ErrorKind::ContextTooLong);
    }
    if has(&["does not support tool", "requires --jinja"]) {
        return Some(ErrorKind::Unsupported);
    }
    Some(match code {
        "authentication_error" | "permission_error" => ErrorKind::Unauthorized,
        "rate_limit_error" => ErrorKind::RateLimited,
        "request_too_large" => ErrorKind::TooLarge,
        "timeout_error" => ErrorKind::Timeout,
        "overloaded_error" | "api_error" => ErrorKind::Unavailable,
        "invalid_request_error" | "not_found_error" => ErrorKind::InvalidInput,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn errors_are_read() {
        for (code, message, kind) in [
            ("overloaded_error", "Overloaded", Some(ErrorKind::Unavailable)),
            ("rate_limit_error", "slow down", Some(ErrorKind::RateLimited)),
            ("authentication_error", "invalid x-api-key", Some(ErrorKind::Unauthorized)),
            (
                "invalid_request_error",
                "prompt is too long: 208310 tokens > 200000 maximum",
                Some(ErrorKind::ContextTooLong),
            ),
            (
                "invalid_request_error",
                "input length and `max_tokens` exceed context limit: 1 + 2 > 2",
                Some(ErrorKind::ContextTooLong),
            ),
            ("invalid_request_error", "messages: wrong", Some(ErrorKind::InvalidInput)),
            ("something_new", "m", None),
        ] {
            let body = json!({"type": "error", "error": {"type": code, "message": message}});
            let refusal = read(&body).unwrap();
            assert_eq!((refusal.kind, refusal.permanent), (kind, false), "{code} {message}");
            assert_eq!(refusal.code.as_deref(), Some(code));
        }
        let credit = json!({"type": "error", "error": {"type": "invalid_request_error",
            "message": "Your credit balance is too low to access the API."}});
        let refusal = read(&credit).unwrap();
        assert_eq!((refusal.kind, refusal.permanent), (Some(ErrorKind::RateLimited), true));
        assert_eq!(read(&json!({"type": "ping"})), None);
        assert!(is_their_own(credit.to_string().as_bytes()) && !is_their_own(b"{\"error\":{}}"));
    }
}
