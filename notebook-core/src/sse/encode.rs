//! Writing an event stream.
//!
//! Every function appends a whole block, ended by its blank line, so that blocks can be
//! encoded once and sent to many. What is written reads back as it was, but for line ends in
//! data: CR and CRLF become LF.
//!
//! ```
//! use notebook_core::sse::{EventRef, encode};
//!
//! let mut wire = Vec::new();
//! encode::event(&EventRef { id: Some("run:1"), ..EventRef::message("Hello\nyou") }, &mut wire)?;
//! encode::comment("", &mut wire); // a heartbeat
//! assert_eq!(wire, b"id: run:1\ndata: Hello\ndata: you\n\n:\n\n");
//! # Ok::<(), notebook_core::sse::SseError>(())
//! ```

use std::time::Duration;

use super::{EventRef, SseError, event::MESSAGE};

/// Appends `event`.
///
/// An `id` of `Some("")` resets the reader's last event id; `None` leaves it as it is. The
/// name `"message"` is what a stream without names means, so it is not written.
///
/// # Errors
///
/// [`SseError::IllegalCharacter`] if the name or the id holds CR, LF or NUL: the first two
/// would start a line of their own, and an id with NUL is ignored by every reader. Nothing
/// is written then.
pub fn event(event: &EventRef<'_>, out: &mut Vec<u8>) -> Result<(), SseError> {
    check("event", event.event)?;
    check("id", event.id.unwrap_or_default())?;
    if !event.event.is_empty() && event.event != MESSAGE {
        line("event", event.event, out);
    }
    if let Some(id) = event.id {
        line("id", id, out);
    }
    if let Some(time) = event.retry {
        retry_line(time, out);
    }
    for text in lines(event.data) {
        line("data", text, out);
    }
    out.push(b'\n');
    Ok(())
}

/// Appends a comment: readers skip it, and proxies see that the stream is alive.
///
/// Line ends within `text` make several comment lines.
pub fn comment(text: &str, out: &mut Vec<u8>) {
    for text in lines(text) {
        if text.is_empty() {
            out.extend_from_slice(b":\n");
        } else {
            line("", text, out);
        }
    }
    out.push(b'\n');
}

/// Appends a block that only sets the reader's reconnection time, in whole milliseconds.
pub fn retry(time: Duration, out: &mut Vec<u8>) {
    retry_line(time, out);
    out.push(b'\n');
}

fn retry_line(time: Duration, out: &mut Vec<u8>) {
    line("retry", &time.as_millis().to_string(), out);
}

/// The space is always written: without it, a value's own leading space would be lost.
fn line(field: &str, value: &str, out: &mut Vec<u8>) {
    for part in [field, ": ", value, "\n"] {
        out.extend_from_slice(part.as_bytes());
    }
}

/// The lines of `text`, at CR, LF or CRLF. Text that ends in one has an empty last line.
fn lines(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = Some(text);
    std::iter::from_fn(move || {
        let text = rest?;
        let Some((line, after)) = text.split_once(['\r', '\n']) else {
            return rest.take();
        };
        let is_crlf = text.as_bytes().get(line.len()..line.len() + 2) == Some(b"\r\n");
        rest = if is_crlf { after.strip_prefix('\n') } else { Some(after) };
        Some(line)
    })
}

fn check(field: &'static str, value: &str) -> Result<(), SseError> {
    match value.chars().find(|found| matches!(found, '\r' | '\n' | '\0')) {
        Some(found) => Err(SseError::IllegalCharacter { field, found }),
        None => Ok(()),
    }
}
