//! An event, borrowed and owned, and two questions about streams of them.

use std::{borrow::Cow, time::Duration};

/// The name of an event whose stream gives it none.
pub(super) const MESSAGE: &str = "message";

/// An event that borrows from the parser and the bytes it was given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EventRef<'a> {
    /// The event's name; `"message"` if the stream gives none.
    pub event: &'a str,
    /// The values of the `data` lines, joined by LF.
    pub data: &'a str,
    /// The last event id in force: what a client sends as `Last-Event-ID` to resume after
    /// this event. The stream need not repeat it with every event. `None` if it never set
    /// one, or reset it with an empty `id`.
    pub id: Option<&'a str>,
    /// The reconnection time, if this event's lines set one.
    pub retry: Option<Duration>,
}

impl<'a> EventRef<'a> {
    /// An unnamed event with nothing but data.
    #[must_use]
    pub const fn message(data: &'a str) -> Self {
        Self { event: MESSAGE, data, id: None, retry: None }
    }
}

/// An event that owns its text. The fields are those of [`EventRef`].
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Event {
    /// The event's name; `"message"`, which costs no allocation, if the stream gives none.
    pub event: Cow<'static, str>,
    /// The values of the `data` lines, joined by LF.
    pub data: String,
    /// The last event id in force, see [`EventRef::id`].
    pub id: Option<String>,
    /// The reconnection time, if this event's lines set one.
    pub retry: Option<Duration>,
}

impl Event {
    /// The same event, borrowed.
    #[must_use]
    pub fn as_ref(&self) -> EventRef<'_> {
        EventRef { event: &self.event, data: &self.data, id: self.id.as_deref(), retry: self.retry }
    }
}

impl From<EventRef<'_>> for Event {
    fn from(event: EventRef<'_>) -> Self {
        let name = if event.event == MESSAGE {
            Cow::Borrowed(MESSAGE)
        } else {
            Cow::Owned(event.event.to_owned())
        };
        Self {
            event: name,
            data: event.data.to_owned(),
            id: event.id.map(str::to_owned),
            retry: event.retry,
        }
    }
}

/// Whether `data` is the `[DONE]` by which the OpenAI protocol ends a stream.
///
/// Servers differ in the white space around it and in its case; the brackets are required.
///
/// ```
/// use notebook_core::sse::is_done;
/// assert!(is_done("[DONE]") && is_done(" [done]\t"));
/// assert!(!is_done("DONE") && !is_done(r#"{"content":"[DONE]"}"#));
/// ```
#[must_use]
pub fn is_done(data: &str) -> bool {
    data.trim().eq_ignore_ascii_case("[DONE]")
}

/// Whether a `Content-Type` names an event stream.
///
/// Parameters do not count: a stream is UTF-8 whatever `charset` says.
///
/// ```
/// use notebook_core::sse::is_event_stream;
/// assert!(is_event_stream("text/event-stream; charset=windows-1252"));
/// assert!(!is_event_stream("application/json"));
/// ```
#[must_use]
pub fn is_event_stream(content_type: &str) -> bool {
    let essence = content_type.split(';').next().unwrap_or_default();
    essence.trim().eq_ignore_ascii_case("text/event-stream")
}
