//! Embedders that run in this process.

#[cfg(feature = "candle")]
pub mod candle;
