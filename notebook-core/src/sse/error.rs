//! What can go wrong with an event stream.

use crate::{Error, ErrorKind, Retry};

/// An error of the parser, the encoder or [`EventStream`](super::EventStream).
///
/// After any of the reading errors the stream is over: what follows a lost event cannot
/// be trusted to make sense.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SseError {
    /// Reading: an event, or a line that is not part of one, is longer than the limit; or a
    /// name or id is longer than [`MAX_FIELD_BYTES`](super::MAX_FIELD_BYTES).
    #[error(
        "an event of the stream is over the limit of {limit} bytes, or its name or id too long"
    )]
    TooLarge {
        /// The limit, in bytes of decoded text.
        limit: usize,
    },
    /// Reading: the bytes ended before the blank line that ends an event. The event is dropped.
    #[error("the stream ended inside an event")]
    Truncated,
    /// Reading: the body under an [`EventStream`](super::EventStream) failed.
    #[error("the body of the stream failed")]
    Body(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// Writing: a name or an id holds a character that would end its line, or void it.
    #[error("the {field} of an event must not hold {found:?}: remove it")]
    IllegalCharacter {
        /// The field: `event` or `id`.
        field: &'static str,
        /// CR, LF or NUL.
        found: char,
    },
}

impl From<SseError> for Error {
    fn from(error: SseError) -> Self {
        let base = |kind| Self::new(kind, "read event stream");
        match error {
            SseError::TooLarge { limit } => {
                base(ErrorKind::TooLarge).with("limit", format!("{limit} bytes"))
            }
            SseError::Truncated | SseError::Body(_) => {
                base(ErrorKind::Unavailable).retry(Retry::Backoff)
            }
            SseError::IllegalCharacter { field, found } => Self::invalid(
                "write event stream",
                field,
                format!("remove the character {found:?}"),
            ),
        }
        .caused_by(error)
    }
}
