//! Long replies: event streams and WebSockets.

pub mod socket;
pub(crate) mod sse;
