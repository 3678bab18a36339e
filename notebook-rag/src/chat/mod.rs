//! Chat models that run in this process.

#[cfg(feature = "candle")]
pub mod gguf;
