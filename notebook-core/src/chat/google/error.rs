//! What the dialect's errors mean: `{"error": {"code", "message", "status", "details"}}`.

use std::time::Duration;

use serde_json::Value;

use crate::{ErrorKind, http::Refusal};

/// Finds the error in a body; `None` if it holds none, or is no JSON.
pub(crate) fn of_body(body: &[u8]) -> Option<Refusal> {
    read(&serde_json::from_slice::<Value>(body).ok()?)
}

/// Finds the error in a body or an event, which may be wrapped in a list; `None` if it holds none.
pub(crate) fn read(value: &Value) -> Option<Refusal> {
    let value = value.as_array().map_or(Some(value), |list| list.first())?;
    let error = value.get("error").filter(|error| !error.is_null())?;
    let text = |key: &str| error.get(key).and_then(Value::as_str).map(str::to_owned);
    let message = text("message").or_else(|| error.as_str().map(str::to_owned));
    let code = detail(error, "reason").or_else(|| text("status"));
    let kind = kind_of(code.as_deref().unwrap_or_default(), message.as_deref().unwrap_or_default());
    let retry_after = detail(error, "retryDelay").and_then(|delay| seconds(&delay));
    Some(Refusal { code, message, kind, retry_after, permanent: false })
}

/// The status that an error within a stream stands for.
pub(super) fn status_within(value: &Value) -> Option<u16> {
    u16::try_from(value.pointer("/error/code")?.as_u64()?).ok()
}

fn detail(error: &Value, key: &str) -> Option<String> {
    let details = error.get("details")?.as_array()?;
    details.iter().find_map(|detail| detail.get(key)?.as_str()).map(str::to_owned)
}

fn kind_of(code: &str, message: &str) -> Option<ErrorKind> {
    if message.contains("exceeds the maximum number of tokens") {
        return Some(ErrorKind::ContextTooLong);
    }
    match code {
        "API_KEY_INVALID" | "UNAUTHENTICATED" | "PERMISSION_DENIED" => {
            Some(ErrorKind::Unauthorized)
        }
        "RESOURCE_EXHAUSTED" => Some(ErrorKind::RateLimited),
        "DEADLINE_EXCEEDED" => Some(ErrorKind::Timeout),
        _ => None,
    }
}

/// A duration as the API writes it: `34s`, `0.5s`.
fn seconds(text: &str) -> Option<Duration> {
    Duration::try_from_secs_f64(text.strip_suffix('s')?.parse().ok()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn errors_are_read() {
        let quota = json!({"error": {"code": 429, "message": "quota", "status": "RESOURCE_EXHAUSTED", "details": [
            {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "34.5s"}]}});
        let refusal = read(&json!([quota])).unwrap();
        assert_eq!(refusal.kind, Some(ErrorKind::RateLimited));
        assert_eq!(refusal.retry_after, Some(Duration::from_millis(34_500)));

        let key = json!({"error": {"code": 400, "message": "API key not valid.", "status": "INVALID_ARGUMENT",
            "details": [{"reason": "API_KEY_INVALID"}]}});
        assert_eq!(read(&key).unwrap().kind, Some(ErrorKind::Unauthorized));

        let long = json!({"error": {"code": 400, "status": "INVALID_ARGUMENT",
            "message": "The input token count (2000000) exceeds the maximum number of tokens allowed (1048576)."}});
        assert_eq!(read(&long).unwrap().kind, Some(ErrorKind::ContextTooLong));
        assert_eq!(read(&json!({"candidates": []})), None);
        assert_eq!(seconds("-1s"), None);
    }
}
