//! Server-sent events (`text/event-stream`): a parser, an encoder and a stream adapter.
//!
//! [`Parser`] does no I/O. It takes the bytes in whatever pieces the network gives them
//! and hands out events that borrow from those bytes where they can. Its memory is
//! bounded by a limit that the caller sets, and its time is linear in the bytes read.
//! It follows the [WHATWG specification], so hostile input is never an error: only an
//! event over the limit is.
//!
//! | to | use |
//! |---|---|
//! | read events from bytes | [`Parser`] |
//! | read events from an HTTP body | [`EventStream`] |
//! | write events, comments and retry hints | [`encode`] |
//!
//! ```
//! use notebook_core::sse::{Event, Parser};
//!
//! let mut parser = Parser::new();
//! let mut seen = Vec::new();
//! // The network splits where it likes: here inside a field name and inside a value.
//! for mut chunk in [&b"id: 7\nda"[..], b"ta: Hel", b"lo\n\ndata: [DONE]\n\n"] {
//!     while let Some(event) = parser.next_event(&mut chunk)? {
//!         seen.push(Event::from(event));
//!     }
//! }
//! parser.finish()?; // an error if the bytes end inside an event
//!
//! assert_eq!(seen[0].data, "Hello");
//! assert_eq!(seen[0].id.as_deref(), Some("7"));
//! assert!(notebook_core::sse::is_done(&seen[1].data));
//! # Ok::<(), notebook_core::sse::SseError>(())
//! ```
//!
//! [WHATWG specification]: https://html.spec.whatwg.org/multipage/server-sent-events.html

pub mod encode;
mod error;
mod event;
mod line;
mod parser;
mod stream;
mod text;

pub use error::SseError;
pub use event::{Event, EventRef, is_done, is_event_stream};
pub use parser::{DEFAULT_MAX_EVENT_BYTES, MAX_FIELD_BYTES, MAX_RETRY, Parser};
pub use stream::EventStream;
