//! What every model asks of a request.

use super::ChatRequest;
use crate::{Error, Result};

/// Refuses a request that no provider could serve, so that all adapters refuse alike.
///
/// # Errors
/// `InvalidInput` that names the field and the fix.
pub fn check_request(request: &ChatRequest) -> Result<()> {
    let invalid = |field, fix: &str| Err(Error::invalid("start answer", field, fix));
    if request.messages.iter().all(|message| message.content.trim().is_empty()) {
        return invalid("messages", "give at least one message with text");
    }
    if request.temperature.is_some_and(|t| !(0.0..=2.0).contains(&t)) {
        return invalid("temperature", "give a number from 0 to 2");
    }
    if request.top_p.is_some_and(|p| !(p > 0.0 && p <= 1.0)) {
        return invalid("top_p", "give a number over 0 and up to 1");
    }
    if request.max_tokens == Some(0) {
        return invalid("max_tokens", "give a number over 0, or none");
    }
    if request.stop.iter().any(String::is_empty) {
        return invalid("stop", "remove the empty text");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::{ChatMessage, ChatRole};
    use super::*;

    #[test]
    fn each_wrong_field_is_named() {
        let good = ChatRequest {
            messages: vec![ChatMessage { role: ChatRole::User, content: "Hi".into() }],
            ..ChatRequest::default()
        };
        assert!(check_request(&good).is_ok());
        for (field, wrong) in [
            ("messages", ChatRequest { messages: Vec::new(), ..good.clone() }),
            ("temperature", ChatRequest { temperature: Some(f32::NAN), ..good.clone() }),
            ("temperature", ChatRequest { temperature: Some(2.1), ..good.clone() }),
            ("top_p", ChatRequest { top_p: Some(0.0), ..good.clone() }),
            ("max_tokens", ChatRequest { max_tokens: Some(0), ..good.clone() }),
            ("stop", ChatRequest { stop: vec![String::new()], ..good.clone() }),
        ] {
            assert_eq!(check_request(&wrong).unwrap_err().context("field"), Some(field));
        }
    }
}
