//! The embedders of this process against vectors computed elsewhere.
#![cfg(any(feature = "candle", feature = "ort"))]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

#[cfg(feature = "candle")]
mod candle;
#[cfg(feature = "ort")]
mod ort;
mod support;
