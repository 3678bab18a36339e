//! Exact citations: marks out of the model's stream, claims aligned with passages, quotes
//! verified against the stored text.
//!
//! A model writes `The tower is 300 m high [2].` The [`MarkFilter`] takes `[2]` out of the
//! stream; [`claim`] finds the sentence that it belongs to; [`align`] finds the words of passage 2
//! that support it; [`verify`] compares them with the store byte for byte. What fails a step
//! is dropped and counted: a citation that is shown is true.

mod align;
mod claim;
mod marks;
mod terms;
mod verify;

pub use align::{Support, align};
pub use claim::{Claim, claim};
pub use marks::{MarkFilter, Piece};
pub use terms::{sentences, terms};
pub use verify::{is_quote, verify};
