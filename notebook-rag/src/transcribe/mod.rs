//! Recordings to text with times.
//!
//! A recording is decoded by a limited child ([`Recording`](crate::parse::Recording)), a window at a time; a
//! [`Transcriber`](notebook_core::transcribe::Transcriber) hears what is said in it; the words become a document whose
//! numbered parts are the seconds in which they begin. Memory is bounded by the window, however long the recording is.

#[cfg(feature = "ingest")]
mod listen;
#[cfg(feature = "ingest")]
mod script;
#[cfg(feature = "candle")]
pub mod whisper;

#[cfg(feature = "ingest")]
pub use listen::{Listened, Unheard, write_down};
