//! Embedders that run in this process.

pub(crate) mod local;

pub use local::{LocalEmbedder, LocalOptions};

#[cfg(feature = "candle")]
pub mod candle;
#[cfg(feature = "ort")]
pub mod ort;
