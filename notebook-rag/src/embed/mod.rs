//! Embedders that run in this process.

mod local;

pub use local::{LocalEmbedder, LocalOptions};

#[cfg(feature = "candle")]
pub mod candle;
#[cfg(feature = "ort")]
pub mod ort;
